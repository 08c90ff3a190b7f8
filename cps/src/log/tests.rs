use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_evidence::log_entry::LogEntry;
use pennyblack_privacypass::blind_rsa::TokenPublicKey;
use pennyblack_privacypass::token::{ChallengeDigest, Nonce, Token, TokenType};

use super::*;

const NOW: UnixTime = UnixTime(1_795_000_007);

fn cps() -> Authority {
    "cps.example".parse().unwrap()
}

fn key(number: u8) -> TokenKey {
    let mut modulus = [number; 256];
    modulus[0] = 0x80;
    modulus[255] = 1;
    TokenKey::BlindRsa(TokenPublicKey::from_modulus(&modulus).unwrap())
}

/// Evidence in form; nobody has signed it.
fn evidence(epoch: u8, nonce: u8, later: u8) -> DoubleSpendEvidence {
    let request = |byte| SpendRecord::from_bytes(&[byte; SpendRecord::SIZE]).unwrap();
    DoubleSpendEvidence {
        token: Token {
            token_type: TokenType::BLIND_RSA_2048,
            nonce: Nonce([nonce; 32]),
            challenge_digest: ChallengeDigest([1; 32]),
            token_key_id: key(epoch).id(),
            authenticator: vec![2; 256].into(),
        },
        cps: cps(),
        requests: [request(0), request(later)],
    }
}

fn open(home: &tempfile::TempDir) -> Arc<CpsLog> {
    Arc::new(CpsLog::open(&home.path().join("log"), &cps()).unwrap())
}

#[tokio::test]
async fn a_token_is_logged_once_after_a_restart_too() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let log = open(&home);
        for (place, later) in [1, 1, 2, 3, 4, 5, 6, 1].into_iter().enumerate() {
            let entered = log.double_spend(evidence(1, 9, later), NOW).await.unwrap();
            assert_eq!(entered, round == 0 && place == 0);
        }
        // Another token, and the same nonce under another key.
        for epoch in [1, 2] {
            let evidence = evidence(epoch, 8, 1);
            let entered = log.double_spend(evidence, NOW).await.unwrap();
            assert_eq!(entered, round == 0);
        }
        let lines = log.double_spends(0, 100).unwrap().unwrap();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].evidence(), Ok(evidence(1, 9, 1)));
        assert_eq!(lines[0].minute, UnixTime(1_794_999_960));
    }
}

#[tokio::test]
async fn a_log_to_which_a_later_version_has_written_goes_on_with_this_one() {
    let home = tempfile::tempdir().unwrap();
    let log = open(&home);
    log.double_spend(evidence(1, 9, 1), NOW).await.unwrap();
    let later = [1, 9, 0, 0, 0, 0, 0, 0, 0, 60, 1, 2, 3].to_vec();
    log.published().unwrap().append(later).await.unwrap();
    drop(log);
    let log = open(&home);
    assert!(!log.double_spend(evidence(1, 9, 1), NOW).await.unwrap());
    assert!(log.double_spend(evidence(1, 8, 1), NOW).await.unwrap());
    let lines = log.double_spends(0, 100).unwrap().unwrap();
    let indices: Vec<_> = lines.iter().map(|line| line.index).collect();
    assert_eq!(indices, [0, 2]);
}

#[tokio::test]
async fn of_many_requests_with_one_token_at_once_one_is_logged() {
    let home = tempfile::tempdir().unwrap();
    let log = open(&home);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..64u8 {
        let log = Arc::clone(&log);
        tasks.spawn(async move {
            let evidence = evidence(1, task % 4, 1 + task % 8);
            log.double_spend(evidence, NOW).await.unwrap()
        });
    }
    let entered = tasks.join_all().await;
    assert_eq!(entered.iter().filter(|entered| **entered).count(), 4);
    assert_eq!(log.double_spends(0, 100).unwrap().unwrap().len(), 4);
    assert_eq!(log.published().unwrap().size(), 4);
}

