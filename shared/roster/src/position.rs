//! Where a roster stands in its federation. **A successor names its predecessor's text**, so who
//! agrees on one roster agrees on all before it.

use std::fmt;
use std::str::FromStr;

use super::pin::{Pin, RosterDigest, Sequence};

/// Where a roster stands. As text it is the sequence, and of a successor behind `after` the
/// SHA-256 of its predecessor's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// It is the first, with the sequence 1.
    First,
    /// It follows the roster with this pin.
    After(Pin),
}

/// Text that says where no roster stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not where a roster stands: write 1, or from 2 on the sequence, `after`, and the \
     SHA-256 of the text of the roster before"
)]
pub struct PositionError(String);

impl Position {
    /// Which of the federation's rosters is there.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        match self {
            Self::First => Sequence::FIRST,
            Self::After(before) => before.sequence.next(),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => self.sequence().fmt(f),
            Self::After(before) => write!(f, "{} after {}", self.sequence(), before.digest),
        }
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let parse = || {
            let Some((sequence, digest)) = text.split_once(" after ") else {
                return Some(Self::First);
            };
            let sequence: Sequence = sequence.parse().ok()?;
            let digest: RosterDigest = digest.parse().ok()?;
            let sequence = sequence.before()?;
            Some(Self::After(Pin { sequence, digest }))
        };
        let position: Option<Self> = parse();
        position
            .filter(|position| position.to_string() == text)
            .ok_or_else(|| PositionError(text.chars().take(100).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_has_one_spelling() {
        let digest = "0f".repeat(32);
        assert_eq!("1".parse(), Ok(Position::First));
        let text = format!("{} after {digest}", u64::MAX);
        for text in [format!("2 after {digest}"), text] {
            let position: Position = text.parse().unwrap();
            assert_eq!(position.to_string(), text);
        }
        for wrong in [
            String::new(),
            "2".to_owned(),
            "01".to_owned(),
            format!("1 after {digest}"),
            format!("0 after {digest}"),
            format!("02 after {digest}"),
            format!("2  after {digest}"),
            format!("2 after {digest} "),
            format!("2 after {}", "0F".repeat(32)),
            format!("2 after {}", "0f".repeat(31)),
        ] {
            assert!(wrong.parse::<Position>().is_err(), "{wrong:?}");
        }
    }
}
