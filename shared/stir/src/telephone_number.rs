//! Telephone numbers in the one form that index, `orig` and `dest` share, and
//! blocks of them. Not here: who holds a number (`stir`, `numbering`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most characters of a number (RFC 8226 section 9, E.164).
pub const MAX_DIGITS: usize = 15;

/// Text that is not a telephone number, or not a block of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TelephoneNumberError {
    /// Nothing is left, or more than a number has.
    #[error("a telephone number has 1 to {MAX_DIGITS} digits, not {0}")]
    Length(usize),
    /// Something other than a digit, `#`, `*` or a visual separator.
    #[error("{0:?} is not allowed in a telephone number")]
    Character(char),
    /// A block of no numbers.
    #[error("a block of telephone numbers holds at least one")]
    EmptyRange,
    /// The last number would have more digits than the first, or the first is
    /// not all digits.
    #[error("{count} numbers from {start} on do not fit into its number of digits")]
    RangeOverflow {
        /// The first number.
        start: TelephoneNumber,
        /// How many.
        count: u64,
    },
}

/// A telephone number in canonical form (RFC 8224 section 8.3): digits, `#` and
/// `*` only, country code first, no `+`. 1 to 15 characters.
///
/// Parsing text drops `+` and visual separators (space `-` `.` `(` `)` `/`) and
/// refuses everything else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TelephoneNumber(String);

/// Text that a person wrote down without the country code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CountryCodeError {
    /// It looks like a number of the United States, Canada and their neighbours.
    #[error(
        "{0} has ten digits, like a number of North America without its country code: write 1{0}; or +{0}, if its country code is in it"
    )]
    TenDigits(String),
    /// No country code begins with 0.
    #[error(
        "{0:?} begins with 0, as no country code does: write the number as from abroad, country code first, without 00, 011 or 0 before it"
    )]
    LeadingZero(String),
}

/// Whether `text`, as a person or a switch wrote it, may be a number with its country code.
/// A national number is not guessed at: as it stands it is another country's, and nothing
/// that is stored for it is ever found.
///
/// # Errors
/// [`CountryCodeError`].
pub fn require_country_code(text: &str) -> Result<(), CountryCodeError> {
    let digits: String = text.chars().filter(|&c| is_number_character(c)).collect();
    if digits.starts_with('0') {
        return Err(CountryCodeError::LeadingZero(text.to_owned()));
    }
    let is_international = text.trim_start().starts_with('+');
    match is_north_american(&digits) && !is_international {
        true => Err(CountryCodeError::TenDigits(digits)),
        false => Ok(()),
    }
}

/// NXX-NXX-XXXX, in which N is none of 0 and 1.
fn is_north_american(digits: &str) -> bool {
    let is_n = |at: usize| {
        digits
            .as_bytes()
            .get(at)
            .is_some_and(|byte| (b'2'..=b'9').contains(byte))
    };
    let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.len() == 10 && is_decimal && is_n(0) && is_n(3)
}

impl TelephoneNumber {
    /// Takes text that must be canonical already, as certificates carry it.
    ///
    /// # Errors
    /// [`TelephoneNumberError`]; separators are refused too.
    pub fn from_canonical(text: &str) -> Result<Self, TelephoneNumberError> {
        match text.chars().find(|&c| !is_number_character(c)) {
            Some(foreign) => Err(TelephoneNumberError::Character(foreign)),
            None => Self::checked(text.to_owned()),
        }
    }

    fn checked(digits: String) -> Result<Self, TelephoneNumberError> {
        match digits.len() {
            1..=MAX_DIGITS => Ok(Self(digits)),
            length => Err(TelephoneNumberError::Length(length)),
        }
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number as an integer, when it is all digits.
    fn value(&self) -> Option<u64> {
        self.0.parse().ok()
    }
}

impl FromStr for TelephoneNumber {
    type Err = TelephoneNumberError;

