//! The directory of recipients' keys: records that were verified when they were
//! registered, one file each, found by number, by block and by mailbox
//! (docs/protocol.md section 5). Not here: verifying them
//! (`pennyblack_shared::key_record`), and HTTP.

mod blocks;
mod files;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use pennyblack_service::trust::{CertificateError, Trust};
use pennyblack_shared::authority::Authority;
use pennyblack_shared::encoding;
use pennyblack_shared::key_record::{KeyRecordError, UnverifiedKeyRecord, VerifiedKeyRecord};
use pennyblack_shared::mailbox::{KeyConfig, MailboxId};
use pennyblack_shared::numbering::NumberingTable;
use pennyblack_shared::telephone_number::TelephoneNumber;
use pennyblack_shared::time::UnixTime;

use self::blocks::{Block, blocks_of};
use self::files::RecordFiles;
pub use self::files::RecordFilesError;
use crate::refusal::Refusal;

/// Fewest digits of a prefix that is looked up.
pub const SHORTEST_PREFIX: usize = 4;
/// Most records that one look-up lists.
const MOST_LISTED: usize = 1_000;

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

#[derive(Debug, Default)]
struct Index {
    records: BTreeMap<RecordId, Arc<VerifiedKeyRecord>>,
    blocks: BTreeMap<Block, Vec<RecordId>>,
    /// The keys of mailboxes, with the ends of the records that make them exist.
    mailboxes: HashMap<MailboxId, (Arc<KeyConfig>, Vec<UnixTime>)>,
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

    /// Verifies the stored records that are not in the index yet.
    fn judge_waiting(&self, now: UnixTime) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|(name, token)| match self.verify(token, now) {
            Ok(record) => {
                let id = record_id(&record);
                let mut index = self.write();
                // One that was registered meanwhile is newer.
                if !index.records.contains_key(&id) {
                    index.insert(id, record);
                }
                false
            }
            Err(error) if is_for_later(&error) => true,
            Err(error) => {
                tracing::warn!(record = name, %error, "a stored key record does not hold any more");
                if matches!(error, Refusal::Record(KeyRecordError::Expired { .. })) {
                    self.remove_file(name);
                }
                false
            }
        });
        if !waiting.is_empty() {
            tracing::warn!(
                records = waiting.len(),
                "stored key records wait for roots or lists"
            );
        }
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
        let (before, count) = {
            let index = self.read();
            (index.records.get(&id).cloned(), index.records.len())
        };
        match before {
            Some(before) if before.as_str() == record.as_str() => return Ok(Registered::Unchanged),
            Some(before) if before.record().iat >= record.record().iat => {
                return Err(Refusal::OlderRecord);
            }
            None if count >= self.policy.capacity => return Err(Refusal::DirectoryFull),
            _ => {}
        }
        self.files
            .write(&file_name(&id), record.as_str())
            .map_err(|error| Refusal::Internal(error.to_string()))?;
        self.write().insert(id, record);
        Ok(Registered::Stored)
    }

    /// The key of a mailbox, while a record of it lives.
    #[must_use]
    pub fn recipient(&self, mailbox: MailboxId, now: UnixTime) -> Option<Arc<KeyConfig>> {
        let index = self.read();
        let (key, ends) = index.mailboxes.get(&mailbox)?;
        ends.iter().any(|end| *end > now).then(|| Arc::clone(key))
    }

    /// Every living record that answers for a number.
    #[must_use]
    pub fn of_number(
        &self,
        number: &TelephoneNumber,
        now: UnixTime,
    ) -> Vec<Arc<VerifiedKeyRecord>> {
        let index = self.read();
        index.living(
            Block::around(number).flat_map(|block| index.at(&block)),
            now,
        )
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
        let index = self.read();
        let wider = Block::wider_than(prefix).flat_map(|block| index.at(&block));
        let within = Block::within(prefix).flat_map(|range| index.blocks.range(range));
        let within = within.flat_map(|(_, ids)| ids);
        let found = index.living(wider.chain(within), now);
        if found.len() > MOST_LISTED {
            return Err(Refusal::TooManyRecords(MOST_LISTED));
        }
        Ok(found)
    }

    /// Removes the records that have ended, and judges those that could not be
    /// judged before. Waits for the disk.
    pub fn purge(&self, now: UnixTime) {
        let _alone = self
            .registering
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.judge_waiting(now);
        let ended: Vec<RecordId> = {
            let index = self.read();
            let ended = index.records.iter().filter(|(_, r)| r.exp() <= now);
            ended.map(|(id, _)| id.clone()).collect()
        };
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

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn insert(&mut self, id: RecordId, record: Arc<VerifiedKeyRecord>) {
        self.remove(&id);
        for block in record.numbers().iter().flat_map(blocks_of) {
            self.blocks.entry(block).or_default().push(id.clone());
        }
        let fresh = || (Arc::new(record.key().clone()), Vec::new());
        let (_, ends) = self.mailboxes.entry(id.0).or_insert_with(fresh);
        ends.push(record.exp());
        self.records.insert(id, record);
    }

    fn remove(&mut self, id: &RecordId) {
        let Some(record) = self.records.remove(id) else {
            return;
        };
        for block in record.numbers().iter().flat_map(blocks_of) {
            if let Some(ids) = self.blocks.get_mut(&block) {
                ids.retain(|other| other != id);
                if ids.is_empty() {
                    self.blocks.remove(&block);
                }
            }
        }
        if let Some((_, ends)) = self.mailboxes.get_mut(&id.0) {
            if let Some(place) = ends.iter().position(|end| *end == record.exp()) {
                ends.swap_remove(place);
            }
            if ends.is_empty() {
                self.mailboxes.remove(&id.0);
            }
        }
    }

    fn at(&self, block: &Block) -> impl Iterator<Item = &RecordId> + use<'_> {
        self.blocks.get(block).into_iter().flatten()
    }

    /// The living records among `ids`, each once.
    fn living<'a>(
        &self,
        ids: impl Iterator<Item = &'a RecordId>,
        now: UnixTime,
    ) -> Vec<Arc<VerifiedKeyRecord>> {
        let ids: std::collections::BTreeSet<&RecordId> = ids.collect();
        let records = ids.into_iter().filter_map(|id| self.records.get(id));
        records.filter(|r| r.exp() > now).cloned().collect()
    }
}

/// Whether a record may hold when the operator has mended what is missing.
const fn is_for_later(refusal: &Refusal) -> bool {
    use CertificateError::{NoRevocationList, NoRoots, StaleRevocation};
    matches!(
        refusal,
        Refusal::Certificate(NoRoots | NoRevocationList | StaleRevocation(_))
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
