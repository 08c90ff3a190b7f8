//! How many token keys a log may state (docs/protocol.md section 7.2): as many as key
//! epochs need, so that what a reader keeps of a log has an end. Not here: the log.

use std::collections::BTreeMap;
use std::time::Duration;

use pennyblack_base::time::UnixTime;

/// Most keys of a log that begin on one day (UTC): epochs of under six minutes.
pub const MAX_KEYS_A_DAY: u32 = 256;
/// Most keys of a log in all: 136 years of epochs of a day.
pub const MAX_KEYS: usize = 50_000;

/// The least time between the beginnings of two keys: everybody can hear of a key in it,
/// and draws of it in it. A CPS looks every ten minutes at least, a carrier as often by
/// default.
pub const SHORTEST_EPOCH: Duration = Duration::from_secs(20 * 60);

const DAY: u64 = 86_400;

/// A log with more keys than key epochs need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TooManyKeys {
    /// On one day.
    #[error(
        "one more token key that begins on the day of {}: a log states at most \
         {MAX_KEYS_A_DAY} a day (docs/protocol.md section 7.2)", .0
    )]
    OnOneDay(UnixTime),
    /// Together.
    #[error(
        "one more token key than the {MAX_KEYS} that a log may state in all (docs/protocol.md \
         section 7.2)"
    )]
    InAll,
}

/// The keys of a log by the days on which they begin.
#[derive(Debug, Clone, Default)]
pub struct KeyCalendar {
    days: BTreeMap<u64, u32>,
    keys: usize,
}

impl KeyCalendar {
    /// Adds a key, each only once.
    ///
    /// # Errors
    /// [`TooManyKeys`]; then it is not added.
    pub fn add(&mut self, not_before: UnixTime) -> Result<(), TooManyKeys> {
        if self.keys >= MAX_KEYS {
            return Err(TooManyKeys::InAll);
        }
        let day = self.days.entry(not_before.0 / DAY).or_default();
        if *day >= MAX_KEYS_A_DAY {
            return Err(TooManyKeys::OnOneDay(not_before));
        }
        *day += 1;
        self.keys += 1;
        Ok(())
    }

    /// With keys that were added before.
    ///
    /// # Errors
    /// [`TooManyKeys`].
    pub fn of(begins: impl IntoIterator<Item = UnixTime>) -> Result<Self, TooManyKeys> {
        let mut calendar = Self::default();
        begins
            .into_iter()
            .try_for_each(|begin| calendar.add(begin))?;
        Ok(calendar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_its_number_of_keys_and_so_has_the_log() {
        let mut calendar = KeyCalendar::default();
        let noon = |day: u64| UnixTime(day * DAY + DAY / 2);
        for _ in 0..MAX_KEYS_A_DAY {
            calendar.add(noon(7)).unwrap();
        }
        let more = calendar.add(UnixTime(8 * DAY - 1));
        assert_eq!(more, Err(TooManyKeys::OnOneDay(UnixTime(8 * DAY - 1))));
        calendar.add(UnixTime(8 * DAY)).unwrap();
        for day in (9..).take(MAX_KEYS - calendar.keys) {
            calendar.add(noon(day)).unwrap();
        }
        assert_eq!(calendar.add(UnixTime(0)), Err(TooManyKeys::InAll));
    }

    #[test]
    fn epochs_of_a_day_or_of_six_minutes_are_within_it() {
        for epoch in [DAY, 360] {
            let begins = (0..2_000).map(|key| UnixTime(1_795_000_000 + key * epoch));
            KeyCalendar::of(begins).unwrap();
        }
    }
}
