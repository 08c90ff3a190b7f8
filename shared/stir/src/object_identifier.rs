//! An object identifier that an operator configures, in dotted form. Those of standards are
//! constants where they are used.

use std::fmt;
use std::str::FromStr;

/// Most arcs. Real ones have about ten.
const MAX_ARCS: usize = 32;

/// Text that is not an object identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an object identifier: write 2 to {MAX_ARCS} numbers with dots between them, such as 1.3.6.1.4.1.32473.9888.1"
)]
pub struct ObjectIdentifierError(String);

/// An object identifier: numbers of at most 63 bits, each without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectIdentifier {
    text: Box<str>,
    arcs: Vec<u64>,
}

impl ObjectIdentifier {
    /// In dotted form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its numbers.
    #[must_use]
    pub fn arcs(&self) -> &[u64] {
        &self.arcs
    }
}

fn arc(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_shortest = text == "0" || !text.starts_with('0');
    let value = text.parse().ok().filter(|_| is_plain && is_shortest);
    value.filter(|value| i64::try_from(*value).is_ok())
}

impl FromStr for ObjectIdentifier {
    type Err = ObjectIdentifierError;

    fn from_str(text: &str) -> Result<Self, ObjectIdentifierError> {
        let refused = || ObjectIdentifierError(text.chars().take(80).collect());
        let arcs = text.split('.').take(MAX_ARCS + 1).map(arc);
        let arcs: Vec<u64> = arcs.collect::<Option<_>>().ok_or_else(refused)?;
        // X.660: the first is 0 to 2, and below 0 and 1 there are forty.
        match arcs.as_slice() {
            [0 | 1, 0..=39, ..] | [2, 0..=999, ..] if arcs.len() <= MAX_ARCS => Ok(Self {
                text: text.into(),
                arcs,
            }),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for ObjectIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_one_spelling() {
        let read: ObjectIdentifier = "1.3.6.1.5.5.7.1.26".parse().unwrap();
        assert_eq!(read.arcs(), [1, 3, 6, 1, 5, 5, 7, 1, 26]);
        assert_eq!(read.to_string(), "1.3.6.1.5.5.7.1.26");
        let long = vec!["1"; 33].join(".");
        for wrong in [
            "",
            "1",
            "1.",
            ".1",
            "1.40.1",
            "3.1",
            "1.03",
            "1.+3",
            "1.3.a",
            "1.3 ",
            "1.3.18446744073709551615",
            &long,
        ] {
            assert!(wrong.parse::<ObjectIdentifier>().is_err(), "{wrong}");
        }
    }
}
