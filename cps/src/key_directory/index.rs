//! What is looked up of the records: by key and signer, by number, by mailbox, and how much
//! room is left for another.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::VerifiedKeyRecord;
use pennyblack_sealing::mailbox::{KeyConfig, MailboxId};
use pennyblack_stir::telephone_number::TelephoneNumber;

use super::RecordId;
use super::blocks::{Block, blocks_of};
use super::budgets::Budgets;
use super::look_up::{self, Ranked, RecordBlocks};
use super::size;
use crate::refusal::Refusal;

/// The records in memory.
#[derive(Debug)]
pub(super) struct Index {
    /// Most records.
    capacity: usize,
    records: BTreeMap<RecordId, Arc<VerifiedKeyRecord>>,
    blocks: RecordBlocks,
    ends: BTreeSet<(UnixTime, RecordId)>,
    budgets: Budgets,
    /// The keys of mailboxes, with the ends of the records that make them exist.
    mailboxes: HashMap<MailboxId, (Arc<KeyConfig>, Vec<UnixTime>)>,
}

/// Records that wait to be verified, which take room too.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waiting {
    pub(super) records: usize,
    pub(super) bytes: u64,
}

/// Some records of a prefix.
#[derive(Debug)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<Arc<VerifiedKeyRecord>>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl Index {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            records: BTreeMap::new(),
            blocks: RecordBlocks::new(),
            ends: BTreeSet::new(),
            budgets: Budgets::new(capacity),
            mailboxes: HashMap::new(),
        }
    }

    pub(super) fn get(&self, id: &RecordId) -> Option<&Arc<VerifiedKeyRecord>> {
        self.records.get(id)
    }

    pub(super) fn all_records(&self) -> Vec<Arc<VerifiedKeyRecord>> {
        self.records.values().cloned().collect()
    }

    /// The records that have ended.
    pub(super) fn ended(&self, now: UnixTime) -> Vec<RecordId> {
        let ended = self.ends.iter().take_while(|(exp, _)| *exp <= now);
        ended.map(|(_, id)| id.clone()).collect()
    }

    /// The key of a mailbox, while a record of it lives.
    pub(super) fn recipient(&self, mailbox: MailboxId, now: UnixTime) -> Option<Arc<KeyConfig>> {
        let (key, ends) = self.mailboxes.get(&mailbox)?;
        ends.iter().any(|end| *end > now).then(|| Arc::clone(key))
    }

    /// Whether a directory of this capacity has room for a record, and its signer for one
    /// more, or for this one in place of an older.
    pub(super) fn check_room(
        &mut self,
        id: &RecordId,
        record: &VerifiedKeyRecord,
        waiting: Waiting,
    ) -> Result<(), Refusal> {
        let older = self.records.get(id).cloned();
        let count = self.records.len().saturating_add(waiting.records);
        if older.is_none() && count >= self.capacity {
            return Err(Refusal::DirectoryFull);
        }
        if let Some(older) = &older {
            self.release(older);
        }
        let size = size::of(record);
        let checked = self.budgets.check(record.grant(), size, waiting.bytes);
        if let Some(older) = &older {
            self.reserve(older);
        }
        checked
    }

    /// Whether there is room for a stored record, whoever signed it: nodes that share
    /// their records must all list the same.
    pub(super) fn check_capacity(
        &self,
        id: &RecordId,
        record: &VerifiedKeyRecord,
    ) -> Result<(), Refusal> {
        if self.records.contains_key(id) {
            return Ok(());
        }
        if self.records.len() >= self.capacity {
            return Err(Refusal::DirectoryFull);
        }
        self.budgets.check_capacity(size::of(record))
    }

    /// Takes the room of a record: also of one that is not listed yet, so that two at a time
    /// cannot both have the last of it.
    pub(super) fn reserve(&mut self, record: &VerifiedKeyRecord) {
        self.budgets.charge(record.grant(), size::of(record));
    }

    /// Gives the room of a record back.
    pub(super) fn release(&mut self, record: &VerifiedKeyRecord) {
        self.budgets.release(record.grant(), size::of(record));
    }

    pub(super) fn insert(&mut self, id: RecordId, record: Arc<VerifiedKeyRecord>) {
        self.remove(&id);
        let ranked = Ranked::new(id.clone(), &record);
        for block in record.numbers().iter().flat_map(blocks_of) {
            self.blocks.entry(block).or_default().insert(ranked.clone());
        }
        self.reserve(&record);
        self.ends.insert((record.exp(), id.clone()));
        let fresh = || (Arc::new(record.key().clone()), Vec::new());
        let (_, ends) = self.mailboxes.entry(id.0).or_insert_with(fresh);
        ends.push(record.exp());
        self.records.insert(id, record);
    }

    pub(super) fn remove(&mut self, id: &RecordId) {
        let Some(record) = self.records.remove(id) else {
            return;
        };
        let ranked = Ranked::new(id.clone(), &record);
        for block in record.numbers().iter().flat_map(blocks_of) {
            if let Some(all) = self.blocks.get_mut(&block) {
                all.remove(&ranked);
                if all.is_empty() {
                    self.blocks.remove(&block);
                }
            }
        }
        self.release(&record);
        self.ends.remove(&(record.exp(), id.clone()));
        if let Some((_, ends)) = self.mailboxes.get_mut(&id.0) {
            if let Some(place) = ends.iter().position(|end| *end == record.exp()) {
                ends.swap_remove(place);
            }
            if ends.is_empty() {
                self.mailboxes.remove(&id.0);
            }
        }
    }

    /// The unexpired records of a number, the most specific first.
    pub(super) fn of_number(
        &self,
        number: &TelephoneNumber,
        now: UnixTime,
    ) -> Vec<Arc<VerifiedKeyRecord>> {
        let size = |id: &RecordId| self.size_if_unexpired(id, now);
        self.all(&look_up::of_number(&self.blocks, number, size))
    }

    /// Unexpired records of the numbers that begin so, block by block.
    pub(super) fn of_prefix(
        &self,
        prefix: &TelephoneNumber,
        after: Option<&Block>,
        now: UnixTime,
    ) -> RecordPage {
        let size = |id: &RecordId| self.size_if_unexpired(id, now);
        let page = look_up::of_prefix(&self.blocks, prefix, after, size);
        RecordPage {
            records: self.all(&page.ids),
            next: page.next.map(|block| block.to_string()),
        }
    }

    fn size_if_unexpired(&self, id: &RecordId, now: UnixTime) -> Option<usize> {
        let unexpired = self.get(id).filter(|record| record.exp() > now);
        unexpired.map(|record| record.as_str().len())
    }

    fn all(&self, ids: &[&RecordId]) -> Vec<Arc<VerifiedKeyRecord>> {
        ids.iter().filter_map(|id| self.get(id)).cloned().collect()
    }
}
