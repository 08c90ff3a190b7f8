//! What is looked up of the records: by key and signer, by number, by mailbox, and
//! how many one signer has for the same numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{Coverage, MAX_LIST_SIZE, VerifiedKeyRecord};
use pennyblack_sealing::mailbox::{KeyConfig, MailboxId};
use pennyblack_stir::telephone_number::TelephoneNumber;

use super::RecordId;
use super::blocks::{Block, blocks_of};
use crate::refusal::Refusal;

/// Most records that one look-up lists.
const MOST_LISTED: usize = 1_000;
/// Most places at which one look-up looks: a record may stand in many blocks.
const MOST_LOOKED_AT: usize = 64 * MOST_LISTED;
/// Most bytes of the records that one look-up lists; quotation marks and commas
/// have the rest of what a client reads.
const MOST_BYTES: usize = MAX_LIST_SIZE - 4 * MOST_LISTED;
/// Most unexpired records of one signer for the same numbers: a key for each of its
/// devices, and the keys that replace them. A certificate must not fill the directory.
const MOST_OF_SIGNER: usize = 16;

/// Who signs, and for which numbers.
type Holding = (String, Coverage);

/// The records in memory.
#[derive(Debug, Default)]
pub(super) struct Index {
    records: BTreeMap<RecordId, Arc<VerifiedKeyRecord>>,
    blocks: BTreeMap<Block, Vec<RecordId>>,
    /// Few for each, see [`MOST_OF_SIGNER`].
    holdings: HashMap<Holding, Vec<RecordId>>,
    /// The keys of mailboxes, with the ends of the records that make them exist.
    mailboxes: HashMap<MailboxId, (Arc<KeyConfig>, Vec<UnixTime>)>,
}

impl Index {
    pub(super) fn get(&self, id: &RecordId) -> Option<&Arc<VerifiedKeyRecord>> {
        self.records.get(id)
    }

    pub(super) fn count(&self) -> usize {
        self.records.len()
    }

    pub(super) fn all_records(&self) -> Vec<Arc<VerifiedKeyRecord>> {
        self.records.values().cloned().collect()
    }

    /// The records that have ended.
    pub(super) fn ended(&self, now: UnixTime) -> Vec<RecordId> {
        let ended = self.records.iter().filter(|(_, r)| r.exp() <= now);
        ended.map(|(id, _)| id.clone()).collect()
    }

    /// The key of a mailbox, while a record of it lives.
    pub(super) fn recipient(&self, mailbox: MailboxId, now: UnixTime) -> Option<Arc<KeyConfig>> {
        let (key, ends) = self.mailboxes.get(&mailbox)?;
        ends.iter().any(|end| *end > now).then(|| Arc::clone(key))
    }

    /// Whether the signer of a record may have one more for its numbers, or this
    /// one in place of an older.
    pub(super) fn check_holding(
        &self,
        id: &RecordId,
        record: &VerifiedKeyRecord,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let others = self.holdings.get(&holding(record)).into_iter().flatten();
        let lives = |other: &&RecordId| self.get(other).is_some_and(|r| r.exp() > now);
        if others.filter(|other| *other != id).filter(lives).count() < MOST_OF_SIGNER {
            return Ok(());
        }
        let (iss, coverage) = holding(record);
        Err(Refusal::TooManyOfSigner {
            iss,
            coverage,
            max: MOST_OF_SIGNER,
        })
    }

    pub(super) fn insert(&mut self, id: RecordId, record: Arc<VerifiedKeyRecord>) {
        self.remove(&id);
        for block in record.numbers().iter().flat_map(blocks_of) {
            self.blocks.entry(block).or_default().push(id.clone());
        }
        let of_signer = self.holdings.entry(holding(&record)).or_default();
        of_signer.push(id.clone());
        let fresh = || (Arc::new(record.key().clone()), Vec::new());
        let (_, ends) = self.mailboxes.entry(id.0).or_insert_with(fresh);
        ends.push(record.exp());
        self.records.insert(id, record);
    }

