use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::SpendKey;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_runtime::logging::testing::levels_of;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::scene::*;
use super::*;

const AGED: Duration = Duration::from_secs(300);

#[test]
fn a_draw_comes_back_after_a_restart_with_the_same_body_and_the_same_secrets() {
    let Scene { home, wallet } = scene();
    let draw = new_draw(3, &mut StdRng::seed_from_u64(1));
    wallet.begin_draw(&draw, NOW).unwrap();
    drop(wallet);

    let wallet = Wallet::open(&home.path().join("wallet.db")).unwrap();
    let pending = wallet.pending_draws().unwrap();
    let [again] = pending.as_slice() else {
        panic!("one draw, not {}", pending.len());
    };
    assert_eq!(again.draw.body, draw.body);
    assert_eq!(again.draw.subject, "683G");
    for (one, other) in again.draw.parts.iter().zip(&draw.parts) {
        assert_eq!(one.pending.to_bytes(), other.pending.to_bytes());
        assert_eq!(one.spend_key.nonce(), other.pending.nonce());
    }
}

#[test]
fn the_same_answer_brings_tokens_in_only_once() {
    let Scene {
        wallet,
        home: _home,
    } = scene();
    let draw = new_draw(2, &mut StdRng::seed_from_u64(1));
    let id = wallet.begin_draw(&draw, NOW).unwrap();
    let tokens = answer(&draw, TokenKeyId([1; 32]));
    assert_eq!(wallet.complete_draw(id, &tokens, NOW).unwrap(), 2);
    assert_eq!(wallet.complete_draw(id, &tokens, NOW).unwrap(), 0);
    assert_eq!(wallet.count(&issuer(), cps()).unwrap(), 2);
    assert!(wallet.pending_draws().unwrap().is_empty());
}

#[test]
fn a_token_leaves_once_and_stands_in_the_outbox_until_it_is_settled() {
    let Scene {
        wallet,
        home: _home,
    } = scene();
    let drawn: HashSet<_> = fill(&wallet, 8, TokenKeyId([1; 32]), NOW)
        .into_iter()
        .collect();
    let spent: HashSet<_> = (0..8)
        .map(|_| spend(&wallet, Duration::ZERO, NOW).unwrap())
        .collect();
    assert_eq!(spent, drawn);
    // A monitor still learns that there is nothing for it.
    assert!(wallet.holdings(Duration::ZERO, NOW).unwrap().is_empty());
    assert_eq!(wallet.drawn_for().unwrap(), [own()]);
    assert!(matches!(
        spend(&wallet, Duration::ZERO, NOW),
        Err(SpendError::NoToken { younger: 0, .. })
    ));
    let outbox = wallet.outbox().unwrap();
    assert_eq!(outbox.len(), 8);
    for entry in outbox {
        wallet.settle(entry.id).unwrap();
    }
    assert!(wallet.outbox().unwrap().is_empty());
}

#[test]
fn a_request_comes_back_from_the_outbox_byte_for_byte() {
    let Scene { home, wallet } = scene();
    fill(&wallet, 2, TokenKeyId([1; 32]), NOW);
    let entry = wallet
        .spend(&cps(), Duration::ZERO, URL, NOW, sign)
        .unwrap();
    let copy = copies().seal(&cps()).unwrap();
    let hidden = wallet.spend_copy(&copy, &TokenChoice::Any, Duration::ZERO, TARGET, NOW);
    let hidden = hidden.unwrap().entry;
    let ways = (entry.ways, hidden.ways);
    assert_eq!(ways, (AllowedWays::All, AllowedWays::RelaysOnly));
    drop(wallet);
    let wallet = Wallet::open(&home.path().join("wallet.db")).unwrap();
    assert_eq!(wallet.outbox().unwrap(), [entry.clone(), hidden]);
    assert!(entry.may_be_sent(NOW.plus(Duration::from_secs(60))));
    assert!(!entry.may_be_sent(NOW.plus(Duration::from_secs(61))));
}

#[test]
fn a_cps_was_drawn_for_until_its_keys_are_over_whether_or_not_its_tokens_are_spent() {
    let Scene {
        wallet,
        home: _home,
    } = scene();
    let was_drawn_for = |cps: Authority| wallet.was_drawn_for(&issuer(), &cps.into()).unwrap();
    assert!(!was_drawn_for(cps()));
    fill(&wallet, 1, TokenKeyId([1; 32]), NOW);
    spend(&wallet, Duration::ZERO, NOW).unwrap();
    assert!(was_drawn_for(cps()));
    assert!(!was_drawn_for("other.example".parse().unwrap()));
    wallet
        .sort_keys(&issuer(), |_| KeyStanding::Over, NOW)
        .unwrap();
    assert!(!was_drawn_for(cps()));
}

