use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::slice::from_ref;
use std::thread;

use pennyblack_base::encoding::{base64url, from_base64url};
use pennyblack_passport::{
    Attestation, Claims, Destinations, Extension, NoCertificates, OrigAuthority, OrigId, Party,
    UnverifiedPassport, Verifier,
};
use pennyblack_stir::test_pki::{Carrier, NOW, TestPki};
use rusqlite::ErrorCode;
use tempfile::TempDir;
use tokio::runtime::Builder;

use super::table::{PassportDigest, Row};
use super::*;

mod at_once;

const CALLING: &str = "12155550100";
const CALLED: &str = "12125550142";

/// The order of P-256: (r, s) and (r, order - s) are signatures of the same.
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

struct Scene {
    home: TempDir,
    pki: TestPki,
    carrier: Carrier,
}

impl Scene {
    fn set() -> Self {
        let pki = TestPki::new();
        let carrier = pki.carrier(&format!("{CALLING}+1"));
        let home = tempfile::tempdir().unwrap();
        Self { home, pki, carrier }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("box.used")
    }

    fn open(&self) -> Arc<Assignments> {
        Arc::new(Assignments::open(&self.path()).unwrap())
    }

    fn verified(&self, token: &str) -> VerifiedPassport {
        let passport = UnverifiedPassport::parse(token).unwrap();
        let verifier = Verifier {
            trust: &self.pki.trust(),
            certificates: &NoCertificates,
            authority: OrigAuthority::NumbersOnly,
        };
        verifier.verify_alone(&passport, NOW).unwrap()
    }

    fn signed(&self, iat: UnixTime, extension: Extension) -> VerifiedPassport {
        let number = |text: &str| Party::Number(text.parse().unwrap());
        let claims = Claims {
            orig: number(CALLING),
            dest: Destinations::new([number(CALLED)]).unwrap(),
            iat,
            mky: Vec::new(),
            extension,
            others: serde_json::Map::new(),
        };
        self.verified(&claims.sign(&self.carrier.certificate, &self.carrier.key))
    }

    fn shaken(&self, age: u64) -> VerifiedPassport {
        let (attest, origid) = (Attestation::Full, OrigId::random());
        self.signed(UnixTime(NOW.0 - age), Extension::Shaken { attest, origid })
    }

    /// The same PASSporT with the other signature that verifies.
    fn rewritten(&self, passport: &VerifiedPassport) -> VerifiedPassport {
        let (signed, signature) = passport.as_str().rsplit_once('.').unwrap();
        let mut signature = from_base64url(signature).unwrap();
        let order = hex::decode(ORDER).unwrap();
        let mut borrow = 0;
        for (byte, order) in signature[32..].iter_mut().zip(order).rev() {
            let difference = i16::from(order) - i16::from(*byte) - borrow;
            borrow = i16::from(difference < 0);
            *byte = u8::try_from(difference.rem_euclid(256)).unwrap();
        }
        self.verified(&format!("{signed}.{}", base64url(&signature)))
    }
}

fn call(name: &str) -> CallName {
    CallName::new(name)
}

/// As one that waits for nothing else.
fn assign(assignments: &Arc<Assignments>, call: CallName, good: Vec<VerifiedPassport>) -> Assigned {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime
        .block_on(assignments.assign(call, good, NOW))
        .unwrap()
}

fn given(assignments: &Arc<Assignments>, name: &str, good: &[VerifiedPassport]) -> Vec<String> {
    let assigned = assign(assignments, call(name), good.to_vec());
    assert_eq!(assigned.unrecorded, None);
    assert_eq!(
        assigned.passports.len() + assigned.of_other_calls,
        good.len()
    );
    let passports = assigned.passports.iter();
    passports.map(|one| one.as_str().to_owned()).collect()
}

