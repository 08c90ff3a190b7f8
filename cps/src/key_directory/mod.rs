//! The directory of recipients' keys: records that were verified when they were
//! registered, in a file each or in a Redis that several nodes share, found by number,
//! by block and by mailbox (docs/protocol.md section 5). Not here: verifying them
//! (`pennyblack_protocol::key_record`), and HTTP.

mod blocks;
mod files;
mod index;
mod registry;
mod shared;
mod verification;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use pennyblack_base::authority::Authority;
use pennyblack_base::encoding;
use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{UnverifiedKeyRecord, VerifiedKeyRecord};
use pennyblack_sealing::mailbox::{KeyConfig, MailboxId};
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::TelephoneNumber;
use pennyblack_trust::Trust;

use self::files::RecordFiles;
pub use self::files::RecordFilesError;
use self::index::Index;
pub(crate) use self::registry::Registry;
pub use self::shared::{RecordTakeoverError, move_to_redis};
pub(crate) use self::shared::{SharedRecords, not_read_yet};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Fewest digits of a prefix that is looked up.
pub const SHORTEST_PREFIX: usize = 4;

/// By what a record is judged.
#[derive(Debug)]
pub struct RecordPolicy {
    /// This CPS, which records must name.
    pub authority: Authority,
    /// Whose certificates count.
    pub trust: Arc<Trust>,
    /// Which numbers a provider holds.
    pub numbering: Option<NumberingTable>,
    /// Most records.
    pub capacity: usize,
}

/// A record belongs to its key and its signer: two may hold the same key, and
/// neither can replace the other's record.
type RecordId = (MailboxId, String);

/// What names a record in files and in Redis: a SHA-256 of whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct RecordDigest([u8; 32]);

impl RecordDigest {
    fn of((mailbox, iss): &RecordId) -> Self {
        let whose = [mailbox.0.as_slice(), iss.as_bytes()].concat();
        Self(encoding::sha256(&whose))
    }
}

/// What a registration came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// A new record, or a newer one in place of an older.
    Stored,
    /// The very same record was there.
    Unchanged,
}

/// The directory.
#[derive(Debug)]
pub struct KeyDirectory {
    policy: RecordPolicy,
    /// None when the records are in Redis.
    files: Option<RecordFiles>,
    /// Whether all records that are stored were read once.
    complete: AtomicBool,
    /// Stored records that nobody can verify at present, by the names of their files.
    waiting: Mutex<Vec<(String, String)>>,
    /// Held through a registration, which waits for the disk; never by readers.
    registering: Mutex<()>,
    /// Locked for look-ups and single insertions.
    index: RwLock<Index>,
}

impl KeyDirectory {
    /// Opens the directory's files (made if missing) and verifies every record
    /// again; those that do not hold any more are left out, and those that cannot
    /// be judged, since roots or lists are not there, wait. Waits for the disk.
    ///
    /// # Errors
    /// [`RecordFilesError`].
    pub fn open(
        directory: &Path,
        policy: RecordPolicy,
        now: UnixTime,
    ) -> Result<Self, RecordFilesError> {
        let files = RecordFiles::open(directory)?;
        let stored = files.read_all()?;
        let this = Self {
            files: Some(files),
            complete: AtomicBool::new(true),
            ..Self::unread(policy)
        };
        let left = this.verify_stored(stored, now);
        *this.waiting() = left;
        Ok(this)
    }

    /// A directory without files, to be filled with what [`SharedRecords`] reads.
    pub(crate) fn unread(policy: RecordPolicy) -> Self {
        Self {
            policy,
            files: None,
            complete: AtomicBool::new(false),
            waiting: Mutex::default(),
            registering: Mutex::default(),
            index: RwLock::default(),
        }
    }

