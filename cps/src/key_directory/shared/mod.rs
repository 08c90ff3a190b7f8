//! One directory of recipients' keys for several nodes: a record that is registered
//! at one of them is in Redis before that is answered, and within about a second at
//! all of them. Nothing in Redis is trusted: each node verifies each record
//! again, and puts back what Redis has lost.

mod known_versions;
mod reconciliation;
mod record_shards;
mod takeover;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::VerifiedKeyRecord;
use pennyblack_redis::RedisError;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::repeated_causes::report;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior};

use self::known_versions::KnownVersions;
use self::reconciliation::Reconciliation;
use self::record_shards::{Put, REMOVED_AFTER, RecordShard, RecordShards, StoredRecord};
pub use self::takeover::{RecordTakeoverError, move_to_redis};
use super::reservation::Reservation;
use super::{KeyDirectory, RecordDigest, Registered};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::store::redis::RedisStore;

/// How often it is asked what is new.
const READ_EVERY: Duration = Duration::from_secs(1);
/// How long to wait at least, however many want to know.
const READ_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Longest wait of one who wants to know.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(2);
/// How often some of what is known is compared with Redis.
const COMPARE_EVERY: Duration = Duration::from_secs(1);
/// A node that has not read for so long cannot tell what was lost from what was replaced
/// and removed meanwhile.
const READ_WITHIN: Duration = Duration::from_secs(REMOVED_AFTER.as_secs() / 2);
/// How often what has ended is removed.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// What is not ready before all was read once.
const PART: &str = "key records";

/// The records that the nodes share.
#[derive(Debug)]
pub(crate) struct SharedRecords {
    /// What this node knows of them.
    directory: Arc<KeyDirectory>,
    shards: RecordShards,
    /// What this node knows to be in Redis.
    known: KnownVersions,
    /// When everything was read for the last time.
    read_at: Mutex<Instant>,
    /// How many times it was begun to read what is new.
    begun: AtomicU64,
    /// Which of those was the last that came to its end.
    ended: watch::Sender<u64>,
    /// Somebody does not want to wait for the next time.
    wanted: Notify,
}

impl SharedRecords {
    /// The records in the Redis of this store; `directory` knows none of them yet.
    pub(crate) fn new(directory: Arc<KeyDirectory>, store: RedisStore) -> Self {
        let shards = RecordShards::new(store);
        Self {
            directory,
            shards,
            known: KnownVersions::new(),
            begun: AtomicU64::new(0),
            read_at: Mutex::new(Instant::now()),
            ended: watch::Sender::new(0),
            wanted: Notify::new(),
        }
    }

