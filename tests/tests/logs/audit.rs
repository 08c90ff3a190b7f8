//! The auditor, against an honest operator over real sockets and a dishonest one
//! over real files: whatever the latter does is found and named.

mod accusations;
mod federation;
mod honest;
mod later_kinds;
mod several_issuers;
mod wrong_entries;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pennyblack_audit::{
    AuditError, Auditor, Followed, Log, LogPlace, Misbehaviour, Period, Report, StateDirectory,
    verify_proof,
};
use pennyblack_base::problem::ProblemType;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_evidence::log_entry::{EpochTotals, LogEntry, Minute, Statement};
use pennyblack_http::{HttpClient, HttpOptions};
use pennyblack_logserver::TransparencyLog;
use pennyblack_privacypass::blind_rsa::TokenPublicKey;
use pennyblack_privacypass::token_key::TokenKey;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::world::World;
use pennyblack_tlog::LogReader;
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{Cosigner, NoteSigner, VerifierKey, WitnessPolicy};
use tempfile::TempDir;

const NOW: UnixTime = UnixTime(1_795_000_000);
const CPS: &str = "cps.example/log";
const ISSUER: &str = "issuer.example/log";
const SOON: Duration = Duration::from_secs(30);
const LIMIT: Duration = Duration::from_secs(600);
const ALWAYS: Period = Period {
    from: None,
    until: None,
};

fn http() -> HttpClient {
    HttpOptions::default().client().unwrap()
}

fn log_at(place: &str, key: &VerifierKey) -> Log {
    Log {
        place: LogPlace::new(place, &http()).unwrap(),
        key: key.clone(),
        policy: WitnessPolicy::default(),
    }
}

/// A log whose operator manipulates it.
struct Operated {
    home: TempDir,
    name: &'static str,
}

impl Operated {
    async fn new(name: &'static str, statements: &[Statement]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let this = Self { home, name };
        this.state(statements).await;
        this
    }

    /// Another log, signed with the same key.
    async fn twin(&self, statements: &[Statement]) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::copy(self.home.path().join("key"), home.path().join("key")).unwrap();
        let this = Self {
            home,
            name: self.name,
        };
        this.state(statements).await;
        this
    }

    fn open(&self) -> TransparencyLog {
        let name = self.name.parse().unwrap();
        TransparencyLog::open(self.home.path(), &name, |_, _| ()).unwrap()
    }

    /// Appends whatever it is told, true or not.
    async fn state(&self, statements: &[Statement]) {
        let minute = Minute::of(NOW);
        let entries = statements.iter().map(|statement| {
            let statement = statement.clone();
            LogEntry { minute, statement }.to_bytes()
        });
        self.append(entries).await;
    }

    async fn append(&self, entries: impl IntoIterator<Item = Vec<u8>>) {
        let log = self.open();
        for entry in entries {
            log.append(entry).await.unwrap();
        }
        let size = log.size();
        let mut checkpoints = log.checkpoints();
        let signed = checkpoints.wait_for(|last| last.checkpoint().head.size == size);
        signed.await.unwrap();
    }

    fn public(&self) -> PathBuf {
        self.home.path().join("public")
    }

    fn key(&self) -> VerifierKey {
        self.open().verifier().clone()
    }

    fn log(&self) -> Log {
        log_at(self.public().to_str().unwrap(), &self.key())
    }
}

fn key(number: u8) -> TokenKey {
    let mut modulus = [number; 256];
    modulus[0] = 0x80;
    modulus[255] = 1;
    TokenKey::BlindRsa(TokenPublicKey::from_modulus(&modulus).unwrap())
}

/// Keys of different numbers begin at least 20 minutes apart.
fn begins(key: &TokenKey) -> UnixTime {
    let number = key.encoded()[200];
    NOW.plus(Duration::from_secs(1_200 * u64::from(number)))
}

fn opened(key: TokenKey) -> Statement {
    Statement::KeyEpochOpened {
        issuer: "issuer.example".parse().unwrap(),
        not_before: begins(&key),
        key,
    }
}

fn announced(key: TokenKey) -> Statement {
    Statement::TokenKeyAnnounced {
        not_before: begins(&key),
        key,
    }
}

fn closed(key: &TokenKey, spent: u64) -> Statement {
    counted(key, spent, [0, 0])
}

