//! Records that have ended and can still be undone: an older record of the same key may be
//! valid longer than the one that withdrew it. So it is remembered when a record was made
//! until every older one has ended, too.

use std::collections::{BTreeSet, HashMap};

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{Grant, KeyRecord, MAX_LIFETIME, VerifiedKeyRecord};

use super::{RecordId, size};

/// A record that has ended.
#[derive(Debug)]
pub(super) struct EndedRecord {
    pub(super) iat: UnixTime,
    /// When nobody needs to know of it any more.
    pub(super) until: UnixTime,
    /// Who pays for its text, which is kept in files or in Redis, or for the accounts that
    /// this needs here; `None` for one that was
    /// verified before a restart and cannot be any more.
    pub(super) charge: Option<(Grant, u64)>,
}

impl EndedRecord {
    pub(super) fn of(record: &VerifiedKeyRecord) -> Self {
        Self {
            charge: Some((record.grant().clone(), size::of_ended(record))),
            ..Self::unpaid(record.record())
        }
    }

    pub(super) fn unpaid(record: &KeyRecord) -> Self {
        Self {
            iat: record.iat,
            until: kept_until(record),
            charge: None,
        }
    }

    pub(super) fn is_needed(&self, now: UnixTime) -> bool {
        self.until > now
    }
}

/// When every record of its key has ended that is older than this one.
pub(super) fn kept_until(record: &KeyRecord) -> UnixTime {
    record.exp.max(record.iat.plus(MAX_LIFETIME))
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct EndedRecords {
    records: HashMap<RecordId, EndedRecord>,
    ends: BTreeSet<(UnixTime, RecordId)>,
}

impl EndedRecords {
    /// When the ended record of a key was made.
    pub(super) fn iat(&self, id: &RecordId) -> Option<UnixTime> {
        self.records.get(id).map(|ended| ended.iat)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&RecordId, &EndedRecord)> {
        self.records.iter()
    }

    pub(super) fn insert(&mut self, id: RecordId, ended: EndedRecord) {
        self.ends.insert((ended.until, id.clone()));
        self.records.insert(id, ended);
    }

    pub(super) fn remove(&mut self, id: &RecordId) -> Option<EndedRecord> {
        let ended = self.records.remove(id)?;
        self.ends.remove(&(ended.until, id.clone()));
        Some(ended)
    }

    /// Those that nobody needs any more.
    pub(super) fn unneeded(&self, now: UnixTime) -> Vec<RecordId> {
        let unneeded = self.ends.iter().take_while(|(until, _)| *until <= now);
        unneeded.map(|(_, id)| id.clone()).collect()
    }
}
