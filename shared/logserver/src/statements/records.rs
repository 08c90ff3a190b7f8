//! Which key records the log says are published, and what it has said of them of late, in the
//! order of its entries: from this a CPS makes its feed (docs/protocol.md section 5.2). Not
//! here: the records, which the log does not have, and when one is published or ended.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::time::Duration;

use pennyblack_evidence::log_entry::{KeyRecordHash, Minute, Statement};

/// For so long an entry is remembered after the record was published: longer than any record
/// lives, and as clocks differ.
pub const RECORDS_KEPT_FOR: Duration = Duration::from_secs(8 * 86_400);

/// Fewest entries of which some are looked for that need not be remembered.
const MIN_SWEPT: usize = 4_096;

/// What one entry of the log said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordEntry {
    /// The minute of the entry.
    pub minute: Minute,
    /// Which record.
    pub hash: KeyRecordHash,
    /// The entry that had published the record, if this one ends it.
    pub ends: Option<Publication>,
}

/// The entry by which a record was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// Its place in the log.
    pub index: u64,
    /// Its minute.
    pub minute: Minute,
}

/// What is known. A record has one entry here at most: that of its publication, until it is
/// ended; then that of its end.
#[derive(Debug, Default)]
pub struct KnownRecords {
    /// The entries of records that are published.
    published: HashMap<KeyRecordHash, u64>,
    entries: BTreeMap<u64, RecordEntry>,
    /// As soon as there are so many entries, those are forgotten that are too old.
    swept_at: usize,
}

impl KnownRecords {
    /// Whether a record is published by the log, and not ended.
    #[must_use]
    pub fn is_published(&self, hash: &KeyRecordHash) -> bool {
        self.published.contains_key(hash)
    }

    /// The published records, and the minutes in which they were published.
    pub fn published(&self) -> impl Iterator<Item = (KeyRecordHash, Minute)> {
        let published = self.published.iter();
        published.filter_map(|(hash, index)| Some((*hash, self.entries.get(index)?.minute)))
    }

    /// The entries after a place, or all of them, and before `end`: the oldest first.
    pub fn entries(
        &self,
        after: Option<u64>,
        end: u64,
    ) -> impl Iterator<Item = (u64, RecordEntry)> {
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        // A range that ends before it begins has no place here.
        let is_empty = after.is_some_and(|after| after >= end);
        let entries = (!is_empty).then(|| self.entries.range((first, Bound::Excluded(end))));
        let entries = entries.into_iter().flatten();
        entries.map(|(index, entry)| (*index, *entry))
    }

    /// Forgets a record that has reached its end: no entry says so.
    pub fn forget(&mut self, hash: &KeyRecordHash) {
        if let Some(index) = self.published.remove(hash) {
            self.entries.remove(&index);
        }
    }

    /// Whether a statement is in the log, or need not be.
    pub(super) fn has(&self, statement: &Statement) -> bool {
        match statement {
            Statement::KeyRecordPublished(hash) => self.is_published(hash),
            Statement::KeyRecordEnded(hash) => !self.is_published(hash),
            _ => false,
        }
    }

    /// Takes in what is in the log now.
    pub(super) fn record(&mut self, index: u64, minute: Minute, statement: &Statement) {
        match statement {
            Statement::KeyRecordPublished(hash) => self.publish(index, minute, *hash),
            Statement::KeyRecordEnded(hash) => self.end(index, minute, *hash),
            _ => return,
        }
        self.sweep(minute);
    }

    fn publish(&mut self, index: u64, minute: Minute, hash: KeyRecordHash) {
        self.forget(&hash);
        self.published.insert(hash, index);
        let entry = RecordEntry {
            minute,
            hash,
            ends: None,
        };
        self.entries.insert(index, entry);
    }

    fn end(&mut self, index: u64, minute: Minute, hash: KeyRecordHash) {
        let Some(published) = self.published.remove(&hash) else {
            return;
        };
        let before = self.entries.remove(&published);
        let ends = before.map(|before| Publication {
            index: published,
            minute: before.minute,
        });
        let entry = RecordEntry { minute, hash, ends };
        self.entries.insert(index, entry);
    }

