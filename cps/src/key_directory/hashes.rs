//! The listed records by the hashes of their texts, and which records have come or gone
//! lately: the log of the CPS follows that. Not here: what is in the log.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::KeyRecordHash;
use pennyblack_protocol::key_record::{UnverifiedKeyRecord, VerifiedKeyRecord};
use tokio::sync::Notify;

use super::KeyDirectory;

/// Records that have come or gone, with their ends.
pub(crate) type Touched = HashMap<KeyRecordHash, UnixTime>;

/// The records.
#[derive(Debug, Default)]
pub(super) struct Hashes {
    listed: HashMap<KeyRecordHash, Arc<VerifiedKeyRecord>>,
    touched: Touched,
    news: Arc<Notify>,
}

impl Hashes {
    pub(super) fn insert(&mut self, record: &Arc<VerifiedKeyRecord>) {
        let hash = KeyRecordHash::of(record.as_str());
        self.listed.insert(hash, Arc::clone(record));
        self.touch(hash, record.exp());
    }

    pub(super) fn remove(&mut self, record: &VerifiedKeyRecord) {
        let hash = KeyRecordHash::of(record.as_str());
        self.listed.remove(&hash);
        self.touch(hash, record.exp());
    }

    pub(super) fn touch(&mut self, hash: KeyRecordHash, end: UnixTime) {
        self.touched.insert(hash, end);
        self.news.notify_one();
    }
}

impl KeyDirectory {
    /// The unexpired record whose text has this hash.
    pub(crate) fn of_hash(
        &self,
        hash: &KeyRecordHash,
        now: UnixTime,
    ) -> Option<Arc<VerifiedKeyRecord>> {
        let index = self.read();
        let listed = index.hashes.listed.get(hash);
        listed.filter(|record| record.exp() > now).cloned()
    }

    /// Lists a record, whatever room there is.
    #[cfg(test)]
    pub(crate) fn list_without_limit(&self, token: &str, now: UnixTime) {
        self.insert_newer(self.verify(token, now).unwrap());
    }

    /// The records that have come or gone since this was asked last; after a start all that
    /// were stored, but for those that wait.
    pub(crate) fn take_touched(&self) -> Touched {
        std::mem::take(&mut self.write().hashes.touched)
    }

    /// Word of each time that there are more of them.
    pub(crate) fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.read().hashes.news)
    }

    /// The stored records that nobody can verify at present: they have not gone.
    pub(crate) fn waiting_hashes(&self) -> HashSet<KeyRecordHash> {
        self.waiting().tokens().map(KeyRecordHash::of).collect()
    }

    /// Notes that a stored record is not listed, and does not wait to be.
    pub(super) fn touch(&self, token: &str) {
        if let Ok(record) = UnverifiedKeyRecord::parse(token) {
            let (hash, end) = (KeyRecordHash::of(token), record.record().exp);
            self.write().hashes.touch(hash, end);
        }
    }

    /// A stored record that waits under this name does so no more: another takes its place.
    pub(super) fn replace_waiting(&self, name: &str) {
        let taken = self.waiting().take(name);
        if let Some((_, token)) = taken {
            self.touch(&token);
        }
    }
}
