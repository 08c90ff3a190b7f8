//! Puts back what Redis has lost: compares, a few shards at a time and again and again,
//! what this node knows to be there with what is there. Nothing is concluded from a
//! version of a whole shard, so there is no loss that another one, or a registration since,
//! could hide. What is new in Redis is read elsewhere.

use std::collections::HashSet;
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::VerifiedKeyRecord;
use pennyblack_redis::RedisError;
use tokio::task::spawn_blocking;

use super::super::{KeyDirectory, RecordDigest, record_id};
use super::SharedRecords;
use super::record_shards::{Put, RecordShard};

/// Fewest shards that are compared in one turn: so all are within 16 turns.
const SHARDS_AT_ONCE: usize = 4;
/// After so many records a turn has no more than those shards. A directory that is not
/// larger is compared as a whole in each.
const RECORDS_AT_ONCE: usize = 4_096;

/// Which shard is next.
#[derive(Debug)]
pub(super) struct Reconciliation<'a> {
    shared: &'a SharedRecords,
    next: usize,
}

impl<'a> Reconciliation<'a> {
    pub(super) const fn new(shared: &'a SharedRecords) -> Self {
        Self { shared, next: 0 }
    }

    /// Compares the shards that were seen to have lost something, and those that are next.
    ///
    /// # Errors
    /// [`RedisError`], the last one: a shard that cannot be reached keeps none of the
    /// others waiting.
    pub(super) async fn turn(&mut self, now: UnixTime) -> Result<(), RedisError> {
        let mut ended = Ok(());
        for shard in self.shared.known.doubted() {
            ended = ended.and(self.mend(shard, now).await.map(drop));
        }
        let all: Vec<_> = RecordShard::all().collect();
        let (mut shards, mut records) = (0, 0);
        while shards < SHARDS_AT_ONCE || (records < RECORDS_AT_ONCE && shards < all.len()) {
            let Some(shard) = all.get(self.next) else {
                self.next = 0;
                continue;
            };
            self.next += 1;
            shards += 1;
            match self.mend(*shard, now).await {
                Ok(compared) => records += compared,
                Err(error) => ended = Err(error),
            }
        }
        ended
    }

    /// Puts back what a shard has lost; how many records were compared.
    async fn mend(&self, shard: RecordShard, now: UnixTime) -> Result<usize, RedisError> {
        let is_doubted = self.shared.known.take_doubt(shard);
        let mended = self.compare(shard, is_doubted, now).await;
        if mended.is_err() && is_doubted {
            self.shared.known.doubt(shard);
        }
        mended
    }

    async fn compare(
        &self,
        shard: RecordShard,
        is_doubted: bool,
        now: UnixTime,
    ) -> Result<usize, RedisError> {
        let known = self.shared.known.of(shard);
        let lost = self.shared.shards.lost(shard, &known).await?;
        if lost.is_empty() && !is_doubted {
            return Ok(known.len());
        }
        let directory = Arc::clone(&self.shared.directory);
        let ids = lost.clone();
        let wanted = move |id: &RecordDigest| {
            RecordShard::of(id) == shard && (is_doubted || ids.contains(id))
        };
        let found = move || {
            (
                listed(&directory, &wanted, now),
                ended(&directory, &wanted, now),
            )
        };
        let found = spawn_blocking(found).await;
        let (listed, ended) = found.map_err(|error| RedisError::Form(error.to_string()))?;
        self.put_back(&listed).await?;
        self.put_back_ended(&ended).await?;
        self.forget(&known, &lost, &listed);
        Ok(known.len())
    }

    async fn put_back(
        &self,
        records: &[(RecordDigest, Arc<VerifiedKeyRecord>)],
    ) -> Result<(), RedisError> {
        let mut count = 0_usize;
        for (id, record) in records {
            match self.shared.put(record).await? {
                Put::Kept(version) => {
                    count += 1;
                    self.shared.known.put_back(*id, version);
                }
                Put::Same(version) => self.shared.known.put_back(*id, version),
                // It is read from there.
                Put::Older => {}
            }
        }
        if count > 0 {
            tracing::warn!(count, "Redis has lost key records: they are put back");
        }
        Ok(())
    }

    /// Forgets what was lost and is not listed here: records that have ended, or do not
    /// hold. Those that nobody can verify yet may be listed later.
    async fn put_back_ended(
        &self,
        ended: &[(RecordDigest, UnixTime, UnixTime)],
    ) -> Result<(), RedisError> {
        for (id, iat, until) in ended {
            match self.shared.shards.put_ended(id, *iat, *until).await? {
                Put::Kept(version) | Put::Same(version) => {
                    self.shared.known.put_back(*id, version);
                }
                // It is there, or a newer one.
                Put::Older => {}
            }
        }
        Ok(())
    }

    fn forget(
        &self,
        known: &[(RecordDigest, u64)],
        lost: &HashSet<RecordDigest>,
        listed: &[(RecordDigest, Arc<VerifiedKeyRecord>)],
    ) {
        let listed: HashSet<_> = listed.iter().map(|(id, _)| *id).collect();
        let waiting = self.shared.directory.waiting_names();
        for (id, version) in known {
            let is_needed = listed.contains(id) || waiting.contains(&hex::encode(id.0));
            if lost.contains(id) && !is_needed {
                self.shared.known.forget(*id, *version);
            }
        }
    }
}

/// The unexpired records that are listed and wanted.
fn listed(
    directory: &KeyDirectory,
    wanted: impl Fn(&RecordDigest) -> bool,
    now: UnixTime,
) -> Vec<(RecordDigest, Arc<VerifiedKeyRecord>)> {
    let unexpired = directory
        .all()
        .into_iter()
        .filter(|record| record.exp() > now);
    unexpired
        .map(|record| (RecordDigest::of(&record_id(&record)), record))
        .filter(|(id, _)| wanted(id))
        .collect()
}

/// The records that have ended and are wanted, with their times and how long they are kept.
fn ended(
    directory: &KeyDirectory,
    wanted: impl Fn(&RecordDigest) -> bool,
    now: UnixTime,
) -> Vec<(RecordDigest, UnixTime, UnixTime)> {
    let index = directory.read();
    let needed = index
        .ended()
        .iter()
        .filter(|(_, ended)| ended.is_needed(now));
    needed
        .map(|(id, ended)| (RecordDigest::of(id), ended.iat, ended.until))
        .filter(|(id, _, _)| wanted(id))
        .collect()
}
