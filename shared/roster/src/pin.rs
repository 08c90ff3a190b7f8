//! By what a roster is named: its sequence and the SHA-256 of its text.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use pennyblack_base::encoding;

/// The number of a roster in its federation: the first is 1, and each successor has the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(NonZeroU64);

/// Text that is not a sequence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the sequence of a roster: write 1 or more in decimal digits")]
pub struct SequenceError(String);

impl Sequence {
    /// The first.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// That of the successor; of the last that there can be, itself.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// That of the predecessor, unless it is the first.
    #[must_use]
    pub fn before(self) -> Option<Self> {
        NonZeroU64::new(self.0.get() - 1).map(Self)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Sequence {
    type Err = SequenceError;

    fn from_str(text: &str) -> Result<Self, SequenceError> {
        let number = text.parse().ok().map(Self);
        number
            .filter(|number| number.to_string() == text)
            .ok_or_else(|| SequenceError(text.chars().take(40).collect()))
    }
}

/// The SHA-256 of a roster's text without its signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RosterDigest([u8; 32]);

impl RosterDigest {
    /// That of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(encoding::sha256(text.as_bytes()))
    }
}

impl fmt::Display for RosterDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for RosterDigest {
    type Err = hex::FromHexError;

    /// Of 64 digits in whatever case.
    fn from_str(text: &str) -> Result<Self, hex::FromHexError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// The roster that a party trusts because somebody told it so. As text it is the roster's
/// sequence, a colon, and its digest as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its digest.
    pub digest: RosterDigest,
}

/// Text that is not a pin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a pin: write the sequence, a colon and 64 lower-case hexadecimal digits, as \
     `pennyblack federation show` does"
)]
pub struct PinError(String);

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.digest)
    }
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let parse = || {
            let (sequence, digest) = text.split_once(':')?;
            Some(Self {
                sequence: sequence.parse().ok()?,
                digest: digest.parse().ok()?,
            })
        };
        let pin: Option<Self> = parse();
        pin.filter(|pin| pin.to_string() == text)
            .ok_or_else(|| PinError(text.chars().take(100).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_has_one_spelling() {
        let text = format!("17:{}", "0f".repeat(32));
        let pin: Pin = text.parse().unwrap();
        assert_eq!(pin.to_string(), text);
        assert_eq!(pin.sequence.next().get(), 18);
        for wrong in [
            String::new(),
            "0f".repeat(32),
            format!("0:{}", "0f".repeat(32)),
            format!("017:{}", "0f".repeat(32)),
            format!("+17:{}", "0f".repeat(32)),
            format!("17:{}", "0F".repeat(32)),
            format!("17:{}", "0f".repeat(31)),
            format!("17:{} ", "0f".repeat(32)),
        ] {
            assert!(wrong.parse::<Pin>().is_err(), "{wrong:?}");
        }
    }
}
