//! Section 5.1: a mailbox at three CPSs, of which one dies in the middle of 300 calls. With two
//! copies no call loses its verdict; with one, those alone that the dead CPS held, and each is
//! marked incomplete.

use std::ops::Range;

use pennyblack_base::authority::Authority;
use pennyblack_cps::AcceptedTokens;
use pennyblack_tests::three_cpss::{ThreeCpss, call, until_read};

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
/// The one that dies.
const DEAD: usize = 1;

const CALLS: u64 = 300;
/// After so many calls it dies.
const HALF: u64 = CALLS / 2;
/// Tokens of one draw, and draws for each CPS: one that is left may get all copies of the
/// second half.
const BATCH: u64 = 100;
const DRAWS: usize = 3;

/// The CPSs with a mailbox for so many copies, and a wallet with tokens for each.
async fn open(copies: u64) -> ThreeCpss {
    let scene = ThreeCpss::open(SERVICE, [AcceptedTokens::Own; 3]).await;
    for cps in &scene.names {
        for _ in 0..DRAWS {
            scene.draw(cps, BATCH).await;
        }
    }
    scene.register(copies).await;
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_copies_at_three_cpss_no_call_loses_its_verdict_when_one_dies() {
    let mut scene = open(2).await;
    let (record, dead) = (scene.record().await, scene.names[DEAD].clone());
    let alone = vec![dead.clone()];
    let before = scene.place_all(0..HALF, &record).await;
    assert!(before.iter().all(|at| at.len() == 2));
    let at_the_dead = before.iter().filter(|at| at.contains(&dead)).count();
    assert!(at_the_dead > 0, "nothing was at the one that dies");
    scene.kill(DEAD);
    let follower = scene.follow();
    let require_all = |calls: Range<u64>| {
        for nth in calls {
            let verdict = follower.peek(&call(nth));
            assert!(verdict.is_valid(), "call {nth}: {verdict:?}");
            assert_eq!(verdict.incomplete, alone);
        }
    };
    until_read(&follower, &dead).await;
    require_all(0..HALF);
    let after = scene.place_all(HALF..CALLS, &record).await;
    let is_elsewhere = |at: &Vec<Authority>| at.len() == 2 && !at.contains(&dead);
    assert!(after.iter().all(is_elsewhere), "{after:?}");
    until_read(&follower, &dead).await;
    require_all(HALF..CALLS);
    // Of a call that nobody signed it cannot be said that there is none.
    let verdict = follower.peek(&call(CALLS));
    assert!(verdict.is_no_passport());
    assert_eq!(verdict.incomplete, alone);
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_copy_those_verdicts_alone_are_lost_that_the_dead_cps_held() {
    let mut scene = open(1).await;
    let (record, dead) = (scene.record().await, scene.names[DEAD].clone());
    let alone = vec![dead.clone()];
    let before = scene.place_all(0..HALF, &record).await;
    scene.kill(DEAD);
    let follower = scene.follow();
    let require = |first: u64, calls: &[Vec<Authority>]| {
        for (nth, at) in (first..).zip(calls) {
            let verdict = follower.peek(&call(nth));
            assert_eq!(verdict.is_valid(), *at != alone, "call {nth}: {verdict:?}");
            assert_eq!(verdict.incomplete, alone);
        }
    };
    until_read(&follower, &dead).await;
    require(0, &before);
    let held = before.iter().filter(|at| **at == alone).count();
    assert!(held > 0, "nothing was at the one that dies");
    // What comes now goes to the others.
    let after = scene.place_all(HALF..CALLS, &record).await;
    assert!(after.iter().all(|at| *at != alone), "{after:?}");
    until_read(&follower, &dead).await;
    require(HALF, &after);
    follower.stop().await;
}
