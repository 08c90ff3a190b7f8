//! Calls that ask at once: written together, and exactly.

use std::time::Instant;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::*;

/// Each call of its own name, all at once.
async fn at_once(
    assignments: &Arc<Assignments>,
    name: &str,
    passports: &[VerifiedPassport],
) -> Vec<Assigned> {
    let mut calls = JoinSet::new();
    for (number, passport) in passports.iter().cloned().enumerate() {
        let assignments = Arc::clone(assignments);
        let call = CallName::new(&format!("{name} {number}"));
        calls.spawn(async move { assignments.assign(call, vec![passport], NOW).await.unwrap() });
    }
    calls.join_all().await
}

#[test]
fn a_locked_file_holds_a_hundred_calls_up_as_long_as_one() {
    let scene = Scene::set();
    let passports: Vec<_> = (0..100).map(|_| scene.shaken(0)).collect();
    let assignments = scene.open();
    let other = Connection::open(scene.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    let locked = Runtime::new().unwrap();
    let locked = locked.block_on(at_once(&assignments, "a", &passports));
    // One by one they would wait for a hundred times as long.
    assert!(begun.elapsed() < BUSY_TIMEOUT * 10, "{:?}", begun.elapsed());
    for assigned in locked {
        assert_eq!(assigned.passports.len(), 1);
        assert!(assigned.unrecorded.unwrap().contains("locked"));
    }
    other.execute_batch("ROLLBACK").unwrap();
    for passport in &passports {
        assert!(given(&assignments, "b", from_ref(passport)).is_empty());
    }
}

#[test]
fn of_a_burst_at_two_gateways_each_passport_goes_to_one_call() {
    let scene = Scene::set();
    let passports: Vec<_> = (0..160).map(|_| scene.shaken(0)).collect();
    let (one, other) = (scene.open(), scene.open());
    let both = Runtime::new().unwrap().block_on(async {
        tokio::join!(
            at_once(&one, "one", &passports),
            at_once(&other, "other", &passports)
        )
    });
    let all = || both.0.iter().chain(&both.1);
    // A machine may be slow, but then it says so.
    let recorded = all().all(|assigned| assigned.unrecorded.is_none());
    let given: usize = all().map(|assigned| assigned.passports.len()).sum();
    assert!(given == passports.len() || !recorded, "{given}");
    for passport in &passports {
        assert!(given_to(&scene, passport).is_some());
    }
}

fn given_to(scene: &Scene, passport: &VerifiedPassport) -> Option<CallDigest> {
    let file = Connection::open(scene.path()).unwrap();
    table::call_of(&file, &passport.passport().digest()).unwrap()
}

#[test]
fn a_call_that_has_gone_before_its_turn_takes_nothing() {
    let scene = Scene::set();
    let good = vec![scene.shaken(0)];
    let assignments = scene.open();
    let (answer, gone) = oneshot::channel();
    let CallName(first) = call("first");
    drop(gone);
    assignments.queue.add(Waiting {
        selection: Selection::new(CallName(first), good.clone()),
        now: NOW,
        answer,
    });
    assert_eq!(given(&assignments, "second", &good).len(), 1);
    assert_ne!(given_to(&scene, &good[0]), Some(first));
}
