//! `carrier run --check-config`: every fault of what the configuration names.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_runtime::clock::Clock;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../carrier.example.toml");

/// In a directory where the example's files are, as far as they are.
fn check(home: &Path, settings: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pennyblack"));
    command.current_dir(home);
    command.args(["carrier", "run", "--config", EXAMPLE, "--check-config"]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    command.output().unwrap()
}

#[test]
fn the_example_is_good_once_its_certificate_is_there_and_every_fault_is_told() {
    let home = tempfile::tempdir().unwrap();
    let (day, now) = (Duration::from_secs(86_400), Clock::system().now());
    let path = home.path().join("pki");
    let mut pki = PkiDirectory::init(&path, &CaNames::default(), day, now).unwrap();
    let request = LeafRequest::new(vec![TnAuthEntry::one("12155550100").unwrap()]);
    pki.issue("carrier-a", &request, None, now).unwrap();

    let good = check(home.path(), &[]);
    let printed = String::from_utf8(good.stdout).unwrap();
    assert!(good.status.success(), "{:?}", good.stderr);
    assert!(printed.contains("class = 4096"), "{printed}");
    assert!(!home.path().join("wallet.db").exists());

    fs::write(home.path().join("wallet.db"), "").unwrap();
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(home.path().join("wallet.db"), open).unwrap();
    let bad = check(
        home.path(),
        &["carrier.key=none.key", "http.ca_file=none.pem"],
    );
    assert_eq!(bad.status.code(), Some(1));
    let said = String::from_utf8(bad.stderr).unwrap();
    for part in ["carrier.key", "none.key", "chmod 600", "none.pem"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
