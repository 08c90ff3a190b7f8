//! `pennyblack` with a wallet that another process has locked: it says so while it waits.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;

/// The line comes after half a second; a busy machine may be late.
const SOON: Duration = Duration::from_secs(5);

/// A wallet that another process makes at this moment.
fn being_made(path: &Path) -> Connection {
    let mut private = OpenOptions::new();
    private.create_new(true).append(true).mode(0o600);
    private.open(path).unwrap();
    let other = Connection::open(path).unwrap();
    let begin = "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE";
    other.execute_batch(begin).unwrap();
    other
}

#[test]
fn a_command_says_that_it_waits_for_a_locked_wallet_and_goes_on_when_it_is_free() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("wallet.db");
    let other = being_made(&path);
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_pennyblack"))
        .args(["call", "--resend", "--wallet"])
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    errors.read_line(&mut line).unwrap();
    assert!(
        line.contains("another process has the wallet locked"),
        "{line}"
    );
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
