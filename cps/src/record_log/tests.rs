use pennyblack_protocol::key_record::KeyRecord;
use pennyblack_trust::{Trust, TrustConfig};
use tempfile::TempDir;

use super::*;
use crate::key_directory::RecordPolicy;
use crate::key_directory::tests::holder::{Holder, NOW, policy};

const fn after(seconds: u64) -> UnixTime {
    UnixTime(NOW.0 + seconds)
}

/// A directory and a log on one disk, of which every life is a scene of its own.
struct Scene {
    directory: Arc<KeyDirectory>,
    log: Arc<CpsLog>,
    records: RecordLog,
}

impl Scene {
    fn open(home: &TempDir, holder: &Holder, now: UnixTime) -> Self {
        Self::with(home, policy(&[holder], home.path()), now)
    }

    fn with(home: &TempDir, policy: RecordPolicy, now: UnixTime) -> Self {
        let cps = policy.authority.clone();
        let directory = KeyDirectory::open(&home.path().join("keys"), policy, now).unwrap();
        let directory = Arc::new(directory);
        let log = Arc::new(CpsLog::open(&home.path().join("log"), &cps).unwrap());
        let records = RecordLog::new(Arc::clone(&directory), Arc::clone(&log));
        Self {
            directory,
            log,
            records,
        }
    }

    /// Lets the log follow; what it has stated in all its lives.
    async fn follow(&mut self, now: UnixTime) -> Vec<Statement> {
        self.records.compare(now).await.unwrap();
        let entries = self.log.entries(0, 10_000).unwrap();
        entries
            .into_iter()
            .map(|(_, entry)| entry.statement)
            .collect()
    }

    fn register(&self, token: &str, now: UnixTime) {
        self.directory.register(token, now).unwrap();
    }
}

fn published(token: &str) -> Statement {
    Statement::KeyRecordPublished(KeyRecordHash::of(token))
}

fn ended(token: &str) -> Statement {
    Statement::KeyRecordEnded(KeyRecordHash::of(token))
}

/// The record again, made so many seconds later.
fn renewed(record: &KeyRecord, seconds: u64) -> KeyRecord {
    KeyRecord {
        iat: record.iat.plus(Duration::from_secs(seconds)),
        ..record.clone()
    }
}

#[tokio::test]
async fn a_record_is_published_once_and_ended_when_a_newer_one_takes_its_place() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let mut scene = Scene::open(&home, &holder, NOW);
    let record = holder.record();
    let (first, second) = (holder.sign(&record), holder.sign(&renewed(&record, 1)));
    scene.register(&first, NOW);
    assert_eq!(scene.follow(NOW).await, [published(&first)]);
    assert_eq!(scene.follow(NOW).await.len(), 1);
    scene.register(&second, NOW);
    let all = [published(&first), published(&second), ended(&first)];
    assert_eq!(scene.follow(NOW).await, all);
    assert!(scene.records.compare(NOW).await.unwrap(), "nothing is left");
    drop(scene);
    assert_eq!(Scene::open(&home, &holder, NOW).follow(NOW).await, all);
}

/// A crash between a registration and its entry leaves just what is on the disk here.
#[tokio::test]
async fn what_a_crash_has_left_out_is_in_the_log_after_the_next_start() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let record = holder.record();
    let (first, second) = (holder.sign(&record), holder.sign(&renewed(&record, 1)));
    Scene::open(&home, &holder, NOW).register(&first, NOW);
    let mut scene = Scene::open(&home, &holder, NOW);
    assert_eq!(scene.follow(NOW).await, [published(&first)]);
    scene.register(&second, NOW);
    drop(scene);
    let all = [published(&first), published(&second), ended(&first)];
    for _ in 0..2 {
        assert_eq!(Scene::open(&home, &holder, NOW).follow(NOW).await, all);
    }
}

#[tokio::test]
async fn a_record_that_reaches_its_end_needs_no_entry() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let mut scene = Scene::open(&home, &holder, NOW);
    let short = |seconds| {
        let mut record = holder.record();
        record.exp = after(seconds);
        holder.sign(&record)
    };
    let (first, second) = (short(100), short(200));
    for token in [&first, &second] {
        scene.register(token, NOW);
        scene.follow(NOW).await;
    }
    scene.directory.purge(after(100));
    let all = [published(&first), published(&second)];
    assert_eq!(scene.follow(after(100)).await, all);
    assert!(!scene.log.is_published(&KeyRecordHash::of(&first)));
    // Also of one that ends while the CPS is down.
    drop(scene);
    let mut scene = Scene::open(&home, &holder, after(300));
    assert_eq!(scene.follow(after(300)).await, all);
    assert!(!scene.log.is_published(&KeyRecordHash::of(&second)));
}

#[tokio::test]
async fn a_record_that_nobody_can_verify_at_present_has_not_gone() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let token = holder.sign(&holder.record());
    let mut scene = Scene::open(&home, &holder, NOW);
    scene.register(&token, NOW);
    let all = [published(&token)];
    assert_eq!(scene.follow(NOW).await, all);
    drop(scene);
    // Its operator has lost the roots.
    let policy = || policy(&[&holder], home.path());
    let lost = RecordPolicy {
        trust: {
            let config = TrustConfig::new(home.path().join("no-roots"));
            Arc::new(Trust::open(&config, &home.path().join("no-trust"), NOW).unwrap())
        },
        ..policy()
    };
    let mut scene = Scene::with(&home, lost, NOW);
    assert_eq!(scene.follow(NOW).await, all);
    drop(scene);
    // It has another root, and the record is refused.
    let mut other = policy();
    other.trust = policy_of(&Holder::new(), &home.path().join("other"));
    let mut scene = Scene::with(&home, other, NOW);
    assert_eq!(scene.follow(NOW).await, [published(&token), ended(&token)]);
    drop(scene);
    // And takes that back.
    let mut scene = Scene::with(&home, policy(), NOW);
    let all = [published(&token), ended(&token), published(&token)];
    assert_eq!(scene.follow(NOW).await, all);
}

fn policy_of(holder: &Holder, home: &std::path::Path) -> Arc<Trust> {
    policy(&[holder], home).trust
}

#[tokio::test]
async fn a_holder_that_replaces_its_record_each_second_does_not_fill_the_log() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let mut scene = Scene::open(&home, &holder, NOW);
    let record = holder.record();
    let mut last = String::new();
    for second in 0..40 {
        last = holder.sign(&renewed(&record, second));
        scene.register(&last, after(second));
        scene.follow(after(second)).await;
    }
    let said = scene.follow(after(40)).await;
    assert_eq!(said.len(), 2 * 8, "eight are published, and have ended");
    assert!(!said.contains(&published(&last)));
    // The last one is published when its turn has come.
    let said = scene.follow(after(15 * 60)).await;
    assert_eq!(said.last(), Some(&published(&last)));
}