    /// Waits until everything is known that was registered anywhere before this call.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when that takes too long.
    pub(super) async fn catch_up(&self) -> Result<(), StoreError> {
        let mut ended = self.ended.subscribe();
        // One that has begun already may have been past the place of the record.
        let next = self.begun.load(Ordering::SeqCst) + 1;
        self.wanted.notify_one();
        let until = ended.wait_for(|ended| *ended >= next);
        match tokio::time::timeout(CATCH_UP_WITHIN, until).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(StoreError::Unavailable(
                "the key records of other nodes cannot be read at present".to_owned(),
            )),
        }
    }

    /// Keeps a record in Redis, for all nodes, that was verified. Whether there is room is
    /// judged by what this node knows, a second old at most.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(super) async fn keep(
        &self,
        record: Arc<VerifiedKeyRecord>,
        now: UnixTime,
    ) -> Result<Registered, Refusal> {
        let directory = Arc::clone(&self.directory);
        let reserved = spawn_blocking(move || Reservation::of(directory, record, now)).await;
        let reserved = reserved.map_err(|error| Refusal::Internal(error.to_string()))?;
        let Some(reserved) = reserved? else {
            return Ok(Registered::Unchanged);
        };
        let record = Arc::clone(&reserved.record);
        if let Some(why) = self.shards.refusing() {
            return Err(StoreError::Unavailable(why).into());
        }
        // After a time without reading, what was lost meanwhile would be hidden behind the
        // version that this record gives its shard: read first.
        if self.was_away() {
            self.catch_up().await?;
        }
        let put = self.put(&record).await;
        let put = put.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let (registered, version) = match put {
            Put::Kept(version) => (Registered::Stored, version),
            Put::Same(version) => (Registered::Unchanged, version),
            Put::Older => return Err(Refusal::OlderRecord),
        };
        let id = RecordDigest::of(&super::record_id(&record));
        self.directory.insert_newer(record);
        self.known.found(id, version);
        Ok(registered)
    }

    /// Whether this node has not read everything for so long that it may have missed a
    /// loss.
    fn was_away(&self) -> bool {
        let read_at = self.read_at.lock();
        let read_at = *read_at.unwrap_or_else(PoisonError::into_inner);
        read_at.elapsed() >= READ_WITHIN
    }

    fn has_read(&self) {
        let read_at = self.read_at.lock();
        *read_at.unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    async fn put(&self, record: &VerifiedKeyRecord) -> Result<Put, RedisError> {
        let id = RecordDigest::of(&super::record_id(record));
        self.shards.put(&id, record.record(), record.as_str()).await
    }

    /// Brings in what this node has in files from the time when it was alone, then
    /// reads what is new, and puts back what was lost, again and again, until `shutdown`.
    pub(crate) async fn follow(
        self: Arc<Self>,
        own: PathBuf,
        clock: Clock,
        readiness: Readiness,
        shutdown: Shutdown,
    ) {
        tokio::join!(
            self.read_on(own, &clock, readiness, &shutdown),
            self.restore_lost(&clock, &shutdown),
        );
    }

    async fn read_on(
        &self,
        own: PathBuf,
        clock: &Clock,
        readiness: Readiness,
        shutdown: &Shutdown,
    ) {
        let mut pace = tokio::time::interval(READ_EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reader = Reader::new(self);
        loop {
            tokio::select! {
                _ = pace.tick() => {}
                () = self.wanted.notified() => tokio::time::sleep(READ_AGAIN_AFTER).await,
                () = shutdown.requested() => return,
            }
            let this_time = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            match reader.catch_up(&own, clock.now()).await {
                Ok(()) => {
                    readiness.has(PART);
                    self.ended.send_replace(this_time);
                }
                Err(error) if self.directory.check_complete().is_err() => {
                    readiness.lacks(PART, error.to_string());
                }
                Err(error) => report("key records of other nodes were not read", &error),
            }
        }
    }

    /// Compares, puts back and removes what has ended. Nothing while the store refuses:
    /// what is known stays known until an operator has accepted it.
    async fn restore_lost(&self, clock: &Clock, shutdown: &Shutdown) {
        let mut pace = tokio::time::interval(COMPARE_EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reconciliation = Reconciliation::new(self);
        let mut tidied = Instant::now();
        loop {
            tokio::select! {
                _ = pace.tick() => {}
                () = shutdown.requested() => return,
            }
            if self.shards.refusing().is_none()
                && let Err(error) = reconciliation.turn(clock.now()).await
            {
                report("key records were not compared with Redis", &error);
            }
            if tidied.elapsed() >= TIDY_EVERY {
                self.tidy().await;
                tidied = Instant::now();
            }
        }
    }

    async fn tidy(&self) {
        for shard in RecordShard::all() {
            if let Err(error) = self.shards.tidy(shard).await {
                tracing::warn!(%error, "ended key records were not removed from Redis");
                return;
            }
        }
    }
}

/// Says from the beginning that nothing was read yet.
pub(crate) fn not_read_yet(readiness: &Readiness) {
    readiness.lacks(PART, "the key records were not read from Redis yet");
}

/// What a node has read so far.
struct Reader<'a> {
    shared: &'a SharedRecords,
    /// Whether the files from the time when the node was alone were brought in.
    has_brought_in: bool,
    /// The last version of each shard that was read.
    seen: Vec<u64>,
}

impl<'a> Reader<'a> {
    fn new(shared: &'a SharedRecords) -> Self {
        Self {
            shared,
            has_brought_in: false,
            seen: RecordShard::all().map(|_| 0).collect(),
        }
    }

    /// Reads what is new. A node that knows nothing yet reads nothing of a store that
    /// refuses: it was emptied, or is half imported, and what is not there may be
    /// registered all the same.
    async fn catch_up(
        &mut self,
        own: &std::path::Path,
        now: UnixTime,
    ) -> Result<(), RecordTakeoverError> {
        if self.shared.directory.check_complete().is_err()
            && let Some(why) = self.shared.shards.refusing()
        {
            return Err(RecordTakeoverError::Refusing(why));
        }
        if !self.has_brought_in {
            self.shared.shards.take_over(own).await?;
            self.has_brought_in = true;
        }
        let mut versions = Vec::new();
        for shard in RecordShard::all() {
            versions.push((shard, self.shared.shards.version(shard).await?));
        }
        self.begin_anew(&versions);
        for (shard, version) in versions {
            self.read(shard, version, now).await?;
        }
        self.shared.has_read();
        self.shared.directory.set_complete();
        Ok(())
    }

    /// Reads a shard from its beginning when its versions were lost, for what is written
    /// since may have lower ones; and all shards after a time without reading.
    fn begin_anew(&mut self, versions: &[(RecordShard, u64)]) {
        let was_away = self.shared.was_away();
        for (shard, version) in versions {
            let has_lost = *version < self.seen_of(*shard);
            if has_lost {
                self.shared.known.doubt(*shard);
            }
            if was_away {
                self.shared.known.forget_all(*shard);
            }
            if has_lost || was_away {
                self.record(*shard, 0);
            }
        }
    }

    /// Reads what is new in a shard up to a version, a page at a time.
    async fn read(
        &mut self,
        shard: RecordShard,
        version: u64,
        now: UnixTime,
    ) -> Result<(), RedisError> {
        while self.seen_of(shard) < version {
            let page = self.shared.shards.page(shard, self.seen_of(shard)).await?;
            if !page.records.is_empty() {
                self.take_in(page.records, now).await?;
            }
            // The last versions may be those of records that have ended and are gone.
            self.record(shard, page.last.unwrap_or(version));
        }
        Ok(())
    }

    async fn take_in(&self, records: Vec<StoredRecord>, now: UnixTime) -> Result<(), RedisError> {
        let found: Vec<_> = records.iter().map(|r| (r.id, r.version)).collect();
        let stored = records.into_iter().map(|r| (hex::encode(r.id.0), r.token));
        let (stored, directory) = (stored.collect(), Arc::clone(&self.shared.directory));
        let taken = spawn_blocking(move || directory.take_in(stored, now)).await;
        taken.map_err(|error| RedisError::Form(error.to_string()))?;
        for (id, version) in found {
            self.shared.known.found(id, version);
        }
        Ok(())
    }

    fn seen_of(&self, shard: RecordShard) -> u64 {
        self.seen.get(shard.place()).copied().unwrap_or(0)
    }

    fn record(&mut self, shard: RecordShard, version: u64) {
        if let Some(seen) = self.seen.get_mut(shard.place()) {
            *seen = version;
        }
    }
}

#[cfg(test)]
mod tests;
