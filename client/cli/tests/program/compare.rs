//! The program `pennyblack audit compare`: an operator who shows two auditors two
//! histories is found out when they compare, and named by an exit code.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::{LogEntry, Minute, Statement};
use pennyblack_logserver::TransparencyLog;
use pennyblack_privacypass::blind_rsa::TokenPublicKey;
use pennyblack_privacypass::token_key::TokenKey;
use tempfile::TempDir;

const NOW: UnixTime = UnixTime(1_795_000_000);
const CPS: &str = "cps.example/log";
const SOUND: i32 = 0;
const FAILED: i32 = 1;
const USAGE: i32 = 2;
const FORK: i32 = 20;
const ROLLBACK: i32 = 21;

fn opened(number: u8) -> LogEntry {
    let mut modulus = [number; 256];
    modulus[0] = 0x80;
    modulus[255] = 1;
    LogEntry {
        minute: Minute::of(NOW),
        statement: Statement::KeyEpochOpened {
            issuer: "issuer.example".parse().unwrap(),
            key: TokenKey::BlindRsa(TokenPublicKey::from_modulus(&modulus).unwrap()),
            not_before: NOW,
        },
    }
}

/// A log in a directory, and what its auditors keep beside it.
struct Shown {
    home: TempDir,
    name: &'static str,
}

impl Shown {
    fn new(name: &'static str) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { home, name }
    }

    /// Another history, signed with the same key.
    fn twin(&self) -> Self {
        let twin = Self::new(self.name);
        fs::copy(self.home.path().join("key"), twin.home.path().join("key")).unwrap();
        twin
    }

    fn public(&self) -> PathBuf {
        self.home.path().join("public")
    }

    /// Appends keys; then an auditor who has never seen the log follows it.
    async fn append_and_follow(&self, keys: RangeInclusive<u8>) -> TempDir {
        let name = self.name.parse().unwrap();
        let log = TransparencyLog::open(self.home.path(), &name, |_, _| ()).unwrap();
        for number in keys {
            log.append(opened(number).to_bytes()).await.unwrap();
        }
        let size = log.size();
        let mut checkpoints = log.checkpoints();
        let signed = checkpoints.wait_for(|last| last.checkpoint().head.size == size);
        drop(signed.await.unwrap());
        let state = tempfile::tempdir().unwrap();
        let mut follow = audit("follow");
        follow.arg(self.public());
        follow.arg("--key").arg(log.verifier().to_string());
        assert!(
            follow
                .arg("--state")
                .arg(state.path())
                .status()
                .unwrap()
                .success()
        );
        state
    }
}

fn audit(command: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_pennyblack"));
    program.args(["audit", command]);
    program
}

/// Compares: the exit code, and what was said.
fn compare(one: &Path, other: &Path, log: Option<&Path>) -> (i32, String) {
    let mut program = audit("compare");
    program.arg(one).arg(other);
    if let Some(log) = log {
        program.arg("--log").arg(log);
    }
    let output = program.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn auditors_who_were_shown_one_history_agree_however_far_they_have_read() {
    let log = Shown::new(CPS);
    let (early, late) = (
        log.append_and_follow(1..=3).await,
        log.append_and_follow(4..=6).await,
    );
    let (code, said) = compare(early.path(), late.path(), Some(&log.public()));
    assert_eq!(code, SOUND, "{said}");
    assert!(said.contains("3 of 6 entries in common"), "{said}");
    // A copy of the file that the other has sent.
    let sent = early.path().join("theirs.json");
    fs::copy(late.path().join("audit.json"), &sent).unwrap();
    let (code, said) = compare(&sent, late.path(), None);
    assert_eq!(code, SOUND, "{said}");
    let (code, said) = compare(early.path(), &log.public(), None);
    assert_eq!(code, SOUND, "{said}");
    // Without the tiles nobody can tell.
    let (code, said) = compare(early.path(), late.path(), None);
    assert_eq!(code, USAGE, "{said}");
    assert!(said.contains("--log"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_issuer_whose_log_is_named_is_compared_by_its_name() {
    let logs = [CPS, "issuer.example/log", "other.example/log"].map(Shown::new);
    let mut follow = audit("follow");
    let of_issuer = (Some("--issuer"), "--issuer-key");
    let options = [(None, "--key"), of_issuer, of_issuer];
    for (log, (option, key_option)) in logs.iter().zip(options) {
        let name = log.name.parse().unwrap();
        let opened = TransparencyLog::open(log.home.path(), &name, |_, _| ()).unwrap();
        let key = opened.verifier().to_string();
        follow.args(option).arg(log.public());
        follow.args([key_option, &key]);
    }
    let state = tempfile::tempdir().unwrap();
    follow.arg("--state").arg(state.path());
    assert!(follow.status().unwrap().success());
    let mut compare = audit("compare");
    compare.arg(state.path()).arg(logs[0].public());
    // In another order than before.
    for log in [&logs[2], &logs[1]] {
        compare.arg("--issuer").arg(log.public());
    }
    let output = compare.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.matches("one history").count(), 3, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_forks_the_log_for_one_auditor_is_named() {
    let log = Shown::new(CPS);
    let honest = log.append_and_follow(1..=3).await;
    let (fork, larger) = (log.twin(), log.twin());
    let same_size = fork.append_and_follow(11..=13).await;
    // It parts from the honest one after two entries.
    larger.append_and_follow(1..=2).await;
    let deceived = larger.append_and_follow(21..=25).await;

    let (code, said) = compare(honest.path(), same_size.path(), None);
    assert_eq!(code, FORK, "{said}");
    assert!(said.contains("two histories"), "{said}");
    for (one, other) in [(&honest, &deceived), (&deceived, &honest)] {
        let (code, said) = compare(one.path(), other.path(), Some(&larger.public()));
        assert_eq!(code, FORK, "{said}");
        // The history that is shown is shorter than what was signed.
        let (code, said) = compare(one.path(), other.path(), Some(&log.public()));
        assert_eq!(code, ROLLBACK, "{said}");
    }
    let (code, said) = compare(honest.path(), &larger.public(), None);
    assert_eq!(code, FORK, "{said}");

    let another = Shown::new("other.example/log");
    let stranger = another.append_and_follow(1..=3).await;
    let (code, said) = compare(honest.path(), stranger.path(), None);
    assert_eq!(code, FAILED, "{said}");

    // Anyone can make a log of this name, with another key: it accuses nobody.
    let forged = Shown::new(CPS).append_and_follow(1..=3).await;
    let (code, said) = compare(honest.path(), forged.path(), None);
    assert_eq!(code, FAILED, "{said}");
    assert!(said.contains("one key for the first auditor"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_exist_is_not_called_a_state_without_content() {
    let log = Shown::new(CPS);
    let state = log.append_and_follow(1..=1).await;
    let (code, said) = compare(state.path(), &log.home.path().join("theirs.json"), None);
    assert_eq!(code, FAILED, "{said}");
    assert!(said.contains("theirs.json does not exist"), "{said}");
    let (_, said) = compare(state.path(), log.home.path(), None);
    assert!(said.contains("holds no auditor's state"), "{said}");
}
