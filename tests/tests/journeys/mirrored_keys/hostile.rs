//! CPSs and holders that would use up a mirror's time or disk, hide what they publish, or have it
//! accuse others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::directory::{
    Directory, DirectorySync, MirroredKeys, MissedRecord, NoObserver, Observer, SeenRecord,
};
use pennyblack_pki::TnAuthEntry;
use pennyblack_protocol::key_record::KeyRecord;
use pennyblack_tests::wait::until;

use super::scene::*;

const MINUTE: Duration = Duration::from_secs(60);
/// Longest wait for what happens at once.
const SOON: Duration = Duration::from_secs(30);

/// Counts the records that a watcher misses.
#[derive(Default)]
struct Missed(Mutex<Vec<u64>>);

impl Observer for Missed {
    fn saw(&self, _: &SeenRecord) {}

    fn missed(&self, missed: &MissedRecord) {
        self.0.lock().unwrap().push(missed.index);
    }
}

/// Rounds of a watcher of numbers, five minutes apart, the first at `first`; which records it
/// misses.
async fn watched(scene: &Scene, first: UnixTime, rounds: u32) -> Vec<u64> {
    let missed = Missed::default();
    let watch = DirectorySync {
        asks_for_withheld: true,
        ..scene.follower()
    };
    for round in 0..rounds {
        let now = first.plus(5 * MINUTE * round);
        let synced = watch.round(&scene.cpss(&[]), now, &missed).await.unwrap();
        for cps in synced.cpss {
            cps.outcome.unwrap();
        }
    }
    missed.0.into_inner().unwrap()
}

/// Holds up the first request of a path until it may go on.
struct HeldUp {
    /// Whether it has come.
    has_come: Arc<AtomicBool>,
    go: Sender<()>,
}