    /// Forgets what is too old, whenever there is twice as much as the last time.
    fn sweep(&mut self, now: Minute) {
        if self.entries.len() < self.swept_at.max(MIN_SWEPT) {
            return;
        }
        let published = &mut self.published;
        self.entries.retain(|_, entry| {
            let since = entry.ends.map_or(entry.minute, |before| before.minute);
            let is_kept = now.start().since(since.start()) <= RECORDS_KEPT_FOR;
            if !is_kept && entry.ends.is_none() {
                published.remove(&entry.hash);
            }
            is_kept
        });
        self.swept_at = 2 * self.entries.len();
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_base::time::UnixTime;

    use super::*;

    fn hash(number: u64) -> KeyRecordHash {
        KeyRecordHash::of(&number.to_string())
    }

    const fn day(number: u64) -> Minute {
        Minute::of(UnixTime(number * 86_400))
    }

    fn known(statements: &[(u64, Statement)]) -> KnownRecords {
        let mut known = KnownRecords::default();
        for (index, statement) in statements {
            known.record(*index, day(1), statement);
        }
        known
    }

    #[test]
    fn a_record_has_one_entry_that_of_its_end_in_place_of_that_of_its_publication() {
        use Statement::{KeyRecordEnded as Ended, KeyRecordPublished as Published};
        let known = known(&[
            (3, Published(hash(1))),
            (5, Published(hash(2))),
            (8, Ended(hash(1))),
            // Which it does not know, and again.
            (9, Ended(hash(7))),
            (11, Ended(hash(1))),
        ]);
        assert!(known.has(&Published(hash(2))) && !known.has(&Published(hash(1))));
        assert!(known.has(&Ended(hash(1))) && !known.has(&Ended(hash(2))));
        let all: Vec<_> = known.entries(None, 100).collect();
        let places: Vec<_> = all.iter().map(|(index, _)| *index).collect();
        assert_eq!(places, [5, 8]);
        let ends = all[1].1.ends.unwrap();
        assert_eq!((ends.index, all[1].1.hash), (3, hash(1)));
        for (after, end, count) in [(Some(5), 100, 1), (Some(8), 100, 0), (Some(9), 3, 0)] {
            assert_eq!(known.entries(after, end).count(), count, "{after:?} {end}");
        }
        assert_eq!(known.published().collect::<Vec<_>>(), [(hash(2), day(1))]);
    }

    #[test]
    fn a_record_that_came_back_is_published_by_its_last_entry() {
        use Statement::{KeyRecordEnded as Ended, KeyRecordPublished as Published};
        let record = hash(1);
        let mut known = known(&[(1, Published(record)), (2, Ended(record))]);
        known.record(4, day(1), &Published(record));
        let places: Vec<_> = known.entries(Some(2), 9).map(|(index, _)| index).collect();
        assert_eq!(places, [4]);
        known.forget(&record);
        assert!(!known.is_published(&record));
        assert_eq!(known.entries(Some(2), 9).count(), 0);
    }

    #[test]
    fn what_is_older_than_any_record_is_forgotten_however_long_the_log_is() {
        let mut known = KnownRecords::default();
        let each_day = 1_000;
        for index in 0..60 * each_day {
            let published = Statement::KeyRecordPublished(hash(index));
            known.record(2 * index, day(index / each_day), &published);
            if index % 2 == 0 {
                let ended = Statement::KeyRecordEnded(hash(index));
                known.record(2 * index + 1, day(index / each_day), &ended);
            }
        }
        let max = usize::try_from(2 * 9 * each_day).unwrap() + MIN_SWEPT;
        assert!(known.entries.len() <= max, "{}", known.entries.len());
        assert!(known.published.len() <= max / 2 + MIN_SWEPT);
        // All of the last days are there.
        let last = known.entries(Some(2 * 52 * each_day - 1), u64::MAX).count();
        assert_eq!(last, usize::try_from(8 * each_day).unwrap());
    }
}
