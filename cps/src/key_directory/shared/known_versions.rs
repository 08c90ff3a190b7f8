//! What this node knows to be in Redis: every record that it has read or put there, with
//! its version. A comparison with it finds a loss however it came about: also one just
//! after another was mended, and one that other nodes have written over since. The last
//! version of a shard does not: it is as high again after the next registration.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::RecordDigest;
use super::record_shards::RecordShard;

/// What is known of all shards.
#[derive(Debug)]
pub(super) struct KnownVersions(Mutex<Vec<Known>>);

/// What is known of one.
#[derive(Debug, Default)]
struct Known {
    versions: HashMap<RecordDigest, u64>,
    /// It was seen to have lost something, perhaps more than is known by version.
    is_doubted: bool,
}

impl KnownVersions {
    pub(super) fn new() -> Self {
        Self(Mutex::new(
            RecordShard::all().map(|_| Known::default()).collect(),
        ))
    }

    /// The records of a shard.
    pub(super) fn of(&self, shard: RecordShard) -> Vec<(RecordDigest, u64)> {
        self.with(shard, |known| {
            let versions = known.versions.iter();
            versions.map(|(id, version)| (*id, *version)).collect()
        })
    }

    /// Notes that a record was found or put there; of two such notes the later version
    /// counts.
    pub(super) fn found(&self, id: RecordDigest, version: u64) {
        self.with(RecordShard::of(&id), |known| {
            let kept = known.versions.entry(id).or_default();
            *kept = version.max(*kept);
        });
    }

    /// Notes that a record was put back. A server whose clock is behind that of the one
    /// before gives it a lower version.
    pub(super) fn put_back(&self, id: RecordDigest, version: u64) {
        self.with(RecordShard::of(&id), |known| {
            known.versions.insert(id, version);
        });
    }

    /// Forgets a record that had this version, unless it was found again.
    pub(super) fn forget(&self, id: RecordDigest, version: u64) {
        self.with(RecordShard::of(&id), |known| {
            if known.versions.get(&id) == Some(&version) {
                known.versions.remove(&id);
            }
        });
    }

    /// Forgets every record of a shard.
    pub(super) fn forget_all(&self, shard: RecordShard) {
        self.with(shard, |known| known.versions.clear());
    }

    /// Notes that a shard has lost something.
    pub(super) fn doubt(&self, shard: RecordShard) {
        self.with(shard, |known| known.is_doubted = true);
    }

    /// The shards that have lost something.
    pub(super) fn doubted(&self) -> Vec<RecordShard> {
        let is_doubted = |shard: &RecordShard| self.with(*shard, |known| known.is_doubted);
        RecordShard::all().filter(is_doubted).collect()
    }

    /// Whether a shard has lost something. It is not doubted any more: so a loss while it
    /// is mended is not forgotten.
    pub(super) fn take_doubt(&self, shard: RecordShard) -> bool {
        self.with(shard, |known| std::mem::take(&mut known.is_doubted))
    }

    fn with<T: Default>(&self, shard: RecordShard, act: impl FnOnce(&mut Known) -> T) -> T {
        self.lock()
            .get_mut(shard.place())
            .map(act)
            .unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
