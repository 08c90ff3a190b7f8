mod full_disk;
mod full_mailbox;
mod older_copy;
mod poll_times;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_storage::disk::{Disk as _, DiskFile as _};
use pennyblack_storage::fault_disk::{FaultDisk, SyncFault, seeds};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::store::conformance::{self, LIMITS, START, contents, spend};

/// A clock that tests move.
#[derive(Clone)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START.0)))
    }

    fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.0);
        Arc::new(move || UnixTime(seconds.load(Ordering::SeqCst)))
    }

    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::SeqCst))
    }

    fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

fn open(disk: &FaultDisk, hand: &Hand) -> Result<EmbeddedStore<FaultDisk>, OpenStoreError> {
    EmbeddedStore::on(Arc::new(disk.clone()), LIMITS, hand.clock())
}

/// Opens it as an operator does, who starts the process again when the disk refused.
fn open_at_last(disk: &FaultDisk, hand: &Hand) -> EmbeddedStore<FaultDisk> {
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::Other;
    loop {
        match open(disk, hand) {
            Err(OpenStoreError::Io(error)) if refused(&error) => {}
            Err(OpenStoreError::Journal(JournalError::Io(error))) if refused(&error) => {}
            other => return other.unwrap(),
        }
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_conforms_on_a_real_disk() {
    let directory = tempfile::tempdir().unwrap();
    let open = || EmbeddedStore::open(directory.path(), LIMITS, Hand::new().clock()).unwrap();
    conformance::check(open(), async |store| {
        drop(store);
        open()
    })
    .await;
}

#[tokio::test]
async fn it_conforms_when_power_is_lost_in_the_middle() {
    for seed in 0..20 {
        let (disk, hand) = (FaultDisk::default(), Hand::new());
        conformance::check(open(&disk, &hand).unwrap(), async |store| {
            let found = disk.after_power_loss(seed);
            drop(store);
            open(&found, &hand).unwrap()
        })
        .await;
    }
}

fn holds(disk: &FaultDisk, canary: &[u8]) -> bool {
    let names = disk.list().unwrap();
    names.iter().any(|name| {
        // A segment may be removed between the two calls.
        let contents = disk.open(name).and_then(|file| file.read_all());
        contents.is_ok_and(|c| c.windows(canary.len()).any(|w| w == canary))
    })
}

#[tokio::test]
async fn a_dead_entry_is_gone_from_the_disk_and_its_spend_is_not() {
    let (disk, hand) = (FaultDisk::default(), Hand::new());
    let store = open(&disk, &hand).unwrap();
    let request = spend(1, 1, 0xab, 1);
    store
        .spend_and_append(request.clone(), hand.now())
        .await
        .unwrap();
    let canary = [0xab; 100];
    assert!(holds(&disk, &canary));
    hand.advance(64);
    until("the entry leaves the disk", || !holds(&disk, &canary)).await;
    assert!(holds(&disk, &request.nonce.0));
    // Twice over, from the archive and after a restart.
    for store in [store, open(&disk, &hand).unwrap()] {
        let retry = store.spend_and_append(request.clone(), hand.now()).await;
        assert_eq!(retry, Ok(Outcome::AlreadyStored));
        let other = store.spend_and_append(spend(1, 1, 2, 1), hand.now()).await;
        assert_eq!(other, Ok(Outcome::Conflict(request.record)));
        assert_eq!(store.spent(request.token_key_id).await, Ok(1));
    }
}

#[tokio::test]
async fn a_clock_that_jumps_forgets_no_spend() {
    let (disk, hand) = (FaultDisk::default(), Hand::new());
    let store = open(&disk, &hand).unwrap();
    store
        .spend_and_append(spend(1, 1, 1, 1), hand.now())
        .await
        .unwrap();
    for jump in [3_600, 10 * 365 * 86_400] {
        hand.advance(jump);
        assert_eq!(contents(&store, 1, hand.now()).await, [0u8; 0]);
    }
    for jump in [3_600, 10 * 365 * 86_400] {
        hand.0.fetch_sub(jump, Ordering::SeqCst);
    }
    let other = store.spend_and_append(spend(1, 1, 2, 1), hand.now()).await;
    assert!(matches!(other, Ok(Outcome::Conflict(_))));
}

#[tokio::test]
async fn a_failed_sync_is_never_followed_by_two_successes_for_two_requests() {
    for fault in [SyncFault::Lost, SyncFault::Persisted] {
        for same_request in [true, false] {
            let (disk, hand) = (FaultDisk::default(), Hand::new());
            let store = open(&disk, &hand).unwrap();
            disk.fail_next_sync(fault);
            let first = store.spend_and_append(spend(1, 1, 1, 1), START).await;
            assert!(matches!(first, Err(StoreError::Unavailable(_))));
            let content = if same_request { 1 } else { 2 };
            let second = store.spend_and_append(spend(1, 1, content, 1), START).await;
            assert_eq!(second, Ok(Outcome::Stored));
            drop(store);
            let store = open(&disk.after_power_loss(1), &hand).unwrap();
            assert_eq!(contents(&store, 1, START).await, [content]);
            let retry = store.spend_and_append(spend(1, 1, content, 1), START).await;
            assert_eq!(retry, Ok(Outcome::AlreadyStored));
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_recovers_by_itself() {
    let (disk, hand) = (FaultDisk::default(), Hand::new());
    let store = open(&disk, &hand).unwrap();
    store
        .spend_and_append(spend(1, 1, 1, 1), START)
        .await
        .unwrap();
    disk.limit(Some(4_000));
    let refused = store.spend_and_append(spend(1, 2, 2, 1), START).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    disk.limit(None);
    let stored = store.spend_and_append(spend(1, 2, 2, 1), START).await;
    assert_eq!(stored, Ok(Outcome::Stored));
    assert_eq!(contents(&store, 1, START).await, [1, 2]);
}

#[tokio::test]
async fn a_damaged_archive_is_refused_and_a_torn_one_is_not() {
    let (disk, hand) = (FaultDisk::default(), Hand::new());
    let store = open(&disk, &hand).unwrap();
    for token in 0..20 {
        store
            .spend_and_append(spend(1, token, 9, 1), hand.now())
            .await
            .unwrap();
    }
    hand.advance(64);
    until("the spends are archived", || !holds(&disk, &[9; 100])).await;
    drop(store);
    let name = spent::file_name(TokenKeyId([1; 32]));
    let archive = disk.open(&name).unwrap().read_all().unwrap();
    assert_eq!(archive.len(), 20 * 136);

    let with_archive = |bytes: &[u8]| {
        let changed = disk.after_power_loss(1);
        changed.remove(&name).unwrap();
        changed.create(&name).unwrap().append(bytes).unwrap();
        open(&changed, &hand)
    };
    let mut flipped = archive.clone();
    flipped[5 * 136 + 3] ^= 1;
    assert!(with_archive(&flipped).is_err());
    let torn = [archive.as_slice(), &[1; 77]].concat();
    let store = with_archive(&torn).unwrap();
    assert_eq!(store.spent(TokenKeyId([1; 32])).await, Ok(20));
    drop(store);

    // So many spends in the journal as would have made an append that was torn: but
    // those behind the damage are not among them.
    let store = open(&disk, &hand).unwrap();
    for token in 20..40 {
        let stored = store
            .spend_and_append(spend(1, token, 8, 1), hand.now())
            .await;
        assert_eq!(stored, Ok(Outcome::Stored));
    }
    drop(store);
    assert!(with_archive(&flipped).is_err());
}

#[tokio::test]
async fn an_archive_that_a_failed_sync_left_in_memory_is_durable_after_a_restart() {
    let (disk, hand) = (FaultDisk::default(), Hand::new());
    let store = open(&disk, &hand).unwrap();
    let request = spend(1, 1, 9, 1);
    store
        .spend_and_append(request.clone(), hand.now())
        .await
        .unwrap();
    // Nothing is committed any more, so the next sync is the archive's.
    disk.fail_next_sync(SyncFault::Lost);
    hand.advance(64);
    let name = spent::file_name(request.token_key_id);
    let archived = || disk.open(&name).unwrap().length().unwrap() > 0;
    until("the archive was appended to", archived).await;
    drop(store);
    let store = open(&disk, &hand).unwrap();
    until("the entry leaves the disk", || !holds(&disk, &[9; 100])).await;
    drop(store);
    for seed in 0..20 {
        let store = open(&disk.after_power_loss(seed), &hand).unwrap();
        let other = store.spend_and_append(spend(1, 1, 2, 1), hand.now()).await;
        assert_eq!(other, Ok(Outcome::Conflict(request.record)), "seed {seed}");
    }
}

/// What a random run may expect of the store.
#[derive(Default)]
struct Model {
    /// The content that was acknowledged for each token.
    acknowledged: BTreeMap<u32, u8>,
    /// Contents that were refused as unavailable, which may have been stored if
    /// the process died before the next acknowledgement.
    in_doubt: BTreeMap<u32, BTreeSet<u8>>,
    closed: bool,
}

impl Model {
    fn check(&mut self, token: u32, content: u8, outcome: Result<Outcome, StoreError>) {
        let known = self.acknowledged.get(&token).copied();
        match outcome {
            Ok(Outcome::Stored) => {
                assert!(known.is_none() && !self.closed, "token {token} twice");
                self.acknowledged.insert(token, content);
            }
            Ok(Outcome::AlreadyStored) => {
                let doubted = self
                    .in_doubt
                    .get(&token)
                    .is_some_and(|d| d.contains(&content));
                assert!(known == Some(content) || (known.is_none() && doubted));
                self.acknowledged.insert(token, content);
            }
            Ok(Outcome::Conflict(first)) => {
                let [signed, ..] = first.signature.signature;
                let doubted = self
                    .in_doubt
                    .get(&token)
                    .is_some_and(|d| d.contains(&signed));
                assert!(signed != content);
                assert!(known == Some(signed) || (known.is_none() && doubted));
            }
            Err(StoreError::Unavailable(_)) => {
                if known.is_none() {
                    self.in_doubt.entry(token).or_default().insert(content);
                }
            }
            Err(StoreError::EpochClosed) => assert!(self.closed),
            Err(StoreError::Busy) => panic!("nobody else is here"),
        }
    }
}

async fn random_run(seed: u64, plant_bug: bool) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut disk, hand) = (FaultDisk::default(), Hand::new());
    let mut store = open(&disk, &hand).unwrap();
    let mut model = Model::default();
    for _ in 0..60 {
        match rng.random_range(0..14) {
            0 => disk.fail_next_sync(SyncFault::Lost),
            1 if rng.random() => disk.fail_next_directory_sync(),
            1 => disk.fail_next_sync(SyncFault::Persisted),
            2 => hand.advance(rng.random_range(1..40)),
            3 => {
                if plant_bug {
                    disk.ignore_syncs();
                }
                // The process ends, and half of the times the power with it.
                let found = rng
                    .random::<bool>()
                    .then(|| disk.after_power_loss(rng.random()));
                drop(store);
                disk = found.unwrap_or(disk);
                store = open_at_last(&disk, &hand);
                if plant_bug {
                    disk.ignore_syncs();
                }
            }
            4 if rng.random_bool(0.1) => {
                let closed = store.close_epoch(TokenKeyId([1; 32])).await;
                model.closed |= closed.is_ok();
                if closed.is_err() {
                    return;
                }
            }
            _ => {
                let (token, content) = (rng.random_range(0..12), rng.random_range(1..4));
                let outcome = store
                    .spend_and_append(spend(1, token, content, 1), hand.now())
                    .await;
                model.check(token, content, outcome);
            }
        }
    }
}

#[tokio::test]
async fn random_faults_never_let_one_token_store_two_requests() {
    for seed in seeds() {
        random_run(seed, false).await;
    }
}

#[tokio::test]
async fn the_harness_catches_a_store_whose_disk_does_not_sync() {
    let mut caught = 0;
    for seed in 0..60 {
        caught += usize::from(tokio::spawn(random_run(seed, true)).await.is_err());
    }
    assert!(caught > 10, "{caught}");
}