#[tokio::test]
async fn key_epochs_are_opened_and_closed_once_with_what_was_counted() {
    let home = tempfile::tempdir().unwrap();
    let issuer: Authority = "issuer.example".parse().unwrap();
    let (one, two) = (key(1), key(2));
    for round in 0..2 {
        let log = open(&home);
        assert_eq!(log.is_open(one.id()), round == 1);
        for key in [&one, &two, &one] {
            let opened = log.key_epoch_opened(&issuer, key, UnixTime(5), NOW).await;
            opened.unwrap();
            assert!(log.is_open(key.id()));
        }
        if round == 0 {
            log.tallies().replayed(one.id());
            log.tallies().refused(one.id());
            log.tallies().refused(one.id());
            for _ in 0..3 {
                log.tallies().further_double_spend(one.id());
            }
            log.tallies().persist().await.unwrap();
        }
    }
    let log = open(&home);
    log.double_spend(evidence(1, 9, 1), NOW).await.unwrap();
    for spent in [77, 78] {
        log.key_epoch_closed(one.id(), spent, NOW).await.unwrap();
    }
    // Closed is closed, for the tokens too: which of them are in the log was forgotten.
    let late = log.double_spend(evidence(1, 9, 2), NOW).await;
    late.unwrap_err();
    let opened = log.key_epoch_opened(&issuer, &one, UnixTime(5), NOW).await;
    opened.unwrap();
    assert!(!log.is_open(one.id()) && log.is_open(two.id()));
    let entries = log.published().unwrap().entries(0, 100).unwrap();
    let statements: Vec<_> = entries
        .iter()
        .map(|(_, bytes)| LogEntry::parse(bytes).unwrap().statement)
        .collect();
    assert!(matches!(&statements[0], Statement::KeyEpochOpened { key, .. } if *key == one));
    assert!(matches!(&statements[1], Statement::KeyEpochOpened { key, .. } if *key == two));
    assert!(matches!(&statements[2], Statement::DoubleSpend(_)));
    let totals = EpochTotals {
        spent: 77,
        replayed: 1,
        refused: 5,
        further_double_spends: 3,
    };
    assert!(
        matches!(&statements[3], Statement::KeyEpochClosed { token_key_id, totals: said }
            if *token_key_id == one.id() && *said == totals)
    );
    assert_eq!(statements.len(), 4);
    assert_eq!(log.double_spends(0, 100).unwrap().unwrap().len(), 1);
    assert_eq!(log.tallies().of(one.id()).await, Ok(Tally::default()));
}

#[tokio::test]
async fn no_double_spend_follows_the_closing_of_its_epoch() {
    let home = tempfile::tempdir().unwrap();
    let log = open(&home);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..200u8 {
        let log = Arc::clone(&log);
        tasks.spawn(async move {
            // Before, while and after the epoch is closed.
            for _ in 0..task / 8 {
                tokio::task::yield_now().await;
            }
            match task {
                90 => log.key_epoch_closed(key(1).id(), 7, NOW).await.unwrap(),
                _ => drop(log.double_spend(evidence(1, task, 1), NOW).await),
            }
        });
    }
    tasks.join_all().await;
    let entries = log.published().unwrap().entries(0, 256).unwrap();
    let last = LogEntry::parse(&entries.last().unwrap().1).unwrap();
    assert!(matches!(last.statement, Statement::KeyEpochClosed { .. }));
}

#[tokio::test]
async fn pages_of_double_spends_go_on_where_the_last_one_ended() {
    let home = tempfile::tempdir().unwrap();
    let log = open(&home);
    let issuer: Authority = "issuer.example".parse().unwrap();
    for number in 0..20 {
        let key = key(number);
        let opened = log.key_epoch_opened(&issuer, &key, UnixTime(5), NOW);
        opened.await.unwrap();
        log.double_spend(evidence(1, number, 1), NOW).await.unwrap();
    }
    let (mut after, mut all) = (0, Vec::new());
    loop {
        let page = log.double_spends(after, 3).unwrap().unwrap();
        let Some(last) = page.last() else {
            break;
        };
        after = last.index + 1;
        assert!(page.len() <= 3);
        all.extend(page.iter().map(|line| line.evidence().unwrap()));
    }
    let expected: Vec<_> = (0..20).map(|number| evidence(1, number, 1)).collect();
    assert_eq!(all, expected);
}

#[tokio::test]
async fn counts_that_are_damaged_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    drop(open(&home));
    std::fs::write(home.path().join("log/tallies.json"), "{\"x\":[1,2]}").unwrap();
    let error = CpsLog::open(&home.path().join("log"), &cps())
        .err()
        .unwrap();
    assert!(error.to_string().contains("tallies.json"), "{error}");
}
