//! The rules by which an OOB-AS stores only where the recipient polls, whatever either knows
//! of the other (docs/protocol.md section 5.1). Each party goes by its own clock: that of the
//! recipient and that of a CPS may differ by [`MAX_CLOCK_DIFFERENCE`], and that of the OOB-AS
//! does not matter. tests/model looks at every run of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use pennyblack_base::time::UnixTime;

/// The longest life of an entry (RFC 8816 section 6.1, RFC 9888 section 5).
pub const MAX_ENTRY_LIFETIME: Duration = Duration::from_secs(60);

/// How far the clocks of a recipient and a CPS may differ.
pub const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(60);

/// Whether a CPS takes stores for a mailbox whose last record there ends at `end`.
#[must_use]
pub fn takes_stores(end: UnixTime, now: UnixTime) -> bool {
    now < end
}

/// Whether a CPS seals answers to the key of a mailbox whose last record there ends at `end`:
/// also what was stored a second before can be read for as long as it lives.
#[must_use]
pub fn seals_to_key(end: UnixTime, now: UnixTime) -> bool {
    now < end.plus(MAX_ENTRY_LIFETIME)
}

/// Whether a recipient polls the CPSs that a record of its own names, which ends at `end`;
/// also when it has published newer ones that name others.
#[must_use]
pub fn is_polled(end: UnixTime, now: UnixTime) -> bool {
    now < end.plus(MAX_ENTRY_LIFETIME).plus(MAX_CLOCK_DIFFERENCE)
}

/// The records that an OOB-AS goes by: of each mailbox and signer the one that was made last,
/// of all that it knows. What comes first of two that were made at the same time stays.
pub fn newest_of_each<R, K: Eq + Hash>(
    records: Vec<R>,
    whose: impl Fn(&R) -> K,
    made: impl Fn(&R) -> UnixTime,
) -> Vec<R> {
    let mut newest = HashMap::new();
    for record in &records {
        let latest = newest.entry(whose(record)).or_insert_with(|| made(record));
        *latest = made(record).max(*latest);
    }
    let is_newest = |record: &R| newest.get(&whose(record)) == Some(&made(record));
    let mut records = records;
    records.retain(is_newest);
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: UnixTime = UnixTime(1_000);

    #[test]
    fn what_was_stored_in_the_last_second_is_sealed_to_the_key_and_polled_while_it_lives() {
        let (stored, gone) = (UnixTime(999), UnixTime(999 + 60));
        assert!(takes_stores(END, stored) && !takes_stores(END, END));
        for at_cps in stored.0..gone.0 {
            assert!(seals_to_key(END, UnixTime(at_cps)));
            for at_recipient in at_cps - 60..=at_cps + 60 {
                assert!(is_polled(END, UnixTime(at_recipient)));
            }
        }
        assert!(!seals_to_key(END, UnixTime(1_060)));
        assert!(!is_polled(END, UnixTime(1_120)));
    }

    #[test]
    fn of_each_mailbox_and_signer_the_newest_record_counts() {
        let records = vec![("a", 1), ("b", 7), ("a", 3), ("b", 7), ("a", 2)];
        let newest = newest_of_each(records, |(whose, _)| *whose, |(_, iat)| UnixTime(*iat));
        assert_eq!(newest, [("b", 7), ("a", 3), ("b", 7)]);
    }
}
