//! What a CPS sees of a follower, and what a flood can do to it.

mod dead_urls;
mod renewal;
mod repository;
mod request_sizes;
mod scene;
mod two_samples;

use std::sync::Arc;
use std::time::Duration;

use pennyblack_sealing::envelope::Slots;
use tokio::time::Instant;

use self::scene::{CAPACITY, Recorder, Scene, Silent};
use self::two_samples::kolmogorov_smirnov;
use super::{Follower, FollowerConfig, PageSource};
use crate::assignments::CallName;
use crate::verification_service::OobVerificationError;

/// How long a test waits for what must happen at some time.
const PATIENCE: Duration = Duration::from_secs(60);

fn sources(recorders: &[Arc<Recorder>]) -> Vec<Arc<dyn PageSource>> {
    let recorders = recorders.iter().cloned();
    recorders.map(|one| one as Arc<dyn PageSource>).collect()
}

async fn until_valid(follower: &Follower) {
    let mut changes = follower.changes();
    let valid = async {
        while !follower.peek(&Scene::call()).is_valid() {
            changes.changed().await.unwrap();
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, valid).await;
    in_time.expect("the call was not verified");
}

/// How far each request is from the one before, in milliseconds.
fn pauses(recorder: &Recorder) -> Vec<f64> {
    let asked = recorder.asked();
    let times = asked.windows(2).map(|two| two[1].0 - two[0].0);
    times.map(|pause| pause.as_secs_f64() * 1e3).collect()
}

/// **Polls do not follow calls.** Fills of 0, 1, 16, 17, one page, one more, and all that a
/// mailbox holds: the same requests, of one length, at times that nobody can tell apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_have_one_number_length_and_timing_whatever_is_found() {
    let scene = Scene::set();
    let config = FollowerConfig {
        every: Duration::from_millis(15),
        ..FollowerConfig::default()
    };
    let looks = 150;
    let fill = |count: usize| {
        let mut entries = scene.hostile_entries(count.saturating_sub(1));
        entries.extend((count > 0).then(|| scene.real_entry()));
        scene.cps(entries)
    };
    let mut attempts = Vec::new();
    // A test at one in a hundred fails by chance at times, and not three times in a row.
    for _ in 0..3 {
        let recorders = [0, 1, 16, 17, 64, 65, CAPACITY].map(fill);
        let followers: Vec<_> = recorders
            .iter()
            .map(|one| scene.follow(&config, sources(&[Arc::clone(one)]), Some(looks)))
            .collect();
        for (follower, recorder) in followers.iter().zip(&recorders) {
            follower.finished().await;
            let asked = recorder.asked();
            assert_eq!(asked.len(), usize::try_from(looks).unwrap());
            assert!(asked.iter().all(|(_, length)| *length == asked[0].1));
        }
        let valid = followers.iter().map(|one| one.peek(&Scene::call()));
        let valid: Vec<_> = valid.map(|verdict| verdict.is_valid()).collect();
        assert_eq!(valid, [false, true, true, true, true, true, true]);
        let empty = pauses(&recorders[0]);
        let others = recorders[1..].iter();
        let alike: Vec<_> = others
            .map(|one| kolmogorov_smirnov(&empty, &pauses(one)))
            .collect();
        if alike.iter().all(|p| *p > 0.01 / 6.0) {
            return;
        }
        attempts.push(alike);
    }
    panic!("times tell what was found: {attempts:?}");
}

/// Opening what a flood stores takes longer than a tick, and no request waits for it. On a
/// busy machine single ticks are late; all of them together take as long as without a flood.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_does_not_hold_up_the_requests() {
    let scene = Scene::set();
    let config = FollowerConfig {
        every: Duration::from_millis(20),
        slots: Slots::TwoHundredFiftySix,
        ..FollowerConfig::default()
    };
    let (quiet, flooded) = (scene.cps(Vec::new()), scene.cps(Vec::new()));
    let flooded = flooded.flooded_by(250);
    let followers =
        [&quiet, &flooded].map(|one| scene.follow(&config, sources(&[Arc::clone(one)]), Some(60)));
    for follower in &followers {
        follower.finished().await;
    }
    assert!(followers[1].totals().unreadable > 1_000);
    let [quiet, flooded] = [quiet, flooded].map(|one| pauses(&one).iter().sum::<f64>());
    assert!(flooded < 1.5 * quiet, "{flooded} ms instead of {quiet} ms");
}

