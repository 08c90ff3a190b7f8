//! What is looked up of the records: by key and signer, by number, by mailbox, and how much
//! room is left for another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::VerifiedKeyRecord;
use pennyblack_sealing::mailbox::{KeyConfig, MailboxId};
use pennyblack_stir::telephone_number::TelephoneNumber;

use super::RecordId;
use super::blocks::{Block, blocks_of};
use super::budgets::Budgets;
use super::ended::{EndedRecord, EndedRecords};
use super::hashes::Hashes;
use super::look_up::{self, Ranked, RecordBlocks};
use super::mailboxes::Mailboxes;
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
    /// Not listed any more.
    ended: EndedRecords,
    budgets: Budgets,
    mailboxes: Mailboxes,
    pub(super) hashes: Hashes,
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
            ended: EndedRecords::default(),
            budgets: Budgets::new(capacity),
            mailboxes: Mailboxes::default(),
            hashes: Hashes::default(),
        }
    }

    pub(super) fn get(&self, id: &RecordId) -> Option<&Arc<VerifiedKeyRecord>> {
        self.records.get(id)
    }

    pub(super) fn all_records(&self) -> Vec<Arc<VerifiedKeyRecord>> {
        self.records.values().cloned().collect()
    }

    /// Those that have ended and are needed to refuse older ones.
    pub(super) const fn ended(&self) -> &EndedRecords {
        &self.ended
    }

    /// When the newest record of a key was made that is known, also if it has ended.
    pub(super) fn newest(&self, id: &RecordId) -> Option<UnixTime> {
        let listed = self.records.get(id).map(|record| record.record().iat);
        listed.or_else(|| self.ended.iat(id))
    }

    /// Lists the records no more that have ended. Returns those that need not be kept.
    pub(super) fn end(&mut self, now: UnixTime) -> Vec<RecordId> {
        let ended = self.ends.iter().take_while(|(exp, _)| *exp <= now);
        let ended: Vec<_> = ended.map(|(_, id)| id.clone()).collect();
        for id in ended {
            if let Some(record) = self.remove(&id) {
                self.mailboxes.has_ended(record.key(), record.exp(), now);
                self.keep_ended(id, EndedRecord::of(&record));
            }
        }
        self.mailboxes.forget_ended(now);
        let unneeded = self.ended.unneeded(now);
        unneeded.iter().for_each(|id| self.forget_ended(id));
        unneeded
    }

    /// Keeps in mind that a record has ended, in place of an older one.
    pub(super) fn keep_ended(&mut self, id: RecordId, ended: EndedRecord) {
        self.remove(&id);
        self.forget_ended(&id);
        if let Some((grant, bytes)) = &ended.charge {
            self.budgets.charge(grant, *bytes);
        }
        self.ended.insert(id, ended);
    }

    fn forget_ended(&mut self, id: &RecordId) {
        let ended = self.ended.remove(id).and_then(|ended| ended.charge);
        if let Some((grant, bytes)) = ended {
            self.budgets.release(&grant, bytes);
        }
    }

    /// The key of a mailbox that is stored for.
    pub(super) fn key_for_stores(
        &self,
        mailbox: MailboxId,
        now: UnixTime,
    ) -> Option<Arc<KeyConfig>> {
        self.mailboxes.for_stores(mailbox, now)
    }

    /// The key of a mailbox that answers are sealed to.
    pub(super) fn key_for_answers(
        &self,
        mailbox: MailboxId,
        now: UnixTime,
    ) -> Option<Arc<KeyConfig>> {
        self.mailboxes.for_answers(mailbox, now)
    }

    /// Entries that were stored until `end` are still read.
    pub(super) fn mailbox_has_ended(&mut self, key: &KeyConfig, end: UnixTime, now: UnixTime) {
        self.mailboxes.has_ended(key, end, now);
    }

    /// Whether a directory of this capacity has room for a record, and its signer for one
    /// more, or for this one in place of an older.
    pub(super) fn check_room(
        &mut self,
        id: &RecordId,
        record: &VerifiedKeyRecord,
        waiting: Waiting,
    ) -> Result<(), Refusal> {
        if self.fits_in_place(id, record) {
            return Ok(());
        }
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

    /// Whether a record takes no more room than the older one in whose place it comes, and
    /// of nobody else. Such a renewal or withdrawal does not depend on the room that others
    /// have taken since.
    pub(super) fn fits_in_place(&self, id: &RecordId, record: &VerifiedKeyRecord) -> bool {
        self.records.get(id).is_some_and(|older| {
            older.grant() == record.grant() && size::of(record) <= size::of(older)
        })
    }

    /// Whether there is room for a stored record, whatever its grant: it had
    /// room when it was registered, and what is listed must not depend on an order.
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

    /// Bytes that are charged, and how many accounts and mailboxes are held.
    #[cfg(test)]
    pub(super) fn taken(&self) -> (u64, usize) {
        let held = self.budgets.accounts() + self.mailboxes.len();
        (self.budgets.taken, held)
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
        self.forget_ended(&id);
        let ranked = Ranked::new(id.clone(), &record);
        for block in record.numbers().iter().flat_map(blocks_of) {
            self.blocks.entry(block).or_default().insert(ranked.clone());
        }
        self.reserve(&record);
        self.ends.insert((record.exp(), id.clone()));
        self.mailboxes.add(record.key(), record.exp());
        self.hashes.insert(&record);
        self.records.insert(id, record);
    }

    pub(super) fn remove(&mut self, id: &RecordId) -> Option<Arc<VerifiedKeyRecord>> {
        let record = self.records.remove(id)?;
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
        self.mailboxes.remove(id.0, record.exp());
        self.hashes.remove(&record);
        Some(record)
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
