//! The directory of recipients' keys: records that were verified when they were
//! registered, one file each, found by number, by block and by mailbox
//! (docs/protocol.md section 5). Not here: verifying them
//! (`pennyblack_shared::key_record`), and HTTP.

mod blocks;
mod files;
mod index;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use pennyblack_service::trust::{CertificateError, Trust};
use pennyblack_shared::authority::Authority;
use pennyblack_shared::encoding;
use pennyblack_shared::key_record::{UnverifiedKeyRecord, VerifiedKeyRecord};
use pennyblack_shared::mailbox::{KeyConfig, MailboxId};
use pennyblack_shared::numbering::NumberingTable;
use pennyblack_shared::telephone_number::TelephoneNumber;
use pennyblack_shared::time::UnixTime;

use self::files::RecordFiles;
pub use self::files::RecordFilesError;
use self::index::Index;
use crate::refusal::Refusal;

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
    files: RecordFiles,
    /// Stored records that nobody can judge at present, by the names of their files.
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
            policy,
            files,
            waiting: Mutex::new(stored),
            registering: Mutex::default(),
            index: RwLock::default(),
        };
        this.judge_waiting(now);
        Ok(this)
    }

    /// Verifies the stored records that are not in the index yet, and removes those
    /// that have ended by what they say themselves: their certificates have ended
    /// too, and are no longer judged good.
    fn judge_waiting(&self, now: UnixTime) {
        let mut waiting = self.waiting();
        waiting.retain(|(name, token)| {
            if has_ended(token, now) {
                self.remove_file(name);
                return false;
            }
            match self.verify(token, now).and_then(|r| self.list(r, now)) {
                Ok(()) => false,
                Err(error) if is_for_later(&error) => true,
                Err(error) => {
                    tracing::warn!(record = name, %error, "a stored key record does not hold any more");
                    false
                }
            }
        });
        if !waiting.is_empty() {
            tracing::warn!(
                records = waiting.len(),
                "stored key records wait for roots, for lists, or for room in the directory"
            );
        }
    }

    /// Lists a stored record, if there is room for it.
    fn list(&self, record: Arc<VerifiedKeyRecord>, now: UnixTime) -> Result<(), Refusal> {
        let id = record_id(&record);
        let mut index = self.write();
        // One that was registered meanwhile is newer.
        if index.get(&id).is_some() {
            return Ok(());
        }
        if index.count() >= self.policy.capacity {
            return Err(Refusal::DirectoryFull);
        }
        index.check_holding(&id, &record, now)?;
        index.insert(id, record);
        Ok(())
    }

    fn remove_file(&self, name: &str) {
        if let Err(error) = self.files.remove(name) {
            tracing::warn!(%error, "an ended key record's file cannot be removed");
        }
    }

    /// Verifies and stores a record. Waits for the disk.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn register(&self, token: &str, now: UnixTime) -> Result<Registered, Refusal> {
        let record = self.verify(token, now)?;
        let id = record_id(&record);
        let _alone = self
            .registering
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // One that waits may be of the same key: the two share a file.
        self.judge_waiting(now);
        let before = self.read().get(&id).cloned();
        match before {
            Some(before) if before.as_str() == record.as_str() => return Ok(Registered::Unchanged),
            Some(before) if before.record().iat >= record.record().iat => {
                return Err(Refusal::OlderRecord);
            }
            None if self.count() >= self.policy.capacity => return Err(Refusal::DirectoryFull),
            _ => {}
        }
        self.read().check_holding(&id, &record, now)?;
        let name = file_name(&id);
        self.files
            .write(&name, record.as_str())
            .map_err(|error| Refusal::Internal(error.to_string()))?;
        // The file of one that still waits is now this one's.
        self.waiting().retain(|(other, _)| *other != name);
        self.write().insert(id, record);
        Ok(Registered::Stored)
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

    /// The living records that answer for a number; of more than 1,000, or 16 MiB,
    /// those whose blocks of numbers are smallest.
    #[must_use]
    pub fn of_number(
        &self,
        number: &TelephoneNumber,
        now: UnixTime,
    ) -> Vec<Arc<VerifiedKeyRecord>> {
        self.read().of_number(number, now)
    }

    /// Every living record that answers for a number that begins so.
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
            let least = SHORTEST_PREFIX;
            return Err(Refusal::Prefix { least, actual });
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
        self.judge_waiting(now);
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
        let chain = self.policy.trust.judge(unverified.certificate(), now)?;
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

/// Whether a record says of itself that it has ended.
fn has_ended(token: &str, now: UnixTime) -> bool {
    UnverifiedKeyRecord::parse(token).is_ok_and(|record| record.record().exp <= now)
}

/// Whether a record may be listed when the operator has mended what is missing, or
/// when others have ended.
const fn is_for_later(refusal: &Refusal) -> bool {
    use CertificateError::{NoRevocationList, NoRoots, StaleRevocation};
    matches!(
        refusal,
        Refusal::Certificate(NoRoots | NoRevocationList | StaleRevocation(_))
            | Refusal::DirectoryFull
            | Refusal::TooManyOfSigner { .. }
    )
}

fn file_name((mailbox, iss): &RecordId) -> String {
    hex::encode(encoding::sha256(
        &[mailbox.0.as_slice(), iss.as_bytes()].concat(),
    ))
}

fn record_id(record: &VerifiedKeyRecord) -> RecordId {
    (record.mailbox(), record.record().iss.clone())
}