    pub(super) fn remove(&mut self, id: &RecordId) {
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
        let holding = holding(&record);
        if let Some(ids) = self.holdings.get_mut(&holding) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.holdings.remove(&holding);
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

    /// The unexpired records of a number; of too many, those whose blocks are smallest:
    /// the holder of a wide block cannot hide the keys of one number in it.
    pub(super) fn of_number(
        &self,
        number: &TelephoneNumber,
        now: UnixTime,
    ) -> Vec<Arc<VerifiedKeyRecord>> {
        let mut blocks: Vec<_> = Block::around(number).collect();
        blocks.reverse();
        let ids = blocks.iter().flat_map(|block| self.at(block));
        let mut listed = Listed::default();
        listed.add(ids, |id| self.size_if_unexpired(id, now));
        self.all(&listed.ids)
    }

    /// The unexpired records of the numbers that begin so.
    pub(super) fn of_prefix(
        &self,
        prefix: &TelephoneNumber,
        now: UnixTime,
    ) -> Result<Vec<Arc<VerifiedKeyRecord>>, Refusal> {
        let wider = Block::wider_than(prefix).flat_map(|block| self.at(&block));
        let within = Block::within(prefix).flat_map(|range| self.blocks.range(range));
        let within = within.flat_map(|(_, ids)| ids);
        let mut listed = Listed::default();
        listed.add(wider.chain(within), |id| self.size_if_unexpired(id, now));
        if listed.is_cut {
            return Err(Refusal::TooManyRecords(MOST_LISTED));
        }
        Ok(self.all(&listed.ids))
    }

    fn at(&self, block: &Block) -> impl Iterator<Item = &RecordId> + use<'_> {
        self.blocks.get(block).into_iter().flatten()
    }

    fn size_if_unexpired(&self, id: &RecordId, now: UnixTime) -> Option<usize> {
        let unexpired = self.get(id).filter(|record| record.exp() > now);
        unexpired.map(|record| record.as_str().len())
    }

    fn all(&self, ids: &BTreeSet<&RecordId>) -> Vec<Arc<VerifiedKeyRecord>> {
        ids.iter().filter_map(|id| self.get(id)).cloned().collect()
    }
}

fn holding(record: &VerifiedKeyRecord) -> Holding {
    (
        record.record().iss.clone(),
        record.record().coverage.clone(),
    )
}

/// What a look-up has found, each once, and never more than may be listed.
#[derive(Debug, Default)]
struct Listed<'a> {
    ids: BTreeSet<&'a RecordId>,
    bytes: usize,
    looked_at: usize,
    /// Whether there were more.
    is_cut: bool,
}

impl<'a> Listed<'a> {
    /// Adds those that have a size, in their order, until it is enough.
    fn add(
        &mut self,
        ids: impl Iterator<Item = &'a RecordId>,
        size: impl Fn(&RecordId) -> Option<usize>,
    ) {
        for id in ids {
            self.looked_at += 1;
            if self.looked_at > MOST_LOOKED_AT {
                self.is_cut = true;
                return;
            }
            let Some(size) = size(id).filter(|_| !self.ids.contains(id)) else {
                continue;
            };
            if self.ids.len() == MOST_LISTED || self.bytes + size > MOST_BYTES {
                self.is_cut = true;
                return;
            }
            self.bytes += size;
            self.ids.insert(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn ids(count: usize) -> Vec<RecordId> {
        let id = |number: usize| (MailboxId([0; 32]), number.to_string());
        (0..count).map(id).collect()
    }

    #[test]
    fn a_look_up_lists_as_many_as_it_may_and_looks_no_further() {
        for (count, cut) in [(MOST_LISTED, false), (5 * MOST_LISTED, true)] {
            let (ids, looked) = (ids(count), Cell::new(0));
            let mut listed = Listed::default();
            listed.add(ids.iter(), |_| {
                looked.set(looked.get() + 1);
                Some(1)
            });
            assert_eq!((listed.ids.len(), listed.is_cut), (MOST_LISTED, cut));
            assert!(looked.get() <= MOST_LISTED + 1);
        }
    }

    #[test]
    fn a_look_up_lists_each_record_once_and_no_ended_one() {
        let (ids, mut listed) = (ids(4), Listed::default());
        let again = ids.iter().chain(&ids);
        listed.add(again, |id| (id.1 != "3").then_some(1));
        assert_eq!(listed.ids, ids[..3].iter().collect());
        assert!(!listed.is_cut);
    }

    #[test]
    fn long_records_and_records_in_many_blocks_end_a_look_up_too() {
        let few = ids(3);
        let mut long = Listed::default();
        long.add(few.iter(), |_| Some(MOST_BYTES / 2));
        assert_eq!((long.ids.len(), long.is_cut), (2, true));
        let mut often = Listed::default();
        often.add(few.iter().cycle(), |_| Some(1));
        assert_eq!((often.ids.len(), often.is_cut), (3, true));
    }
}
