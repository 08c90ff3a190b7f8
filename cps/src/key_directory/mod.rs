//! The directory of recipients' keys: records that were verified when they were
//! registered, in a file each or in a Redis that several nodes share, found by number,
//! by block and by mailbox (docs/protocol.md section 5). Not here: verifying them
//! (`pennyblack_protocol::key_record`), and HTTP.

mod asked_numbering;
mod blocks;
mod budgets;
mod ended;
mod files;
mod hashes;
mod index;
mod look_up;
mod mailboxes;
mod registry;
mod reservation;
mod shared;
mod size;
mod verification;
mod waiting;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use pennyblack_base::authority::Authority;
use pennyblack_base::encoding;
use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{KeyRecordError, UnverifiedKeyRecord, VerifiedKeyRecord};
use pennyblack_runtime::reload::FromFiles;
use pennyblack_sealing::mailbox::{KeyConfig, MailboxId};
use pennyblack_stir::VerifiedChain;
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::TelephoneNumber;
use pennyblack_trust::Trust;

pub use self::asked_numbering::{AskedNumbering, AskedNumberingError};
use self::blocks::Block;
use self::files::RecordFiles;
pub use self::files::RecordFilesError;
pub(crate) use self::hashes::Touched;
use self::index::Index;
pub use self::index::RecordPage;
pub(crate) use self::registry::Registry;
pub use self::shared::{RecordTakeoverError, move_to_redis};
pub(crate) use self::shared::{SharedRecords, not_read_yet};
use self::waiting::WaitingRecords;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Fewest digits of a prefix that is looked up.
pub const SHORTEST_PREFIX: usize = 4;

/// Waiting records that are verified while no record can be registered.
const WAITING_AT_ONCE: usize = 32;

/// By what a record is judged.
#[derive(Debug)]
pub struct RecordPolicy {
    /// This CPS, which records must name, alone or among others.
    pub authority: Authority,
    /// Whose certificates count.
    pub trust: Arc<Trust>,
    /// Which numbers a provider holds, by the operator's table as it was last read.
    pub numbering: Option<Arc<FromFiles<NumberingTable>>>,
    /// The service that is asked about others when a record is registered.
    pub asked: Option<Arc<AskedNumbering>>,
    /// Most records; of common size, for the room that they take is bounded by it, too.
    pub capacity: usize,
}

impl RecordPolicy {
    /// The operator's table as it is now.
    fn table(&self) -> Option<Arc<NumberingTable>> {
        self.numbering.as_ref().map(|table| table.current())
    }
}

