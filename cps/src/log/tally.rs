//! What is counted of one key epoch.

use std::ops::AddAssign;

/// The counts of one key epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Repetitions of a request that was stored.
    pub replayed: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Those of the refused whose token was in the log already for a double spend.
    pub further_double_spends: u64,
}

impl Tally {
    /// How many counts there are.
    pub(super) const COUNTS: usize = 3;

    /// In the order of the fields.
    pub(super) const fn to_counts(self) -> [u64; Self::COUNTS] {
        [self.replayed, self.refused, self.further_double_spends]
    }

    pub(super) const fn of_counts(counts: [u64; Self::COUNTS]) -> Self {
        let [replayed, refused, further_double_spends] = counts;
        Self {
            replayed,
            refused,
            further_double_spends,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.replayed += more.replayed;
        self.refused += more.refused;
        self.further_double_spends += more.further_double_spends;
    }
}