#[test]
fn a_passport_is_good_for_one_call_which_may_ask_again_also_after_a_restart() {
    let scene = Scene::set();
    let good = [scene.shaken(0)];
    for assignments in [Arc::new(Assignments::in_memory()), scene.open()] {
        assert_eq!(given(&assignments, "first", &good), [good[0].as_str()]);
        assert!(given(&assignments, "second", &good).is_empty());
        assert_eq!(given(&assignments, "first", &good), [good[0].as_str()]);
        let unnamed = assign(&assignments, CallName::random(), good.to_vec());
        assert_eq!((unnamed.passports.len(), unnamed.of_other_calls), (0, 1));
    }
    let after = scene.open();
    assert!(given(&after, "second", &good).is_empty());
    assert_eq!(given(&after, "first", &good), [good[0].as_str()]);
}

#[test]
fn a_passport_whose_signature_was_rewritten_is_the_same_passport() {
    let scene = Scene::set();
    let passport = scene.shaken(0);
    let rewritten = scene.rewritten(&passport);
    assert_ne!(passport.as_str(), rewritten.as_str());
    let assignments = scene.open();
    assert_eq!(given(&assignments, "first", &[passport]).len(), 1);
    assert!(given(&assignments, "second", &[rewritten]).is_empty());
}

#[test]
fn each_call_gets_the_newest_that_is_free() {
    let scene = Scene::set();
    let (old, new) = (scene.shaken(20), scene.shaken(1));
    let both = [old.clone(), new.clone()];
    let assignments = scene.open();
    assert_eq!(given(&assignments, "first", &both), [new.as_str()]);
    assert_eq!(given(&assignments, "second", &both), [old.as_str()]);
    assert!(given(&assignments, "third", &both).is_empty());
    // What comes later is for a later call.
    let three = [old, new.clone(), scene.shaken(0)];
    assert_eq!(given(&assignments, "first", &three), [new.as_str()]);
    assert_eq!(given(&assignments, "third", &three), [three[2].as_str()]);
}

#[test]
fn a_call_has_one_passport_of_each_kind() {
    let scene = Scene::set();
    let (shaken, base) = (scene.shaken(0), scene.signed(NOW, Extension::Base));
    let assignments = scene.open();
    assert_eq!(given(&assignments, "first", from_ref(&shaken)).len(), 1);
    let both = [shaken, base];
    assert_eq!(given(&assignments, "first", &both).len(), 2);
    assert!(given(&assignments, "second", &both).is_empty());
}

#[test]
fn of_two_processes_that_ask_at_once_one_gets_the_passport() {
    let scene = Scene::set();
    let passports: Vec<_> = (0..20).map(|_| scene.shaken(0)).collect();
    let ask = |name: &'static str| {
        let (assignments, passports) = (scene.open(), &passports);
        move || {
            let won = passports.iter().map(|passport| {
                let call = CallName::new(&format!("{name} {}", passport.as_str()));
                let assigned = assign(&assignments, call, vec![passport.clone()]);
                // A machine may be slow, but then it says so.
                (assigned.passports.len(), assigned.unrecorded)
            });
            won.collect::<Vec<_>>()
        }
    };
    let (one, other) = (ask("one"), ask("other"));
    let (one, other) = thread::scope(|scope| {
        let (one, other) = (scope.spawn(one), scope.spawn(other));
        (one.join().unwrap(), other.join().unwrap())
    });
    for ((won, unrecorded), (lost, also)) in one.iter().zip(&other) {
        if unrecorded.is_none() && also.is_none() {
            assert_eq!(won + lost, 1);
        }
    }
}

/// A full disk; SQLite says the same when a file may not grow.
fn fill_the_disk(assignments: &Assignments) {
    let tables = assignments.tables.lock().unwrap();
    let file = tables.file.as_ref().unwrap();
    file.pragma_update(None, "synchronous", "OFF").unwrap();
    let pages: i64 = file
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    file.pragma_update(None, "max_page_count", pages).unwrap();
    let mut refused = 0;
    while refused < 50 {
        let row = Row {
            passport: rand::random(),
            call: [0; 32],
            ends: NOW,
        };
        match table::add(file, &row) {
            Ok(()) => refused = 0,
            Err(error) => {
                assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
                refused += 1;
            }
        }
    }
}