/// A record belongs to its key and its signer: two may hold the same key, and
/// neither can replace the other's record.
pub(crate) type RecordId = (MailboxId, String);

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
    /// Stored records that nobody can verify at present.
    waiting: Mutex<WaitingRecords>,
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
        this.waiting().extend(left);
        this.warn_of_waiting();
        Ok(this)
    }

    /// A directory without files, to be filled with what [`SharedRecords`] reads.
    pub(crate) fn unread(policy: RecordPolicy) -> Self {
        Self {
            files: None,
            complete: AtomicBool::new(false),
            waiting: Mutex::default(),
            registering: Mutex::default(),
            index: RwLock::new(Index::new(policy.capacity)),
            policy,
        }
    }

    /// Says that all stored records were read once.
    pub(crate) fn set_complete(&self) {
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
        if index
            .newest(&id)
            .is_none_or(|iat| iat < record.record().iat)
        {
            index.insert(id, record);
        }
    }

    fn remove_file(&self, name: &str) {
        let removed = self.files.as_ref().map(|files| files.remove(name));
        if let Some(Err(error)) = removed {
            tracing::warn!(%error, "an ended key record's file cannot be removed");
        }
    }

    /// Verifies a record that is to be registered; `None` when it is registered already.
    fn consider(
        &self,
        token: &str,
        now: UnixTime,
    ) -> Result<Option<Arc<VerifiedKeyRecord>>, Refusal> {
        let record = self.verify(token, now)?;
        let is_new = self.check_new(&record_id(&record), &record)?;
        Ok(is_new.then_some(record))
    }

    /// Whether a record is another than the one that is listed, and newer than all known.
    fn check_new(&self, id: &RecordId, record: &VerifiedKeyRecord) -> Result<bool, Refusal> {
        let index = self.read();
        let listed = index.get(id);
        if listed.is_some_and(|before| before.as_str() == record.as_str()) {
            return Ok(false);
        }
        // Also one that has ended: else the older one that it withdrew would come back.
        match index.newest(id) {
            Some(iat) if iat >= record.record().iat => Err(Refusal::OlderRecord),
            _ => Ok(true),
        }
    }

    /// Verifies and stores a record. Waits for the disk.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn register(&self, token: &str, now: UnixTime) -> Result<Registered, Refusal> {
        let record = self.verify(token, now)?;
        self.keep(record, now)
    }

    /// Stores a record that was verified, if there is room. Waits for the disk.
    fn keep(&self, record: Arc<VerifiedKeyRecord>, now: UnixTime) -> Result<Registered, Refusal> {
        let id = record_id(&record);
        let _alone = self.alone();
        let name = file_name(&id);
        // One that waits may be of the same key: the two share a file. Not the others:
        // each registration would have all of them verified.
        self.verify_waiting(std::slice::from_ref(&name), now);
        if !self.check_new(&id, &record)? {
            return Ok(Registered::Unchanged);
        }
        if self.waits_as_new(&name, &record) {
            return Err(Refusal::OlderRecord);
        }
        self.remove_ended(now);
        let waiting = self.waiting().size();
        self.write().check_room(&id, &record, waiting)?;
        if let Some(files) = &self.files {
            files
                .write(&name, record.as_str())
                .map_err(|error| Refusal::Internal(error.to_string()))?;
        }
        // The file of one that still waits is now this one's.
        self.replace_waiting(&name);
        self.write().insert(id, record);
        Ok(Registered::Stored)
    }

    /// Every record that is listed.
    pub(crate) fn all(&self) -> Vec<Arc<VerifiedKeyRecord>> {
        self.read().all_records()
    }

    /// The names of the stored records that wait.
    fn waiting_names(&self) -> HashSet<String> {
        self.waiting().names().into_iter().collect()
    }

    /// Lists no more what has ended, and removes what is not even needed to refuse older
    /// records.
    fn remove_ended(&self, now: UnixTime) {
        let unneeded = self.write().end(now);
        let refused = self.files.iter().flat_map(|files| files.take_ended(now));
        for name in unneeded.iter().map(file_name).chain(refused) {
            self.remove_file(&name);
        }
    }

    /// The key of a mailbox, while a record of it is unexpired: stores are taken for it.
    #[must_use]
    pub fn key_for_stores(&self, mailbox: MailboxId, now: UnixTime) -> Option<Arc<KeyConfig>> {
        self.read().key_for_stores(mailbox, now)
    }

    /// The same, and for the life of an entry longer: what was stored until then is read.
    #[must_use]
    pub fn key_for_answers(&self, mailbox: MailboxId, now: UnixTime) -> Option<Arc<KeyConfig>> {
        self.read().key_for_answers(mailbox, now)
    }

    /// The unexpired records that answer for a number: the 32 most specific ones.
    #[must_use]
    pub fn of_number(
        &self,
        number: &TelephoneNumber,
        now: UnixTime,
    ) -> Vec<Arc<VerifiedKeyRecord>> {
        self.read().of_number(number, now)
    }

    /// The unexpired records that answer for numbers that begin so, a page at a time: for
    /// each number those that [`Self::of_number`] has, in one of the pages.
    ///
    /// # Errors
    /// [`Refusal::Prefix`], or [`Refusal::BlockCursor`] for an `after` that is no page's.
    pub fn of_prefix(
        &self,
        prefix: &TelephoneNumber,
        after: Option<&str>,
        now: UnixTime,
    ) -> Result<RecordPage, Refusal> {
        let actual = prefix.as_str().len();
        if actual < SHORTEST_PREFIX {
            let min = SHORTEST_PREFIX;
            return Err(Refusal::Prefix { min, actual });
        }
        let after = after.map(str::parse::<Block>).transpose()?;
        Ok(self.read().of_prefix(prefix, after.as_ref(), now))
    }

    /// Removes the records that have ended, and judges those that could not be
    /// judged before. Waits for the disk.
    pub fn purge(&self, now: UnixTime) {
        {
            let _alone = self.alone();
            self.remove_ended(now);
        }
        let names = self.waiting().names();
        // A few at a time: registrations wait meanwhile.
        for names in names.chunks(WAITING_AT_ONCE) {
            let _alone = self.alone();
            self.verify_waiting(names, now);
        }
        self.warn_of_waiting();
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.registering
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn verify(&self, token: &str, now: UnixTime) -> Result<Arc<VerifiedKeyRecord>, Refusal> {
        let unverified = UnverifiedKeyRecord::parse(token)?;
        let chain = self.judge(&unverified, now)?;
        let record = unverified.verify(&chain, self.policy.table().as_deref(), now);
        let record = match (record, &self.policy.asked) {
            (Err(error), Some(asked)) if lacks_a_holder(&error) => {
                let again = UnverifiedKeyRecord::parse(token)?;
                again.verify(&chain, Some(&asked.answers()), now)?
            }
            (record, _) => record?,
        };
        size::check_blocks(&record)?;
        Ok(Arc::new(record))
    }

    /// Judges the certificate of a record that is meant for this CPS now.
    fn judge(
        &self,
        unverified: &UnverifiedKeyRecord,
        now: UnixTime,
    ) -> Result<Arc<VerifiedChain>, Refusal> {
        let placement = &unverified.record().placement;
        if !placement.names(&self.policy.authority) {
            let names: Vec<_> = placement.cpss().map(ToString::to_string).collect();
            return Err(Refusal::OtherCps(names.join(", ")));
        }
        unverified.check_time(now)?;
        Ok(self.policy.trust.verify(unverified.certificate(), now)?)
    }

    fn waiting(&self) -> MutexGuard<'_, WaitingRecords> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing is wrong but that no table gives the numbers to the signer.
const fn lacks_a_holder(error: &KeyRecordError) -> bool {
    matches!(
        error,
        KeyRecordError::UnknownHolder { .. } | KeyRecordError::NotHeld { .. }
    )
}

fn file_name(id: &RecordId) -> String {
    hex::encode(RecordDigest::of(id).0)
}

pub(crate) fn record_id(record: &VerifiedKeyRecord) -> RecordId {
    (record.mailbox(), record.record().iss.clone())
}

#[cfg(test)]
pub(crate) mod tests;
