//! The times of draws within the life of a token key: as many slots of one length as the
//! class has batches, and one random moment in each. Pure: neither reads a clock nor knows
//! what was spent.

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use rand::{Rng, RngExt as _};

use super::class::Class;

/// When batches are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timetable {
    /// Seconds that a key signs.
    epoch: u64,
    /// Batches of a class.
    batches: u64,
}

impl Timetable {
    /// The one by which batches of `batch` tokens make `class` in each `epoch`.
    #[must_use]
    pub(super) fn new(class: Class, batch: u64, epoch: Duration) -> Self {
        Self {
            epoch: epoch.as_secs().max(1),
            batches: (class.tokens() / batch.max(1)).max(1),
        }
    }

    /// Batches in an epoch.
    #[must_use]
    pub(super) const fn batches(&self) -> u64 {
        self.batches
    }

    /// How many batches are due at `now`, of a key that began at `begun`.
    #[must_use]
    pub(super) fn due(&self, begun: UnixTime, now: UnixTime) -> u64 {
        (self.slot(begun, now) + 1).min(self.batches)
    }

    /// A random moment of the slot after the present one. Slots go on after the epoch, in
    /// case that its successor is late.
    #[must_use]
    pub(super) fn next(&self, begun: UnixTime, now: UnixTime, rng: &mut impl Rng) -> UnixTime {
        let next = self.slot(begun, now) + 1;
        let (start, end) = (self.start(next), self.start(next + 1));
        let moment = rng.random_range(start..end.max(start + 1));
        begun.plus(Duration::from_secs(moment))
    }

    /// When a key began that does not say it: at a multiple of the epoch.
    #[must_use]
    pub(super) const fn begun_by_the_clock(&self, now: UnixTime) -> UnixTime {
        UnixTime(now.0 - now.0 % self.epoch)
    }

    fn slot(&self, begun: UnixTime, now: UnixTime) -> u64 {
        scale(now.since(begun).as_secs(), self.batches, self.epoch)
    }

    /// Seconds from the beginning of the key to the first second of a slot.
    fn start(&self, slot: u64) -> u64 {
        let whole = scale(slot, self.epoch, self.batches);
        let is_even = u128::from(slot) * u128::from(self.epoch) % u128::from(self.batches) == 0;
        whole + u64::from(!is_even)
    }
}

/// `value * by / of`, rounded down.
fn scale(value: u64, by: u64, of: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(by) / u128::from(of);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    const BEGUN: UnixTime = UnixTime(1_800_000_000);

    fn timetable(batches: u64, epoch: u64) -> Timetable {
        Timetable { epoch, batches }
    }

    #[test]
    fn the_first_batch_is_due_at_once_and_the_last_one_in_the_last_slot() {
        let day = timetable(64, 86_400);
        let due = |seconds| day.due(BEGUN, UnixTime(BEGUN.0 + seconds));
        assert_eq!([due(0), due(1_349), due(1_350)], [1, 1, 2]);
        assert_eq!([due(86_399), due(86_400), due(200_000)], [64, 64, 64]);
        // A clock that is behind the issuer's.
        assert_eq!(day.due(BEGUN, UnixTime(BEGUN.0 - 60)), 1);
    }

    #[test]
    fn each_slot_has_one_visit_and_each_visit_finds_one_batch_more_due() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..200 {
            let batches = rng.random_range(1..200);
            let epoch = rng.random_range(batches..100_000);
            let table = timetable(batches, epoch);
            let mut now = BEGUN;
            for visits in 1..batches {
                let next = table.next(BEGUN, now, &mut rng);
                assert!(next > now, "{table:?}");
                now = next;
                assert_eq!(table.due(BEGUN, now), visits + 1, "{table:?}");
            }
            assert!(now < UnixTime(BEGUN.0 + epoch), "{table:?}");
        }
    }
}
