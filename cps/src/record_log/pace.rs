//! How often records of one key and signer are published in the log: a log is never shortened,
//! and a holder can replace a record each second at no cost. Not here: what the directory
//! takes, which is the newest record at once.

use std::collections::HashMap;
use std::time::Duration;

use pennyblack_base::time::UnixTime;

use crate::key_directory::RecordId;

/// Records that are published as they come.
const AT_ONCE: u32 = 8;
/// One more is published each time that so much has gone by.
const ONE_EACH: Duration = Duration::from_secs(15 * 60);

/// Fewest keys of which some are looked for that may be forgotten.
const MIN_SWEPT: usize = 1_024;

/// How much each key has used up.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When nothing is used up any more.
    free_at: HashMap<RecordId, UnixTime>,
    /// As soon as there are so many, those are forgotten that have used up nothing.
    swept_at: usize,
}

impl Pace {
    /// Whether a record may be published now.
    pub(super) fn allows(&self, id: &RecordId, now: UnixTime) -> bool {
        let used = self.free_at.get(id).map(|free_at| free_at.since(now));
        used.is_none_or(|used| used <= ONE_EACH * (AT_ONCE - 1))
    }

    /// Notes that one was.
    pub(super) fn has_stated(&mut self, id: RecordId, now: UnixTime) {
        let free_at = self.free_at.entry(id).or_insert(now);
        *free_at = (*free_at).max(now).plus(ONE_EACH);
        if self.free_at.len() >= self.swept_at.max(MIN_SWEPT) {
            self.free_at.retain(|_, free_at| *free_at > now);
            self.swept_at = 2 * self.free_at.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_sealing::mailbox::MailboxId;

    use super::*;

    fn id(number: u32) -> RecordId {
        (MailboxId([0; 32]), number.to_string())
    }

    /// How many of one key are published from `from` on, for so many seconds.
    fn published(pace: &mut Pace, from: u64, seconds: u64) -> u64 {
        let mut count = 0;
        for now in (from..from + seconds).map(UnixTime) {
            if pace.allows(&id(1), now) {
                pace.has_stated(id(1), now);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn a_key_whose_record_changes_each_second_has_few_entries_a_day() {
        let mut pace = Pace::default();
        assert_eq!(published(&mut pace, 1_000, 60), 8);
        assert!(pace.allows(&id(2), UnixTime(1_060)));
        assert_eq!(published(&mut pace, 1_060, 86_400), 96);
    }

    #[test]
    fn keys_that_have_used_up_nothing_are_forgotten() {
        let mut pace = Pace::default();
        for number in 0..100_000 {
            pace.has_stated(id(number), UnixTime(u64::from(number)));
        }
        // Each is remembered for a quarter of an hour.
        assert!(pace.free_at.len() <= 2 * 900 + MIN_SWEPT);
    }
}