#[test]
fn a_full_disk_ends_no_call_and_makes_no_passport_good_for_two() {
    let scene = Scene::set();
    let good = vec![scene.shaken(0)];
    let assignments = scene.open();
    fill_the_disk(&assignments);
    let full = assign(&assignments, call("first"), good.clone());
    assert_eq!(full.passports.len(), 1);
    assert!(full.unrecorded.unwrap().contains("full"));
    // The file is opened again, and has room: what was remembered is written.
    assert!(given(&assignments, "second", &good).is_empty());
    assert!(given(&scene.open(), "third", &good).is_empty());
    assert_eq!(given(&scene.open(), "first", &good).len(), 1);
}

#[test]
fn a_locked_file_holds_no_call_up_and_what_it_says_still_counts() {
    let scene = Scene::set();
    let (used, good) = (vec![scene.shaken(0)], vec![scene.shaken(0)]);
    let assignments = scene.open();
    assert_eq!(given(&assignments, "before", &used).len(), 1);
    let other = Connection::open(scene.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = assign(&assignments, call("first"), good.clone());
    assert_eq!(locked.passports.len(), 1);
    assert!(locked.unrecorded.unwrap().contains("locked"));
    for passport in [&used, &good] {
        let second = assign(&assignments, call("second"), passport.clone());
        assert_eq!((second.passports.len(), second.of_other_calls), (0, 1));
    }
    other.execute_batch("ROLLBACK").unwrap();
    assert!(given(&assignments, "second", &good).is_empty());
    assert!(given(&scene.open(), "second", &good).is_empty());
}

#[test]
fn a_file_of_something_else_ends_no_call_and_is_said() {
    let scene = Scene::set();
    database::open(&scene.path(), &SCHEMA).map_or_else(|_| panic!(), drop);
    std::fs::write(scene.path(), [b'x'; 8192]).unwrap();
    let good = vec![scene.shaken(0)];
    let assignments = scene.open();
    let first = assign(&assignments, call("first"), good.clone());
    assert_eq!(first.passports.len(), 1);
    assert!(first.unrecorded.unwrap().contains("move it away"));
    let second = assign(&assignments, call("second"), good);
    assert_eq!(second.passports.len(), 0);
}

#[test]
fn a_file_that_cannot_be_made_is_refused_at_the_start() {
    let scene = Scene::set();
    let nowhere = scene.home.path().join("nowhere/box.used");
    let error = Assignments::open(&nowhere).unwrap_err();
    assert!(
        matches!(error, DatabaseFileError::Unusable { .. }),
        "{error}"
    );
}

const HOME: &str = "PENNYBLACK_ASSIGNMENTS_KILL_TEST_HOME";

#[test]
fn what_a_killed_process_gave_to_a_call_stays_with_it() {
    let scene = Scene::set();
    let mut told = HashSet::new();
    for _ in 0..3 {
        let child = "assignments::tests::child_of_the_kill_test";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", child, "--ignored", "--nocapture"])
            .env(HOME, scene.home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let used = lines.map_while(Result::ok);
        let used = used.filter_map(|line| Some(line.split_once("used ")?.1.to_owned()));
        told.extend(used.take(rand::random_range(1..20)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(told.len() >= 3);
    let file = database::open(&scene.path(), &SCHEMA).unwrap_or_else(|_| panic!());
    for digest in told {
        let digest: PassportDigest = hex::decode(&digest).unwrap().try_into().unwrap();
        let call = table::call_of(&file, &digest).unwrap();
        assert_eq!(call, Some(CallName::new("a call").0));
    }
}

#[test]
#[ignore = "the child process of the kill test, started by it"]
fn child_of_the_kill_test() {
    let home = std::env::var_os(HOME).expect("started by the kill test");
    let scene = Scene::set();
    let assignments = Assignments::open(&Path::new(&home).join("box.used")).unwrap();
    let assignments = Arc::new(assignments);
    loop {
        let passport = scene.shaken(0);
        let digest = passport.passport().digest();
        let assigned = assign(&assignments, call("a call"), vec![passport]);
        assert_eq!(assigned.unrecorded, None);
        println!("used {}", hex::encode(digest));
    }
}
