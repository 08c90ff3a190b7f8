//! The block of a called number: what a CPS is told in place of the number.

use std::fmt;

use pennyblack_stir::telephone_number::{TelephoneNumber, TelephoneNumberError};

/// Digits that a block leaves open, unless it is said: a thousand numbers.
const OPEN_DIGITS: usize = 3;

/// Fewest digits of a block: CPSs list no larger ones (docs/protocol.md section 5).
const MIN_DIGITS: usize = 4;

/// A number that has no block of so many digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a block of {digits} digits does not hide this number, which has {of}: a block has {MIN_DIGITS} \
     digits or more, and fewer than the number"
)]
pub struct BlockError {
    digits: usize,
    of: usize,
}

/// The first digits of a called number, and **never all of them**.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CalledBlock(TelephoneNumber);

impl CalledBlock {
    /// The first `digits` of a number; all but its last three if it is not said how many.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn of(number: &TelephoneNumber, digits: Option<usize>) -> Result<Self, BlockError> {
        let text = number.as_str();
        let digits = digits.unwrap_or(text.len().saturating_sub(OPEN_DIGITS).max(MIN_DIGITS));
        let refused = BlockError {
            digits,
            of: text.len(),
        };
        if digits < MIN_DIGITS || digits >= text.len() {
            return Err(refused);
        }
        // Every character has one byte.
        let first = text.get(..digits).ok_or(refused)?;
        Self::stored(first).map_err(|_| refused)
    }

    /// One that was written down.
    pub(super) fn stored(prefix: &str) -> Result<Self, TelephoneNumberError> {
        TelephoneNumber::from_canonical(prefix).map(Self)
    }

    /// The digits.
    #[must_use]
    pub const fn prefix(&self) -> &TelephoneNumber {
        &self.0
    }
}

impl fmt::Display for CalledBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_block_is_a_thousand_numbers_unless_it_is_said_how_many() {
        let block = |number: &str, digits| {
            let block = CalledBlock::of(&number.parse().unwrap(), digits);
            block.map(|block| block.to_string()).ok()
        };
        assert_eq!(block("12155550100", None).unwrap(), "12155550");
        assert_eq!(block("12155550100", Some(4)).unwrap(), "1215");
        assert_eq!(block("123456", None).unwrap(), "1234");
        for (number, digits) in [
            ("12155550100", Some(3)),
            ("12155550100", Some(11)),
            ("12155550100", Some(15)),
            ("1234", None),
        ] {
            assert_eq!(block(number, digits), None, "{number} {digits:?}");
        }
    }

    proptest! {
        #[test]
        fn a_block_is_never_the_number(
            number in "[0-9#*]{1,15}", digits in proptest::option::of(0_usize..20),
        ) {
            if let Ok(block) = CalledBlock::of(&number.parse().unwrap(), digits) {
                let prefix = block.to_string();
                prop_assert!(prefix.len() < number.len() && number.starts_with(&prefix));
            }
        }
    }
}