/// The call is verified within two seconds of requests.
async fn finds_the_call_in_time(scene: &Scene, cps: Arc<Recorder>) {
    let config = FollowerConfig::default();
    let follower = scene.follow(&config, sources(&[Arc::clone(&cps)]), None);
    until_valid(&follower).await;
    let spent = config.every * u32::try_from(cps.asked().len()).unwrap();
    assert!(spent <= Duration::from_secs(2), "{spent:?}");
    follower.stop().await;
}

#[tokio::test]
async fn a_full_mailbox_with_the_call_last_is_read_within_two_seconds_of_requests() {
    let scene = Scene::set();
    let mut entries = scene.hostile_entries(CAPACITY - 1);
    entries.push(scene.real_entry());
    finds_the_call_in_time(&scene, scene.cps(entries)).await;
}

/// The call comes first, then as many hostile entries as a page holds with every tick, into
/// a mailbox that is full and drops its oldest.
#[tokio::test]
async fn a_flood_after_the_call_does_not_hide_it() {
    let scene = Scene::set();
    let mut entries = scene.hostile_entries(CAPACITY - 65);
    entries.push(scene.real_entry());
    entries.extend(scene.hostile_entries(64));
    finds_the_call_in_time(&scene, scene.cps(entries).flooded_by(60)).await;
}

#[tokio::test]
async fn a_cps_that_does_not_answer_holds_up_no_other_and_makes_verdicts_incomplete() {
    let scene = Scene::set();
    let cps = scene.cps(vec![scene.real_entry()]);
    let config = FollowerConfig {
        every: Duration::from_millis(20),
        timeout: Duration::from_secs(30),
        ..FollowerConfig::default()
    };
    let both: Vec<Arc<dyn PageSource>> = vec![Arc::new(Silent), cps];
    let follower = scene.follow(&config, both, None);
    until_valid(&follower).await;
    let verdict = follower.peek(&Scene::call());
    assert_eq!(verdict.incomplete.len(), 1, "{verdict:?}");
    let status = follower.status();
    assert_eq!(status[0].2.answered, 0);
    assert!(status[0].2.read_to_its_end.is_none());
    let began = Instant::now();
    follower.stop().await;
    assert!(began.elapsed() < Duration::from_secs(10), "it did not stop");
}

#[tokio::test]
async fn a_verdict_is_complete_once_every_mailbox_was_read_to_its_end() {
    let scene = Scene::set();
    let cps = scene.cps(scene.hostile_entries(3));
    let config = FollowerConfig::default();
    let before = scene.follow(&config, vec![Arc::new(Silent)], Some(1));
    assert_eq!(before.peek(&Scene::call()).incomplete.len(), 1);
    before.stop().await;
    let after = scene.follow(&config, sources(&[cps]), Some(1));
    after.finished().await;
    let verdict = after.peek(&Scene::call());
    assert!(verdict.incomplete.is_empty() && !verdict.is_valid());
    assert_eq!(after.totals().unreadable, 3);
}

/// A PASSporT may be this call's already: "no PASSporT" would be a verdict.
#[test]
fn a_verdict_that_is_cut_short_is_an_error_and_no_verdict() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scene = Scene::set();
    let follower = runtime.block_on(async {
        let cps = scene.cps(vec![scene.real_entry()]);
        let follower = scene.follow(&FollowerConfig::default(), sources(&[cps]), None);
        until_valid(&follower).await;
        follower
    });
    let handle = runtime.handle().clone();
    // From here on it runs no work.
    runtime.shutdown_background();
    let call = Scene::call();
    let verdict = handle.block_on(follower.verdict(&call, CallName::random()));
    assert!(
        matches!(verdict, Err(OobVerificationError::CutShort)),
        "{verdict:?}"
    );
}
