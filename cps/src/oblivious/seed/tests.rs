use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use pennyblack_base::authority::Authority;
use pennyblack_ohttp::key_ratchet::{Epoch, OfferedKem};
use pennyblack_storage::atomic_file;
use tempfile::TempDir;

use super::*;

const NOW: UnixTime = UnixTime(1_790_000_000);

fn file(home: &TempDir) -> SeedFile {
    SeedFile {
        path: home.path().join("oblivious-seed"),
        epochs: Epochs::DEFAULT,
    }
}

fn mode(file: &SeedFile) -> u32 {
    fs::metadata(&file.path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_node_that_is_alone_makes_a_seed_of_its_owners_and_keeps_it() {
    let home = tempfile::tempdir().unwrap();
    let file = file(&home);
    file.check(false).unwrap();
    let made = file.read_or_make(NOW).unwrap();
    assert_eq!(
        (made.oldest(), mode(&file)),
        (Epochs::DEFAULT.at(NOW), 0o600)
    );
    let again = file.read_or_make(NOW.plus(Duration::from_secs(1))).unwrap();
    assert_eq!(again.to_bytes(), made.to_bytes());
}

#[test]
fn one_of_several_nodes_makes_none_and_is_told_how_to() {
    let home = tempfile::tempdir().unwrap();
    let file = file(&home);
    let said = file.read_shared().unwrap_err().to_string();
    assert!(said.contains("--make-oblivious-seed"), "{said}");
    assert!(file.check(true).is_err() && !file.path.exists());
    file.make(NOW).unwrap();
    assert_eq!(mode(&file), 0o600);
    file.check(true).unwrap();
    let said = file.make(NOW).unwrap_err().to_string();
    assert!(said.contains("remove it first"), "{said}");
}

#[test]
fn what_is_no_seed_for_these_epochs_is_refused_and_left_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let file = file(&home);
    atomic_file::write_private(&file.path, b"something else").unwrap();
    assert!(matches!(
        file.read_or_make(NOW),
        Err(SeedError::Form { .. })
    ));
    assert_eq!(fs::read(&file.path).unwrap(), b"something else");
    fs::remove_file(&file.path).unwrap();
    file.make(NOW).unwrap();
    let hours = SeedFile {
        epochs: Epochs::new(Duration::from_secs(3_600)).unwrap(),
        ..file.clone()
    };
    let said = hours.read().unwrap_err().to_string();
    assert!(
        said.contains("epochs of 7days") && said.contains("1h"),
        "{said}"
    );
    fs::set_permissions(&file.path, fs::Permissions::from_mode(0o640)).unwrap();
    let said = file.read().unwrap_err().to_string();
    assert!(said.contains("chmod 600"), "{said}");
}

#[test]
fn a_link_to_nowhere_is_no_reason_for_a_new_seed() {
    let home = tempfile::tempdir().unwrap();
    let file = file(&home);
    std::os::unix::fs::symlink(home.path().join("away"), &file.path).unwrap();
    assert!(file.read_or_make(NOW).is_err() && file.make(NOW).is_err());
    assert!(!home.path().join("away").exists());
}

/// Where the child writes.
const PATH: &str = "PENNYBLACK_SEED_OF_A_CHILD";

/// Moves its seed on until it is killed.
#[test]
#[ignore = "the child of the test below"]
fn a_writer_that_is_killed() {
    let Some(path) = std::env::var_os(PATH) else {
        return;
    };
    let file = SeedFile {
        path: path.into(),
        epochs: Epochs::DEFAULT,
    };
    let mut ratchet = file.read_shared().unwrap();
    loop {
        let next = ratchet.oldest().next();
        ratchet.advance(next).unwrap();
        file.write(&ratchet).unwrap();
    }
}

/// **Killed at any moment, it leaves one state or the next**, and both have the keys of
/// every later epoch.
#[test]
fn a_seed_that_was_being_replaced_when_its_cps_was_killed_has_the_keys_of_today() {
    let home = tempfile::tempdir().unwrap();
    let file = file(&home);
    file.make(NOW).unwrap();
    let first = file.read_shared().unwrap();
    let cps: Authority = "cps.example".parse().unwrap();
    let far = Epoch(first.oldest().0 + 1_000_000);
    let key = |ratchet: &KeyRatchet| {
        let key = ratchet.key(&cps, OfferedKem::X25519, far).unwrap();
        key.config().digest()
    };
    let expected = key(&first);
    let mut latest = first.oldest();
    for kill in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--ignored",
                "oblivious::seed::tests::a_writer_that_is_killed",
            ])
            .env(PATH, &file.path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It has begun when it has moved on; then some writes more or fewer.
        let mut reached = latest;
        while reached <= latest || reached.0 % 5 != kill % 5 {
            reached = file.read_shared().unwrap().oldest();
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let left = file.read_shared().unwrap();
        assert!(left.oldest() >= reached, "it moved back");
        assert_eq!((key(&left), mode(&file)), (expected, 0o600));
        file.erase_replaced().unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        latest = left.oldest();
    }
}
