use std::time::Instant;

use pennyblack_ohttp::key_ratchet::Epochs;
use pennyblack_runtime::clock::ClockHand;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::config::tests::example_with;

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);
const EPOCH: Duration = Duration::from_secs(4 * 3_600);
/// Ten minutes after an epoch began.
const NOW: UnixTime = UnixTime(1_790_000_000 - 1_790_000_000 % EPOCH.as_secs() + 600);

/// A CPS's keys with epochs of four hours, whose grace is an hour.
struct Node {
    log: Arc<CpsLog>,
    offered: Arc<OfferedKeys>,
    seed: SeedFile,
    clock: Clock,
    hand: ClockHand,
    readiness: Readiness,
    shutdown: Shutdown,
    running: JoinHandle<()>,
}

impl Node {
    fn start(home: &TempDir, now: UnixTime) -> Self {
        Self::with_kems(home, now, vec![OfferedKem::X25519])
    }

    fn with_kems(home: &TempDir, now: UnixTime, kems: Vec<OfferedKem>) -> Self {
        let mut config = example_with(&["oblivious.epoch=4h"]).unwrap();
        config.cps.data_directory = home.path().to_owned();
        let log = Arc::new(CpsLog::open(&config.log_directory(), &config.cps.authority).unwrap());
        let seed = SeedFile::of(&config).unwrap().unwrap();
        let (clock, hand) = Clock::by_hand(now);
        let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
        let offered = Arc::new(OfferedKeys::default());
        let rotation = Rotation {
            authority: config.cps.authority,
            kems,
            ratchet: seed.read_or_make(now).unwrap(),
            seed: seed.clone(),
            log: Arc::clone(&log),
            offered: Arc::clone(&offered),
            clock: clock.clone(),
        };
        Rotation::not_offered_yet(&readiness);
        let running = tokio::spawn(rotation.run(readiness.clone(), shutdown.clone()));
        Self {
            log,
            offered,
            seed,
            clock,
            hand,
            readiness,
            shutdown,
            running,
        }
    }

    async fn stop(self) {
        self.shutdown.trigger();
        self.running.await.unwrap();
    }

    /// Waits until the task has done what it does now.
    async fn settled(&self) {
        let is_waiting = || {
            let awaited = self.hand.awaited();
            awaited.is_some_and(|time| time > self.clock.now())
        };
        until("a rotation that waits", is_waiting).await;
    }

    async fn moved(&self, span: Duration) {
        self.hand.advance(span);
        self.settled().await;
    }

    async fn moved_each(&self, spans: &[Duration]) {
        for span in spans {
            self.moved(*span).await;
        }
    }

    fn epoch(&self) -> u64 {
        Epochs::new(EPOCH).unwrap().at(self.clock.now()).0
    }

    /// The first epoch of which the file has keys.
    fn oldest_on_disk(&self) -> u64 {
        self.seed.read_shared().unwrap().oldest().0
    }

    /// The numbers of the keys that are offered.
    fn offered(&self) -> Vec<u8> {
        let Some(offered) = self.offered.now() else {
            return Vec::new();
        };
        let keys = offered.keys().iter();
        keys.map(|key| key.config().key_id()).collect()
    }

    /// When the keys in the log begin.
    fn announced(&self) -> Vec<UnixTime> {
        let entries = self.log.entries(0, 1_000).unwrap();
        let begins = entries.into_iter().map(|(_, entry)| match entry.statement {
            Statement::ObliviousKeyAnnounced(key) => key.not_before,
            other => panic!("{other:?}"),
        });
        begins.collect()
    }

    fn is_ready(&self) -> bool {
        self.readiness.is_ready()
    }
}

