//! Number ranges as decimal blocks, by which a number's records are found with a
//! handful of look-ups however many there are: a range is cut into blocks of 1,
//! 10, 100, … numbers, and a number lies in at most one block of each size.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use pennyblack_stir::telephone_number::{MAX_DIGITS, NumberRange, TelephoneNumber};

use crate::refusal::Refusal;

/// All numbers of one length that begin with the same digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Block {
    length: usize,
    prefix: String,
}

impl Block {
    fn new(length: usize, prefix: &str) -> Self {
        Self {
            length,
            prefix: prefix.to_owned(),
        }
    }

    /// How many numbers it has.
    pub(super) fn numbers(&self) -> u64 {
        let free = self.length.saturating_sub(self.prefix.len());
        10u64.saturating_pow(u32::try_from(free).unwrap_or(u32::MAX))
    }

    /// The larger blocks that it lies in, the smallest first.
    pub(super) fn wider(&self) -> impl Iterator<Item = Self> + use<'_> {
        let sizes = (0..self.prefix.len()).rev();
        sizes.map(|size| Self::new(self.length, first(&self.prefix, size)))
    }

    /// How many it and the larger blocks around it are that do not lie around `other`, too.
    pub(super) fn depth_beside(&self, other: Option<&Self>) -> usize {
        let other = other.filter(|other| other.length == self.length);
        let shared = other.map_or(0, |other| {
            let pairs = self.prefix.bytes().zip(other.prefix.bytes());
            pairs.take_while(|(one, two)| one == two).count() + 1
        });
        (self.prefix.len() + 1).saturating_sub(shared)
    }

    /// Whether it is one of those that contain the numbers that begin with `prefix`.
    pub(super) fn is_wider_than(&self, prefix: &TelephoneNumber) -> bool {
        self.prefix.len() < prefix.as_str().len()
    }

    /// The blocks that a number can lie in.
    pub(super) fn around(number: &TelephoneNumber) -> impl Iterator<Item = Self> {
        let digits = number.as_str();
        (0..=digits.len()).map(|size| Self::new(digits.len(), first(digits, size)))
    }

    /// The blocks, of numbers of any length, that contain the numbers that begin with
    /// `prefix`.
    pub(super) fn wider_than(prefix: &TelephoneNumber) -> impl Iterator<Item = Self> {
        let digits = prefix.as_str();
        let lengths = digits.len()..=MAX_DIGITS;
        lengths.flat_map(move |length| {
            (0..digits.len()).map(move |size| Self::new(length, first(digits, size)))
        })
    }

    /// The blocks, of numbers of any length, that are a part of those that begin
    /// with `prefix`: a run of blocks for each length.
    pub(super) fn within(prefix: &TelephoneNumber) -> impl Iterator<Item = RangeInclusive<Self>> {
        let digits = prefix.as_str();
        (digits.len()..=MAX_DIGITS).map(move |length| {
            // ':' comes behind every digit, '#' and '*'.
            Self::new(length, digits)..=Self::new(length, &format!("{digits}:"))
        })
    }
}

/// How many digits its numbers have, and those that all of them begin with: `11-1212555`.
impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.length, self.prefix)
    }
}

impl FromStr for Block {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refused = || Refusal::BlockCursor;
        let (length, prefix) = text.split_once('-').ok_or_else(refused)?;
        let length: usize = length.parse().map_err(|_| refused())?;
        let is_number = prefix.is_empty() || TelephoneNumber::from_canonical(prefix).is_ok();
        if length > MAX_DIGITS || prefix.len() > length || !is_number {
            return Err(refused());
        }
        Ok(Self::new(length, prefix))
    }
}

fn first(digits: &str, size: usize) -> &str {
    digits.get(..size).unwrap_or(digits)
}

/// The fewest blocks that make up a range, at most 18 for each of its digits.
pub(super) fn blocks_of(range: &NumberRange) -> Vec<Block> {
    let digits = range.start().as_str();
    let length = digits.len();
    let Ok(mut next) = digits.parse::<u64>() else {
        // `#` and `*` stand in single numbers only.
        return vec![Block::new(length, digits)];
    };
    let end = next.saturating_add(range.count());
    let mut blocks = Vec::new();
    while next < end {
        let mut size = 1;
        let mut zeros = 0;
        while zeros < length && next % (size * 10) == 0 && next + size * 10 <= end {
            size *= 10;
            zeros += 1;
        }
        let number = format!("{next:0length$}");
        blocks.push(Block::new(length, first(&number, length - zeros)));
        next += size;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(start: &str, count: u64) -> NumberRange {
        NumberRange::new(start.parse().unwrap(), count).unwrap()
    }

    #[test]
    fn a_range_is_cut_into_the_fewest_blocks() {
        let prefixes = |range| -> Vec<String> {
            blocks_of(&range)
                .into_iter()
                .map(|block| block.prefix)
                .collect()
        };
        assert_eq!(prefixes(range("12125550100", 100)), ["121255501"]);
        assert_eq!(prefixes(range("1999", 12)), ["1999", "200", "2010"]);
        assert_eq!(prefixes(range("0000", 10_000)), [""]);
        assert_eq!(prefixes(range("*67", 1)), ["*67"]);
    }

    proptest! {
        #[test]
        fn a_number_is_found_exactly_when_it_is_in_the_range(
            start in 0u64..9_000, count in 1u64..999, probe in 0u64..9_999,
        ) {
            let range = range(&format!("{start:04}"), count);
            let number: TelephoneNumber = format!("{probe:04}").parse().unwrap();
            let blocks = blocks_of(&range);
            let found = Block::around(&number).any(|block| blocks.contains(&block));
            prop_assert_eq!(found, range.contains(&number));
        }

        #[test]
        fn a_prefix_finds_exactly_the_ranges_that_it_touches(
            start in 0u64..9_000, count in 1u64..999, prefix in "[0-9]{1,4}",
        ) {
            let range = range(&format!("{start:04}"), count);
            let prefix: TelephoneNumber = prefix.parse().unwrap();
            let blocks = blocks_of(&range);
            let wider = Block::wider_than(&prefix).any(|block| blocks.contains(&block));
            let within = Block::within(&prefix)
                .any(|run| blocks.iter().any(|block| run.contains(block)));
            let touches = (start..start + count)
                .any(|number| format!("{number:04}").starts_with(prefix.as_str()));
            prop_assert_eq!(wider || within, touches);
        }
    }
}