    /// Says that all stored records were read once.
    fn set_complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Whether what is not found here is registered nowhere.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] until the stored records were read.
    pub(crate) fn check_complete(&self) -> Result<(), StoreError> {
        if self.complete.load(Ordering::Acquire) {
            return Ok(());
        }
        let why = "the key records were not read from Redis yet";
        Err(StoreError::Unavailable(why.to_owned()))
    }

    /// Lists a record that was kept in Redis, unless a newer one is known by now.
    fn insert_newer(&self, record: Arc<VerifiedKeyRecord>) {
        let id = record_id(&record);
        let mut index = self.write();
        let there = index.get(&id);
        if there.is_none_or(|there| there.record().iat < record.record().iat) {
            index.insert(id, record);
        }
    }

    fn remove_file(&self, name: &str) {
        let removed = self.files.as_ref().map(|files| files.remove(name));
        if let Some(Err(error)) = removed {
            tracing::warn!(%error, "an ended key record's file cannot be removed");
        }
    }

    /// Verifies a record that is to be registered, and whether it may be by what is
    /// known here; `None` when it is registered already.
    fn consider(
        &self,
        token: &str,
        now: UnixTime,
    ) -> Result<Option<Arc<VerifiedKeyRecord>>, Refusal> {
        let record = self.verify(token, now)?;
        let is_new = self.check_new(&record, now)?;
        Ok(is_new.then_some(record))
    }

    /// Whether a record is another than the one that is listed, and may be.
    fn check_new(&self, record: &VerifiedKeyRecord, now: UnixTime) -> Result<bool, Refusal> {
        let id = record_id(record);
        let before = self.read().get(&id).cloned();
        match before {
            Some(before) if before.as_str() == record.as_str() => return Ok(false),
            Some(before) if before.record().iat >= record.record().iat => {
                return Err(Refusal::OlderRecord);
            }
            None if self.count() >= self.policy.capacity => return Err(Refusal::DirectoryFull),
            _ => {}
        }
        self.read().check_holding(&id, record, now)?;
        Ok(true)
    }

    /// Verifies and stores a record. Waits for the disk.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn register(&self, token: &str, now: UnixTime) -> Result<Registered, Refusal> {
        let record = self.verify(token, now)?;
        self.keep(record, now)
    }

    /// Stores a record that was verified. Waits for the disk.
    fn keep(&self, record: Arc<VerifiedKeyRecord>, now: UnixTime) -> Result<Registered, Refusal> {
        let id = record_id(&record);
        let _alone = self
            .registering
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // One that waits may be of the same key: the two share a file.
        self.verify_waiting(now);
        if !self.check_new(&record, now)? {
            return Ok(Registered::Unchanged);
        }
        let name = file_name(&id);
        if let Some(files) = &self.files {
            files
                .write(&name, record.as_str())
                .map_err(|error| Refusal::Internal(error.to_string()))?;
        }
        // The file of one that still waits is now this one's.
        self.waiting().retain(|(other, _)| *other != name);
        self.write().insert(id, record);
        Ok(Registered::Stored)
    }

    /// Every record that is listed.
    fn all(&self) -> Vec<Arc<VerifiedKeyRecord>> {
        self.read().all_records()
    }

    /// The names of the stored records that wait.
    fn waiting_names(&self) -> HashSet<String> {
        let waiting = self.waiting();
        waiting.iter().map(|(name, _)| name.clone()).collect()
    }

    /// All records, those that wait among them.
    fn count(&self) -> usize {
        self.waiting().len() + self.read().count()
    }

    /// The key of a mailbox, while a record of it lives.
    #[must_use]
    pub fn recipient(&self, mailbox: MailboxId, now: UnixTime) -> Option<Arc<KeyConfig>> {
        self.read().recipient(mailbox, now)
    }

    /// The unexpired records that answer for a number; of more than 1,000, or 16 MiB,
    /// those whose blocks of numbers are smallest.
    #[must_use]
    pub fn of_number(
        &self,
        number: &TelephoneNumber,
        now: UnixTime,
    ) -> Vec<Arc<VerifiedKeyRecord>> {
        self.read().of_number(number, now)
    }

    /// Every unexpired record that answers for a number that begins so.
    ///
    /// # Errors
    /// [`Refusal::Prefix`] or [`Refusal::TooManyRecords`].
    pub fn of_prefix(
        &self,
        prefix: &TelephoneNumber,
        now: UnixTime,
    ) -> Result<Vec<Arc<VerifiedKeyRecord>>, Refusal> {
        let actual = prefix.as_str().len();
        if actual < SHORTEST_PREFIX {
            let min = SHORTEST_PREFIX;
            return Err(Refusal::Prefix { min, actual });
        }
        self.read().of_prefix(prefix, now)
    }

    /// Removes the records that have ended, and judges those that could not be
    /// judged before. Waits for the disk.
    pub fn purge(&self, now: UnixTime) {
        let _alone = self
            .registering
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.verify_waiting(now);
        let ended = self.read().ended(now);
        for id in ended {
            self.write().remove(&id);
            self.remove_file(&file_name(&id));
        }
    }

    fn verify(&self, token: &str, now: UnixTime) -> Result<Arc<VerifiedKeyRecord>, Refusal> {
        let unverified = UnverifiedKeyRecord::parse(token)?;
        let names = unverified.record().cps.authority();
        if *names != self.policy.authority {
            return Err(Refusal::OtherCps(names.to_string()));
        }
        unverified.record().check_time(now)?;
        let chain = self.policy.trust.verify(unverified.certificate(), now)?;
        let numbering = self.policy.numbering.as_ref();
        Ok(Arc::new(unverified.verify(&chain, numbering, now)?))
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file_name(id: &RecordId) -> String {
    hex::encode(RecordDigest::of(id).0)
}

fn record_id(record: &VerifiedKeyRecord) -> RecordId {
    (record.mailbox(), record.record().iss.clone())
}