fn hold_up(path: &'static str) -> (impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync, HeldUp) {
    let (go, wait) = channel::<()>();
    let wait: Mutex<Option<Receiver<()>>> = Mutex::new(Some(wait));
    let has_come = Arc::new(AtomicBool::new(false));
    let held_up = HeldUp {
        has_come: Arc::clone(&has_come),
        go,
    };
    let hold = move |asked: &str, honest| {
        let first = match asked.starts_with(path) {
            true => wait.lock().unwrap().take(),
            false => None,
        };
        if let Some(wait) = first {
            has_come.store(true, Ordering::SeqCst);
            // An end without a word lets it go on, too.
            let _ = tokio::task::block_in_place(|| wait.recv());
        }
        honest
    };
    (hold, held_up)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_withheld_is_missed_whatever_time_its_entry_claims() {
    for claimed in [NOW, UnixTime(NOW.0 - 3 * 3600), NOW.plus(48 * HOUR)] {
        let scene = Scene::set(1).await;
        let known = scene.sign(&scene.record(&key(), callee(), 0));
        scene.feeds[0].publish([known]).await;
        assert!(watched(&scene, NOW, 1).await.is_empty());
        let hidden = scene.sign(&scene.record(&key(), callee(), 0));
        scene.feeds[0].withhold_as_of(&hidden, claimed).await;
        // Asked for twice, told of once.
        let missed = watched(&scene, NOW.plus(5 * MINUTE), 4).await;
        assert_eq!(missed, [1], "its entry claims {claimed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_that_cannot_be_asked_for_hides_no_other() {
    let scene = Scene::set(1).await;
    assert!(watched(&scene, NOW, 1).await.is_empty());
    let hidden: Vec<_> = (0..2)
        .map(|_| scene.sign(&scene.record(&key(), callee(), 0)))
        .collect();
    for record in &hidden {
        scene.feeds[0].withhold(record).await;
    }
    let first = pennyblack_evidence::log_entry::KeyRecordHash::of(&hidden[0]).to_string();
    scene.feeds[0].turn_to(move |path, honest| match path.ends_with(&first) {
        true => pennyblack_tests::meddler::answer("500 Internal Server Error", ""),
        false => honest,
    });
    let missed = Missed::default();
    let watch = DirectorySync {
        asks_for_withheld: true,
        ..scene.follower()
    };
    for round in 1..=2 {
        let now = NOW.plus(5 * MINUTE * round);
        let synced = watch.round(&scene.cpss(&[]), now, &missed).await.unwrap();
        assert!(synced.cpss[0].outcome.is_err(), "the failure is told of");
    }
    assert_eq!(missed.0.into_inner().unwrap(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_served_before_the_feed_shows_it_accuses_nobody() {
    let scene = Scene::set(1).await;
    scene.feeds[0].flood(1, NOW).await;
    assert!(watched(&scene, NOW, 1).await.is_empty());
    let late = Arc::new(AtomicBool::new(true));
    let is_late = Arc::clone(&late);
    scene.feeds[0].turn_to(move |path, honest| {
        match path.starts_with("/v1/keys/feed") && is_late.load(Ordering::SeqCst) {
            true => page(r#"{"after":0,"complete":true}"#),
            false => honest,
        }
    });
    let record = scene.sign(&scene.record(&key(), callee(), 0));
    scene.feeds[0].publish([record.clone()]).await;
    let next = NOW.plus(5 * MINUTE);
    assert!(watched(&scene, next, 1).await.is_empty());
    assert_eq!(scene.found(CALLEE, next), [record], "asked for by its hash");
    late.store(false, Ordering::SeqCst);
    assert!(watched(&scene, next, 3).await.is_empty());
}

/// An answer of a feed.
fn page(lines: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/jsonl\r\nconnection: close";
    format!("{head}\r\n\r\n{lines}\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rounds_at_once_accuse_no_cps() {
    let scene = Scene::set(1).await;
    let record = scene.sign(&scene.record(&key(), callee(), 0));
    scene.feeds[0].publish([record.clone()]).await;
    let (hold, first) = hold_up("/v1/keys/feed");
    scene.feeds[0].turn_to(hold);
    // Another process.
    let directory = Directory::existing(scene.directory.path()).unwrap();
    let other = DirectorySync {
        directory,
        ..scene.follower()
    };
    let cpss = scene.cpss(&[]);
    let beside = async {
        until("the first round at the feed", SOON, async || {
            first.has_come.load(Ordering::SeqCst).then_some(())
        })
        .await;
        let beside = other.round(&cpss, NOW, &NoObserver).await;
        first.go.send(()).unwrap();
        beside.map(|synced| synced.cpss.len())
    };
    let (outcomes, beside) = tokio::join!(scene.sync(), beside);
    assert!(outcomes[0].is_ok(), "{outcomes:?}");
    let refused = beside.unwrap_err().to_string();
    assert!(refused.contains("at work"), "{refused}");
    assert_eq!(scene.found(CALLEE, NOW), [record]);
    // It is free again.
    other.round(&cpss, NOW, &NoObserver).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_that_does_not_answer_holds_up_none_behind_it() {
    // In the order of their names, and more than are followed at a time.
    const CPSS: usize = 10;
    let scene = Scene::set(CPSS).await;
    let (hold, away) = hold_up("/log/checkpoint");
    scene.feeds[0].turn_to(hold);
    let last_is_asked = async {
        until("the last CPS is followed", SOON, async || {
            (scene.feeds[CPSS - 1].asked("/v1/keys/feed") > 0).then_some(())
        })
        .await;
        away.go.send(()).unwrap();
    };
    let (outcomes, ()) = tokio::join!(scene.sync(), last_is_asked);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_stands_still_while_its_log_goes_on_is_not_up_to_date() {
    let scene = Scene::set(1).await;
    let record = scene.sign(&scene.record(&key(), callee(), 0));
    scene.feeds[0].publish([record]).await;
    scene.sync().await;
    let complete = |scene: &Scene| scene.directory.state(NOW).unwrap().cpss[0].complete;
    assert_eq!(complete(&scene), Some(NOW));
    let old = Arc::new(AtomicBool::new(true));
    let stands = Arc::clone(&old);
    scene.feeds[0].turn_to(move |path, honest| {
        match path.starts_with("/v1/keys/feed") && stands.load(Ordering::SeqCst) {
            true => page(r#"{"after":0,"complete":true}"#),
            false => honest,
        }
    });
    let newer = scene.sign(&scene.record(&key(), callee(), 0));
    scene.feeds[0].publish([newer]).await;
    let later = NOW.plus(2 * HOUR / 3);
    assert!(scene.sync_at(later, &NoObserver).await[0].is_ok());
    assert_eq!(complete(&scene), Some(NOW), "its log has a record more");
    old.store(false, Ordering::SeqCst);
    assert_eq!(
        scene.sync_at(later, &NoObserver).await[0]
            .as_ref()
            .unwrap()
            .new,
        1
    );
    assert_eq!(complete(&scene), Some(later));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_always_promises_more_is_asked_as_far_as_its_log_goes() {
    let scene = Scene::set(1).await;
    scene.feeds[0]
        .publish([scene.sign(&scene.record(&key(), callee(), 0))])
        .await;
    scene.feeds[0].turn_to(|path, honest| match path.starts_with("/v1/keys/feed") {
        true => page(r#"{"after":99,"complete":false}"#),
        false => honest,
    });
    let follower = DirectorySync {
        within: Duration::from_secs(5),
        ..scene.follower()
    };
    follower
        .round(&scene.cpss(&[]), NOW, &NoObserver)
        .await
        .unwrap();
    assert_eq!(scene.feeds[0].asked("/v1/keys/feed"), 1);
}

/// The bytes of the directory's file when nobody has it open.
fn file_size(scene: &mut Scene) -> u64 {
    let path = scene.directory.path().to_owned();
    scene.directory = Directory::open(&path.with_extension("other")).unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    scene.directory = Directory::existing(&path).unwrap();
    size
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_full_of_hashes_of_nothing_does_not_fill_the_disk() {
    const HASHES: usize = 2_000;
    let mut scene = Scene::set(1).await;
    let mut sizes = Vec::new();
    for claimed in [NOW, NOW.plus(1_000 * HOUR), NOW.plus(2_000 * HOUR), NOW] {
        scene.feeds[0].flood(HASHES, claimed).await;
        assert!(scene.sync().await[0].is_ok());
        sizes.push(file_size(&mut scene));
    }
    assert!(sizes[3] < sizes[0] + sizes[0] / 4, "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_makes_mailboxes_and_drops_them_fills_its_own_room() {
    const RECORDS: usize = 75;
    let scene = Scene::set(1).await;
    let greedy = scene.holder_of("greedy", TnAuthEntry::one(CALLEE).unwrap());
    let mut new = Vec::new();
    for now in (0..4).map(|round| UnixTime(NOW.0 + 2 * round)) {
        // What was there before has ended.
        scene.sync_at(now, &NoObserver).await;
        let records = (0..RECORDS).map(|_| {
            let record = KeyRecord {
                iss: greedy.iss().to_owned(),
                iat: now,
                exp: UnixTime(now.0 + 1),
                ..scene.record(&key(), callee(), 0)
            };
            record.sign(greedy.certificate(), greedy.key())
        });
        scene.feeds[0].publish(records).await;
        let followed = scene.sync_at(now, &NoObserver).await.remove(0).unwrap();
        new.push(followed.new);
    }
    // An older one could come back for a week.
    assert!(new[3] > 20 && new[3] + 12 < new[0], "{new:?}");
    // Nobody else has less room for that.
    let other = scene.sign(&scene.record(&key(), callee(), 0));
    scene.feeds[0].publish([other]).await;
    assert_eq!(scene.new_records().await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_was_moved_away_and_made_anew_is_read_anew() {
    let mut scene = Scene::set(1).await;
    let path = scene.directory.path().to_owned();
    let mirrored = MirroredKeys::new(&scene.directory, scene.cpss(&[]));
    let found = async || {
        let read = mirrored.read(|own| own.records_of(&number(CALLEE), &[], NOW));
        read.await.map(|mirrored| mirrored.records.len())
    };
    assert_eq!(found().await.unwrap(), 0);
    let away = path.with_extension("away");
    scene.directory = Directory::open(&away).unwrap();
    std::fs::rename(&path, path.with_extension("damaged")).unwrap();
    let missing = found().await.unwrap_err().to_string();
    assert!(missing.contains("directory sync"), "{missing}");
    scene.directory = Directory::open(&path).unwrap();
    let record = scene.sign(&scene.record(&key(), callee(), 0));
    scene.feeds[0].publish([record]).await;
    assert_eq!(scene.new_records().await, [1]);
    assert_eq!(found().await.unwrap(), 1);
}