fn ids(epochs: &[u64]) -> Vec<u8> {
    let id = |epoch: &u64| Epoch(*epoch).key_id(OfferedKem::X25519);
    epochs.iter().map(id).collect()
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < MINUTE, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn keys_come_in_time_and_the_past_is_overwritten_after_ten_minutes_of_one_word() {
    let home = tempfile::tempdir().unwrap();
    let node = Node::start(&home, NOW);
    node.settled().await;
    let first = node.epoch();
    assert_eq!(node.offered(), ids(&[first]));
    assert_eq!(node.announced().len(), 1);
    // Half an epoch ahead, and not while the last one is accepted, too.
    node.moved_each(&[50 * MINUTE, HOUR]).await;
    assert_eq!(node.announced().len(), 2);
    assert_eq!(node.offered(), ids(&[first, first + 1]));
    node.moved_each(&[HOUR, HOUR]).await;
    assert_eq!(node.offered(), ids(&[first + 1, first]));
    node.moved(HOUR).await;
    assert_eq!(node.offered(), ids(&[first + 1]));
    for checks in 1..10 {
        assert_eq!(node.oldest_on_disk(), first, "after {checks} checks");
        node.moved(MINUTE).await;
    }
    assert_eq!(node.oldest_on_disk(), first + 1);
    node.moved(51 * MINUTE).await;
    assert_eq!(node.offered(), ids(&[first + 1, first + 2]));
    assert_eq!(node.announced().len(), 3);
    assert!(node.is_ready());
    node.stop().await;
}

#[tokio::test]
async fn a_key_that_is_in_no_checkpoint_is_not_offered() {
    let home = tempfile::tempdir().unwrap();
    let node = Node::start(&home, NOW);
    // No tile can be written there.
    let public = home.path().join("log").join("public");
    std::fs::remove_dir_all(&public).unwrap();
    std::fs::write(public, "").unwrap();
    let said = || format!("{:?}", node.readiness.lacking());
    until("a log that cannot be signed", || {
        said().contains("no checkpoint")
    })
    .await;
    assert_eq!(node.announced().len(), 1, "it is in the log");
    assert_eq!(node.offered(), Vec::<u8>::new());
    node.stop().await;
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_and_back_costs_no_key() {
    let home = tempfile::tempdir().unwrap();
    let node = Node::start(&home, NOW);
    node.settled().await;
    let first = node.epoch();
    node.moved(1_000 * HOUR).await;
    until("a jump that is noticed", || !node.is_ready()).await;
    assert!(format!("{:?}", node.readiness.lacking()).contains("jumped"));
    assert_eq!(node.offered(), Vec::<u8>::new());
    for _ in 1..9 {
        node.moved(MINUTE).await;
    }
    assert_eq!((node.oldest_on_disk(), node.announced().len()), (first, 1));
    node.hand.set(NOW);
    until("keys of today", || node.is_ready()).await;
    assert_eq!(node.offered(), ids(&[first]));
    assert_eq!((node.oldest_on_disk(), node.announced().len()), (first, 1));
    node.stop().await;
}

/// By so much a clock is wrong: more than half an epoch, nearly two, two, a year.
const JUMPS: [Duration; 4] = [
    Duration::from_secs(140 * 60),
    Duration::from_secs(400 * 60),
    Duration::from_secs(2 * EPOCH.as_secs()),
    Duration::from_secs(8_760 * 3_600),
];

#[tokio::test]
async fn a_clock_that_jumps_ahead_for_some_minutes_announces_nothing() {
    for jump in JUMPS {
        let home = tempfile::tempdir().unwrap();
        let node = Node::start(&home, NOW);
        node.settled().await;
        let first = node.epoch();
        node.moved(jump).await;
        for _ in 1..9 {
            node.moved(MINUTE).await;
        }
        assert_eq!(node.announced().len(), 1, "ahead by {jump:?}");
        node.hand.set(NOW);
        until("keys of today", || node.is_ready()).await;
        let left = (
            node.offered(),
            node.announced().len(),
            node.oldest_on_disk(),
        );
        assert_eq!(left, (ids(&[first]), 1, first), "ahead by {jump:?}");
        node.stop().await;
    }
}

#[tokio::test]
async fn a_cps_that_starts_with_a_clock_that_is_ahead_announces_nothing() {
    for jump in JUMPS {
        let home = tempfile::tempdir().unwrap();
        let node = Node::start(&home, NOW);
        node.settled().await;
        let first = node.epoch();
        node.stop().await;
        let node = Node::start(&home, NOW.plus(jump));
        node.settled().await;
        assert_eq!(node.announced().len(), 1, "ahead by {jump:?}");
        node.stop().await;
        let node = Node::start(&home, NOW);
        node.settled().await;
        assert_eq!(node.offered(), ids(&[first]), "ahead by {jump:?}");
        node.stop().await;
    }
}

#[tokio::test]
async fn a_clock_that_stays_ahead_is_followed_and_one_that_is_behind_is_said_to_be() {
    let home = tempfile::tempdir().unwrap();
    let node = Node::start(&home, NOW);
    node.settled().await;
    node.moved(1_000 * HOUR).await;
    for _ in 0..10 {
        node.moved(MINUTE).await;
    }
    until("keys of the new time", || node.is_ready()).await;
    let later = node.epoch();
    // It is early in the epoch.
    assert_eq!(node.oldest_on_disk(), later - 1);
    assert_eq!(node.offered(), ids(&[later, later - 1]));
    node.stop().await;
    let node = Node::start(&home, NOW);
    let said = || format!("{:?}", node.readiness.lacking());
    until("a clock that is behind", || {
        said().contains("is behind the seed")
    })
    .await;
    assert_eq!(node.offered(), Vec::<u8>::new());
    node.stop().await;
}

#[tokio::test]
async fn a_restart_announces_nothing_twice_and_a_lost_seed_something_new() {
    let home = tempfile::tempdir().unwrap();
    let mut digests = Vec::new();
    for life in 0..3 {
        let node = Node::start(&home, NOW);
        node.settled().await;
        assert_eq!(node.announced().len(), 1 + life / 2, "life {life}");
        let offered = node.offered.now().unwrap();
        digests.push(offered.keys()[0].config().digest());
        let path = node.seed.path().to_owned();
        node.stop().await;
        if life == 1 {
            std::fs::remove_file(path).unwrap();
        }
    }
    let node = Node::start(&home, NOW);
    let begins = node.announced();
    assert_eq!(begins[1], begins[0].plus(Duration::from_secs(1)));
    node.stop().await;
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[1], digests[2]);
}

#[tokio::test]
async fn a_node_that_was_off_for_weeks_has_the_keys_of_today_in_ten_minutes() {
    let home = tempfile::tempdir().unwrap();
    let node = Node::start(&home, NOW);
    node.settled().await;
    let first = node.epoch();
    node.stop().await;
    let node = Node::start(&home, NOW.plus(500 * EPOCH));
    for checks in 1..10 {
        node.settled().await;
        assert!(!node.is_ready(), "after {checks} checks");
        assert_eq!(node.offered(), Vec::<u8>::new(), "after {checks} checks");
        node.moved(MINUTE).await;
    }
    until("keys of today", || node.is_ready()).await;
    assert_eq!(node.offered(), ids(&[first + 500, first + 499]));
    assert_eq!(node.oldest_on_disk(), first + 499);
    node.stop().await;
}

#[tokio::test]
async fn a_restart_in_the_last_half_of_an_epoch_costs_nothing() {
    let home = tempfile::tempdir().unwrap();
    let node = Node::start(&home, NOW);
    node.settled().await;
    let first = node.epoch();
    node.stop().await;
    let node = Node::start(&home, NOW.plus(EPOCH / 2));
    for checks in 1..10 {
        node.settled().await;
        assert!(node.is_ready(), "after {checks} checks");
        assert_eq!(node.offered(), ids(&[first]), "after {checks} checks");
        node.moved(MINUTE).await;
    }
    assert_eq!(node.offered(), ids(&[first, first + 1]));
    node.stop().await;
}

#[tokio::test]
async fn a_kem_that_is_left_out_is_offered_as_long_as_the_log_says_so() {
    let home = tempfile::tempdir().unwrap();
    let both = vec![OfferedKem::XWing, OfferedKem::X25519];
    let node = Node::with_kems(&home, NOW, both);
    node.settled().await;
    let first = Epoch(node.epoch());
    let xwing = first.key_id(OfferedKem::XWing);
    let x25519 = [first, first.next()].map(|epoch| epoch.key_id(OfferedKem::X25519));
    assert_eq!(node.offered(), [xwing, x25519[0]]);
    node.stop().await;
    let node = Node::start(&home, NOW);
    node.settled().await;
    assert_eq!(node.offered(), [x25519[0], xwing]);
    for _ in 0..10 {
        node.moved(MINUTE).await;
    }
    node.moved_each(&[40 * MINUTE, HOUR]).await;
    assert_eq!(node.offered(), [x25519[0], xwing, x25519[1]]);
    node.moved_each(&[HOUR, HOUR]).await;
    assert_eq!(node.offered(), [x25519[1], x25519[0], xwing]);
    node.moved(HOUR).await;
    assert!(!node.offered().contains(&xwing));
    node.stop().await;
}