    fn from_str(text: &str) -> Result<Self, TelephoneNumberError> {
        let mut digits = String::with_capacity(MAX_DIGITS);
        for c in text.chars() {
            match c {
                '+' | ' ' | '-' | '.' | '(' | ')' | '/' => {}
                c if !is_number_character(c) => return Err(TelephoneNumberError::Character(c)),
                // Counting goes on in `checked`; nothing longer is kept.
                _ if digits.len() > MAX_DIGITS => break,
                c => digits.push(c),
            }
        }
        Self::checked(digits)
    }
}

impl TryFrom<String> for TelephoneNumber {
    type Error = TelephoneNumberError;

    fn try_from(text: String) -> Result<Self, TelephoneNumberError> {
        text.parse()
    }
}

impl From<TelephoneNumber> for String {
    fn from(number: TelephoneNumber) -> Self {
        number.0
    }
}

impl fmt::Display for TelephoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const fn is_number_character(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '#' | '*')
}

/// A block of consecutive numbers with the same number of digits (RFC 8226's
/// TelephoneNumberRange). A single number is a block of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NumberRange {
    start: TelephoneNumber,
    count: u64,
}

impl NumberRange {
    /// `count` numbers from `start` on.
    ///
    /// # Errors
    /// [`TelephoneNumberError::EmptyRange`], or
    /// [`TelephoneNumberError::RangeOverflow`] when the last one would need one
    /// more digit, or when several are to start at a number with `#` or `*`.
    pub fn new(start: TelephoneNumber, count: u64) -> Result<Self, TelephoneNumberError> {
        let fits = |first: u64| {
            let end = first.checked_add(count)?;
            let limit = 10u64.checked_pow(u32::try_from(start.0.len()).ok()?)?;
            (end <= limit).then_some(())
        };
        match count {
            0 => Err(TelephoneNumberError::EmptyRange),
            1 => Ok(Self { start, count }),
            _ if start.value().and_then(fits).is_some() => Ok(Self { start, count }),
            _ => Err(TelephoneNumberError::RangeOverflow { start, count }),
        }
    }

    /// The first number.
    #[must_use]
    pub const fn start(&self) -> &TelephoneNumber {
        &self.start
    }

    /// How many numbers.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Each of the numbers.
    pub fn numbers(&self) -> impl Iterator<Item = TelephoneNumber> {
        let (start, digits) = (self.start.clone(), self.start.0.len());
        let first = start.value();
        (0..self.count).filter_map(move |index| match first {
            Some(first) => {
                let number = first.checked_add(index)?;
                format!("{number:0digits$}").parse().ok()
            }
            // With `#` or `*` it is the only one.
            None => Some(start.clone()),
        })
    }

    /// True when `number` is one of the block.
    #[must_use]
    pub fn contains(&self, number: &TelephoneNumber) -> bool {
        self.contains_block(number, 1)
    }

    /// True when all of `inner` is in this block.
    #[must_use]
    pub fn contains_range(&self, inner: &Self) -> bool {
        self.contains_block(&inner.start, inner.count)
    }

    fn contains_block(&self, first: &TelephoneNumber, count: u64) -> bool {
        if count == 1 && *first == self.start {
            return true;
        }
        let (Some(outer), Some(inner)) = (self.start.value(), first.value()) else {
            return false;
        };
        // Neither sum overflows: both ends have at most MAX_DIGITS digits.
        first.0.len() == self.start.0.len()
            && inner >= outer
            && inner.saturating_add(count) <= outer.saturating_add(self.count)
    }
}

