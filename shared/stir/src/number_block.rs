//! Blocks of numbers by their first and last, in which form they are sorted and joined.
//! Not here: numbers as certificates write them (`telephone_number`).

use crate::telephone_number::{NumberRange, TelephoneNumber};

/// Numbers of one length that follow each other, all of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Block {
    pub(crate) digits: usize,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Block {
    pub(crate) fn of_number(number: &TelephoneNumber) -> Option<Self> {
        Self::starting_at(number, 1)
    }

    pub(crate) fn of_range(range: &NumberRange) -> Option<Self> {
        Self::starting_at(range.start(), range.count())
    }

    /// None for numbers with `#` and `*`, and for ranges past the last number of
    /// this many digits.
    pub(crate) fn starting_at(number: &TelephoneNumber, count: u64) -> Option<Self> {
        let text = number.as_str();
        let digits = text.len();
        let first: u64 = text.parse().ok()?;
        let last = first.checked_add(count.checked_sub(1)?)?;
        let end = 10u64.checked_pow(u32::try_from(digits).ok()?)?;
        (last < end).then_some(Self {
            digits,
            first,
            last,
        })
    }

    pub(crate) fn to_range(self) -> Option<NumberRange> {
        let start = self.text_of(self.first);
        NumberRange::new(start.parse().ok()?, self.last - self.first + 1).ok()
    }

    /// A number of the block, with its leading zeros.
    pub(crate) fn text_of(self, number: u64) -> String {
        format!("{number:0digits$}", digits = self.digits)
    }

    /// What is left of it without `taken`.
    pub(crate) fn without(self, taken: Self) -> impl Iterator<Item = Self> {
        let before = Self {
            last: self.last.min(taken.first.wrapping_sub(1)),
            ..self
        };
        let after = Self {
            first: self.first.max(taken.last.saturating_add(1)),
            ..self
        };
        let overlaps =
            self.digits == taken.digits && self.first <= taken.last && taken.first <= self.last;
        let parts = match overlaps {
            false => [Some(self), None],
            true => [
                (self.first < taken.first).then_some(before),
                (self.last > taken.last).then_some(after),
            ],
        };
        parts.into_iter().flatten()
    }

    /// Becomes both, if `next`, which does not begin before this one, touches or
    /// overlaps it.
    pub(crate) fn absorb(&mut self, next: &Self) -> bool {
        let touches = next.digits == self.digits && next.first <= self.last.saturating_add(1);
        if touches {
            self.last = self.last.max(next.last);
        }
        touches
    }
}