fn counted(key: &TokenKey, spent: u64, [refused, further]: [u64; 2]) -> Statement {
    Statement::KeyEpochClosed {
        token_key_id: key.id(),
        totals: EpochTotals {
            spent,
            replayed: 0,
            refused,
            further_double_spends: further,
        },
    }
}

fn issued(key: &TokenKey, issued: u64) -> Statement {
    Statement::IssuanceTotal {
        token_key_id: key.id(),
        issued,
    }
}

/// Follows with what is kept in `state`, and keeps what was found.
async fn follow(
    cps: Log,
    issuers: impl IntoIterator<Item = Log>,
    state: &Path,
) -> Result<Followed, AuditError> {
    let directory = StateDirectory::new(state);
    let auditor = Auditor::new(cps, issuers)?;
    let mut followed = auditor
        .follow(NOW, || directory.load(), LIMIT, |_, _, _| ())
        .await?;
    directory.keep(&followed.state)?;
    if let Some(error) = followed.stopped.take() {
        return Err(error);
    }
    assert!(followed.is_complete());
    Ok(followed)
}

/// What an auditor with this state says of a log.
async fn misbehaviour(
    cps: Log,
    issuers: impl IntoIterator<Item = Log>,
    state: &Path,
) -> Misbehaviour {
    let error = follow(cps, issuers, state).await.unwrap_err();
    let found = error.misbehaviour();
    found.unwrap_or_else(|| panic!("not named: {error}"))
}

/// Evidence of a double spend that happened, and the key of its token.
async fn double_spend(world: &World) -> DoubleSpendEvidence {
    double_spend_in(&world.mailbox().await, world).await
}

async fn double_spend_in(mailbox: &Mailbox, world: &World) -> DoubleSpendEvidence {
    let token = world.draw_one().await;
    for (passport, answer) in [("a.b.c", None), ("d.e.f", Some(()))] {
        let request = world.spend(&token, mailbox, passport);
        let stored = world.store(&request).await.unwrap();
        match answer {
            None => stored.assert_created(),
            Some(()) => assert_eq!(stored.problem(), ProblemType::TokenAlreadySpent),
        };
    }
    let lines = world.get("/v1/double-spends").await;
    let lines = String::from_utf8(lines.content().to_vec()).unwrap();
    let line: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    line["evidence"].to_string().parse().unwrap()
}

