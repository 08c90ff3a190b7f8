//! The key records at hand, by number. A timer fills it; **a call asks nobody**, so that no
//! CPS sees a look-up at the moment of a call. Bounded, and written to a file, so that a
//! restart has them at once. Not here: how records are read and verified (the client
//! library).

mod file;
mod refresh;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::directory::blocks::{Block, blocks_around, blocks_of};
use pennyblack_protocol::key_record::VerifiedKeyRecord;
use pennyblack_stir::telephone_number::TelephoneNumber;
use tokio::time::Instant;

use crate::status::KeyRecordsStatus;

pub(crate) use refresh::{RecordService, Refresher};

/// What a look into the records finds.
#[derive(Debug)]
pub(crate) enum Keys {
    /// Records of the number.
    Found(Vec<Arc<VerifiedKeyRecord>>),
    /// Nobody has published one, or its block is not followed.
    None,
    /// Nothing has been read yet.
    Unread,
}

/// The records as they were read last.
#[derive(Debug, Default)]
pub(crate) struct KeyRecords {
    current: RwLock<Arc<Snapshot>>,
}

#[derive(Debug, Default)]
struct Snapshot {
    records: HashMap<Box<str>, Known>,
    by_block: HashMap<Block, Vec<Arc<VerifiedKeyRecord>>>,
    read: Option<Instant>,
    /// When the directory that it came of was last synced to the end of all feeds.
    as_of: Option<UnixTime>,
    is_full: bool,
}

#[derive(Debug, Clone)]
struct Known {
    record: Arc<VerifiedKeyRecord>,
    /// When its certificate was judged last.
    verified: UnixTime,
}

impl KeyRecords {
    /// All records of `number` that have not expired.
    pub(crate) fn keys_of(&self, number: &TelephoneNumber, now: UnixTime) -> Keys {
        let snapshot = self.current();
        if snapshot.read.is_none() && snapshot.records.is_empty() {
            return Keys::Unread;
        }
        let blocks = blocks_around(number);
        let records = blocks.filter_map(|block| snapshot.by_block.get(&block));
        let keys = records.flatten().filter(|key| key.exp() > now);
        let keys: Vec<_> = keys.map(Arc::clone).collect();
        match keys.is_empty() {
            true => Keys::None,
            false => Keys::Found(keys),
        }
    }

    pub(crate) fn status(&self) -> KeyRecordsStatus {
        let snapshot = self.current();
        KeyRecordsStatus {
            records: snapshot.records.len(),
            read: snapshot.read.map(|read| read.elapsed()),
            as_of: snapshot.as_of,
            is_full: snapshot.is_full,
        }
    }

    fn replace(&self, snapshot: Snapshot) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(snapshot);
    }

    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Snapshot {
    fn of(records: HashMap<Box<str>, Known>, read: Option<Instant>, is_full: bool) -> Self {
        let mut by_block: HashMap<_, Vec<_>> = HashMap::new();
        for known in records.values() {
            for block in known.record.numbers().iter().flat_map(blocks_of) {
                let of_block = by_block.entry(block).or_default();
                of_block.push(Arc::clone(&known.record));
            }
        }
        Self {
            records,
            by_block,
            read,
            as_of: None,
            is_full,
        }
    }
}

/// How long a record counts without its certificate being judged again: it may have been
/// revoked meanwhile.
const JUDGED_FOR: Duration = Duration::from_secs(3600);

impl Known {
    fn counts(&self, now: UnixTime) -> bool {
        self.record.exp() > now && now.since(self.verified) < JUDGED_FOR
    }
}