#[test]
fn a_request_that_cannot_be_signed_leaves_the_token_where_it_was() {
    let Scene {
        wallet,
        home: _home,
    } = scene();
    fill(&wallet, 1, TokenKeyId([1; 32]), NOW);
    let refused = wallet.spend(&cps(), Duration::ZERO, URL, NOW, |token, _| {
        sign(token, &SpendKey::from_bytes(&[3; 32]))
    });
    assert!(matches!(refused, Err(SpendError::Sign(_))));
    assert_eq!(wallet.count(&issuer(), cps()).unwrap(), 1);
    assert!(wallet.outbox().unwrap().is_empty());
}

#[test]
fn no_token_of_a_key_that_was_refused_is_taken() {
    let Scene { wallet, .. } = scene();
    let (closed, open) = (TokenKeyId([1; 32]), TokenKeyId([2; 32]));
    fill(&wallet, 20, closed, NOW);
    let good = fill(&wallet, 1, open, UnixTime(NOW.0 + 1));
    let later = NOW.plus(AGED);
    let spend_other = || {
        let (copy, choice) = (copies().seal(&cps()).unwrap(), TokenChoice::NotOf(closed));
        let paid = wallet.spend_copy(&copy, &choice, Duration::ZERO, TARGET, later)?;
        assert_eq!(paid.token.token_key, open);
        Ok::<_, SpendError>(nonce_of(&paid.entry))
    };
    assert_eq!(spend_other().unwrap(), good[0]);
    assert!(matches!(
        spend_other(),
        Err(SpendError::NoToken { younger: 0, .. })
    ));
    assert!(spend(&wallet, Duration::ZERO, later).is_ok());
}

#[test]
fn a_token_is_not_spent_before_its_minimum_age() {
    let Scene {
        wallet,
        home: _home,
    } = scene();
    fill(&wallet, 1, TokenKeyId([1; 32]), NOW);
    let early = NOW.plus(AGED - Duration::from_secs(1));
    assert!(matches!(
        spend(&wallet, AGED, early),
        Err(SpendError::NoToken { younger: 1, .. })
    ));
    assert!(spend(&wallet, AGED, NOW.plus(AGED)).is_ok());
}

#[test]
fn tokens_are_not_spent_in_the_order_of_drawing_nor_of_their_nonces() {
    let Scene {
        wallet,
        home: _home,
    } = scene();
    let drawn = fill(&wallet, 24, TokenKeyId([1; 32]), NOW);
    let spent: Vec<_> = (0..24)
        .map(|_| spend(&wallet, Duration::ZERO, NOW).unwrap())
        .collect();
    let mut sorted = drawn.clone();
    sorted.sort();
    // Each of these has a chance of 1 in 24! to fail for no reason.
    assert_ne!(spent, drawn);
    assert_ne!(spent, sorted);
}

#[test]
fn a_token_for_another_cps_is_never_taken() {
    let Scene {
        wallet,
        home: _home,
    } = scene();
    fill(&wallet, 1, TokenKeyId([1; 32]), NOW);
    let other = "other.example".parse().unwrap();
    assert!(matches!(
        wallet.spend(&other, Duration::ZERO, URL, NOW, sign),
        Err(SpendError::NoToken { younger: 0, .. })
    ));
}

#[test]
fn every_file_of_the_wallet_is_for_its_owner_only() {
    let Scene { wallet, home } = scene();
    fill(&wallet, 1, TokenKeyId([1; 32]), NOW);
    let files: Vec<_> = fs::read_dir(home.path()).unwrap().flatten().collect();
    assert_eq!(files.len(), 3, "database, -wal and -shm");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.file_name());
    }
}

#[test]
fn a_wallet_that_others_may_read_is_refused() {
    let Scene { wallet, home } = scene();
    drop(wallet);
    let path = home.path().join("wallet.db");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        Wallet::open(&path),
        Err(WalletError::File(DatabaseFileError::Permissions {
            mode: 0o640,
            ..
        }))
    ));
}

#[test]
fn a_spent_secret_is_overwritten_in_the_file() {
    let Scene { home, wallet } = scene();
    let draw = new_draw(8, &mut StdRng::seed_from_u64(9));
    let id = wallet.begin_draw(&draw, NOW).unwrap();
    wallet
        .complete_draw(id, &answer(&draw, TokenKeyId([1; 32])), NOW)
        .unwrap();
    let spent: Vec<_> = (0..7)
        .map(|_| spend(&wallet, Duration::ZERO, NOW).unwrap())
        .collect();
    // Closing the last connection moves the log into the database.
    drop(wallet);
    let bytes = fs::read(home.path().join("wallet.db")).unwrap();
    for part in &draw.parts {
        let secret = part.spend_key.to_bytes();
        let is_there = bytes.windows(32).any(|window| window == secret.as_slice());
        assert_eq!(is_there, !spent.contains(&part.pending.nonce()));
    }
}

#[test]
fn a_wait_for_another_process_is_said_once_and_ends() {
    let said = |attempts| levels_of(|| assert!(wait_for_the_wallet(attempts)));
    assert!(said(98).is_empty() && said(100).is_empty());
    assert_eq!(said(99), [tracing::Level::WARN]);
    assert!(!wait_for_the_wallet(1_999));
}