impl From<TelephoneNumber> for NumberRange {
    fn from(start: TelephoneNumber) -> Self {
        Self { start, count: 1 }
    }
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => write!(f, "{}", self.start),
            count => write!(f, "{}+{count}", self.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> TelephoneNumber {
        text.parse().unwrap()
    }

    fn range(start: &str, count: u64) -> NumberRange {
        NumberRange::new(number(start), count).unwrap()
    }

    #[test]
    fn separators_are_dropped_and_nothing_else() {
        assert_eq!(number("+1 (212) 555-12.12").as_str(), "12125551212");
        assert_eq!(number("*67#").as_str(), "*67#");
        for (text, foreign) in [("1212555121O", 'O'), ("12é", 'é'), ("tel:12", 't')] {
            assert_eq!(
                text.parse::<TelephoneNumber>(),
                Err(TelephoneNumberError::Character(foreign))
            );
        }
    }

    #[test]
    fn a_number_without_its_country_code_is_asked_about() {
        for text in ["2155550100", "(215) 555-0100", "9175550199"] {
            let error = require_country_code(text).unwrap_err();
            assert!(matches!(error, CountryCodeError::TenDigits(_)), "{error}");
        }
        for text in ["0155550100", "0049 30 1234", "011 44 20 7946", "+0"] {
            let error = require_country_code(text).unwrap_err();
            assert!(matches!(error, CountryCodeError::LeadingZero(_)), "{error}");
        }
        for text in [
            "12155550100",
            "+2155550100",
            "4930123456",
            "1155550100",
            "33155550199",
            "911",
            "*67",
            "215555*100",
        ] {
            assert_eq!(require_country_code(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_number_has_one_to_fifteen_digits() {
        assert_eq!(
            "+-".parse::<TelephoneNumber>(),
            Err(TelephoneNumberError::Length(0))
        );
        assert!("123456789012345".parse::<TelephoneNumber>().is_ok());
        assert_eq!(
            "1234567890123456".parse::<TelephoneNumber>(),
            Err(TelephoneNumberError::Length(16))
        );
    }

    #[test]
    fn canonical_text_has_no_separators() {
        assert_eq!(
            TelephoneNumber::from_canonical("+1212"),
            Err(TelephoneNumberError::Character('+'))
        );
    }

    #[test]
    fn a_block_stays_within_its_number_of_digits() {
        assert!(NumberRange::new(number("9990"), 10).is_ok());
        for (start, count) in [("9990", 11), ("12*4", 2), ("1", u64::MAX)] {
            assert!(matches!(
                NumberRange::new(number(start), count),
                Err(TelephoneNumberError::RangeOverflow { .. })
            ));
        }
        assert_eq!(
            NumberRange::new(number("1"), 0),
            Err(TelephoneNumberError::EmptyRange)
        );
    }

    #[test]
    fn a_longer_number_is_not_in_a_block_of_shorter_ones() {
        let block = range("1000", 100);
        assert!(block.contains(&number("1099")));
        for outside in ["1100", "0999", "10990", "01050", "10*0"] {
            assert!(!block.contains(&number(outside)), "{outside}");
        }
        assert!(range("*67", 1).contains(&number("*67")));
    }

    proptest! {
        #[test]
        fn canonical_text_comes_back_as_it_went(text in "[0-9#*]{1,15}") {
            let number: TelephoneNumber = text.parse().unwrap();
            prop_assert_eq!(number.as_str(), text.as_str());
            prop_assert_eq!(TelephoneNumber::from_canonical(&text), Ok(number));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", count: u64) {
            if let Ok(number) = text.parse::<TelephoneNumber>() {
                let _ = NumberRange::new(number, count);
            }
        }

        #[test]
        fn a_block_contains_exactly_its_numbers(start in 1000u64..2000, count in 1u64..50, probe in 900u64..2200) {
            let block = range(&start.to_string(), count);
            let expected = (start..start + count).contains(&probe) && probe >= 1000;
            prop_assert_eq!(block.contains(&number(&probe.to_string())), expected);
        }

        #[test]
        fn a_block_contains_another_when_it_contains_its_ends(
            outer in 1000u64..1100, n in 1u64..50, inner in 1000u64..1100, m in 1u64..50,
        ) {
            let (a, b) = (range(&outer.to_string(), n), range(&inner.to_string(), m));
            let last = number(&(inner + m - 1).to_string());
            prop_assert_eq!(a.contains_range(&b), a.contains(b.start()) && a.contains(&last));
        }
    }
}