async fn key_of(world: &World, url: &str) -> VerifierKey {
    let answer = world.client.get(format!("{url}/key")).send().await.unwrap();
    answer.text().await.unwrap().trim_end().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_changes_drops_hides_or_takes_back_what_is_in_the_log_is_named() {
    let statements: Vec<_> = (1..=5).map(|number| opened(key(number))).collect();
    let operated = Operated::new(CPS, &statements).await;
    let state = tempfile::tempdir().unwrap();
    follow(operated.log(), None, state.path()).await.unwrap();
    let bundle = operated.public().join("tile/entries/000.p/5");
    let sound = fs::read(&bundle).unwrap();
    let newcomer = || tempfile::tempdir().unwrap();

    let mut rewritten = sound.clone();
    rewritten[40] ^= 1;
    fs::write(&bundle, rewritten).unwrap();
    let found = misbehaviour(operated.log_unopened(), None, newcomer().path()).await;
    assert_eq!(found, Misbehaviour::RewrittenEntry);

    let first = 2 + usize::from(u16::from_be_bytes([sound[0], sound[1]]));
    fs::write(&bundle, &sound[first..]).unwrap();
    let found = misbehaviour(operated.log_unopened(), None, newcomer().path()).await;
    assert_eq!(found, Misbehaviour::RewrittenEntry);

    fs::remove_file(&bundle).unwrap();
    let found = misbehaviour(operated.log_unopened(), None, newcomer().path()).await;
    assert_eq!(found, Misbehaviour::MissingTile);
    fs::write(&bundle, &sound).unwrap();

    let shorter = operated.twin(&statements[..4]).await;
    let found = misbehaviour(shorter.log(), None, state.path()).await;
    assert_eq!(found, Misbehaviour::Rollback);

    // What was signed counts, though its entries are kept back.
    let (kept_back, longer) = (newcomer(), operated.twin(&statements).await);
    fs::remove_file(longer.public().join("tile/entries/000.p/5")).unwrap();
    let found = misbehaviour(longer.log_unopened(), None, kept_back.path()).await;
    assert_eq!(found, Misbehaviour::MissingTile);
    let found = misbehaviour(shorter.log(), None, kept_back.path()).await;
    assert_eq!(found, Misbehaviour::Rollback);

    // Another history for this auditor, which goes on further than what it knows.
    let others: Vec<_> = (11..=17).map(|number| opened(key(number))).collect();
    let fork = operated.twin(&others).await;
    assert!(follow(fork.log(), None, newcomer().path()).await.is_ok());
    let found = misbehaviour(fork.log(), None, state.path()).await;
    assert_eq!(found, Misbehaviour::Fork);

    let another = Operated::new(CPS, &statements).await;
    let forged = Log {
        key: operated.key(),
        ..another.log()
    };
    let found = misbehaviour(forged, None, newcomer().path()).await;
    assert_eq!(found, Misbehaviour::BadSignature);
    // The honest log is found sound after all that.
    follow(operated.log(), None, state.path()).await.unwrap();
}

impl Operated {
    /// The log as it lies there; a service would not start with such files.
    fn log_unopened(&self) -> Log {
        let secret = fs::read_to_string(self.home.path().join("key")).unwrap();
        let signer = NoteSigner::from_secret_text(secret.trim_end()).unwrap();
        log_at(self.public().to_str().unwrap(), signer.verifier())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inflated_totals_and_keys_of_ones_own_are_found_with_the_issuers_log() {
    let (one, own) = (key(1), key(2));
    let issuer = Operated::new(ISSUER, &[announced(one.clone()), issued(&one, 100)]).await;
    let sound = Operated::new(CPS, &[opened(one.clone()), closed(&one, 100)]).await;
    let state = tempfile::tempdir().unwrap();
    let followed = follow(sound.log(), Some(issuer.log()), state.path()).await;
    let report = Report::new(&followed.unwrap().state.epochs, ALWAYS);
    assert_eq!(report.epochs[0].reconciled, Some(true));
    // An auditor that has followed the issuer does not forget it.
    let error = follow(sound.log(), None, state.path()).await.unwrap_err();
    assert!(matches!(error, AuditError::IssuerNotNamed(_)), "{error}");

    let cases = [
        (
            vec![opened(one.clone()), closed(&one, 101)],
            Misbehaviour::MoreSpentThanIssued,
        ),
        (vec![opened(own.clone())], Misbehaviour::UnknownKey),
        (vec![closed(&one, 1)], Misbehaviour::Contradiction),
        (
            vec![opened(one.clone()), closed(&one, 1), closed(&one, 2)],
            Misbehaviour::Contradiction,
        ),
        (vec![issued(&one, 5)], Misbehaviour::Contradiction),
    ];
    for (statements, expected) in cases {
        let operated = Operated::new(CPS, &statements).await;
        let fresh = tempfile::tempdir().unwrap();
        let found = misbehaviour(operated.log(), Some(issuer.log()), fresh.path()).await;
        assert_eq!(found, expected, "{statements:?}");
    }
    // A key that was taken before the auditor knew of the issuer's log.
    let operated = Operated::new(CPS, &[opened(own)]).await;
    let late = tempfile::tempdir().unwrap();
    follow(operated.log(), None, late.path()).await.unwrap();
    let found = misbehaviour(operated.log(), Some(issuer.log()), late.path()).await;
    assert_eq!(found, Misbehaviour::UnknownKey);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_without_the_witnesses_that_are_demanded_is_not_enough() {
    let operated = Operated::new(CPS, &[opened(key(1))]).await;
    let kind = SignatureType::CosignatureV1;
    let name = "witness.example".parse().unwrap();
    let witness = NoteSigner::generate(name, kind, &mut rand::rng());
    let witness = Arc::new(Cosigner::new(witness).unwrap());
    let policy = WitnessPolicy::new(vec![witness.verifier().clone()], 1).unwrap();
    let log = Log {
        policy,
        ..operated.log()
    };
    let fresh = tempfile::tempdir().unwrap();
    let found = misbehaviour(log, None, fresh.path()).await;
    assert_eq!(found, Misbehaviour::TooFewWitnesses);
}

#[test]
fn each_kind_of_misbehaviour_stands_in_the_auditors_table_with_its_exit_code() {
    let guide = include_str!("../../../docs/auditing.md");
    for misbehaviour in Misbehaviour::ALL {
        let row = format!("\n| {} | ", misbehaviour.exit_code());
        assert!(guide.contains(&row), "{misbehaviour:?}");
    }
}
