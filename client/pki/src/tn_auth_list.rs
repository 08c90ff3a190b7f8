//! The TNAuthList extension as a certification authority writes it (RFC 8226
//! section 9). Not here: reading it strictly, which is `pennyblack_stir`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use yasna::{DERWriter, Tag};

/// Digits that a telephone number of a TNAuthList has at most (RFC 8226:
/// `IA5String (SIZE (1..15))`).
const MAX_NUMBER_DIGITS: usize = 15;

/// One thing that a certificate speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum TnAuthEntry {
    /// A Service Provider Code: what every SHAKEN certificate in the field carries.
    Spc(String),
    /// One telephone number, digits alone.
    One(String),
    /// `count` consecutive numbers from `start`.
    Range {
        /// The first number.
        start: String,
        /// How many, at least 2.
        count: u64,
    },
}

/// Text that is no TNAuthList entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TnAuthEntryError {
    /// Not a Service Provider Code.
    #[error(
        "{0:?} is not a Service Provider Code: four characters, digits and capital letters, such as 683G"
    )]
    Spc(String),
    /// Not a telephone number.
    #[error("{0:?} is not a telephone number: 1 to 15 digits, without a plus sign")]
    Number(String),
    /// Not a range, or one that leaves its start's number of digits.
    #[error(
        "{0:?} is not a range: write start+count, such as 12125550100+100, with a count of at least 2 that adds no digit"
    )]
    Range(String),
    /// No known prefix.
    #[error("{0:?} is not spc:…, tn:… or range:…")]
    Prefix(String),
}

impl TnAuthEntry {
    /// A Service Provider Code.
    ///
    /// # Errors
    /// [`TnAuthEntryError::Spc`].
    pub fn spc(text: &str) -> Result<Self, TnAuthEntryError> {
        let ok = text.len() == 4
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        if ok {
            Ok(Self::Spc(text.to_owned()))
        } else {
            Err(TnAuthEntryError::Spc(text.to_owned()))
        }
    }

    /// One number; a leading `+` is dropped.
    ///
    /// # Errors
    /// [`TnAuthEntryError::Number`].
    pub fn one(text: &str) -> Result<Self, TnAuthEntryError> {
        digits(text)
            .map(Self::One)
            .ok_or_else(|| TnAuthEntryError::Number(text.to_owned()))
    }

    /// A range written `start+count`.
    ///
    /// # Errors
    /// [`TnAuthEntryError::Range`].
    pub fn range(text: &str) -> Result<Self, TnAuthEntryError> {
        parse_range(text).ok_or_else(|| TnAuthEntryError::Range(text.to_owned()))
    }

    fn write_der(&self, writer: DERWriter<'_>) {
        match self {
            Self::Spc(code) => {
                writer.write_tagged(Tag::context(0), |writer| writer.write_ia5_string(code));
            }
            Self::Range { start, count } => writer.write_tagged(Tag::context(1), |writer| {
                writer.write_sequence(|writer| {
                    writer.next().write_ia5_string(start);
                    writer.next().write_u64(*count);
                });
            }),
            Self::One(number) => {
                writer.write_tagged(Tag::context(2), |writer| writer.write_ia5_string(number));
            }
        }
    }
}

/// The DER of a TNAuthList with these entries, tags explicit (RFC 8226 section 9).
#[must_use]
pub(super) fn tn_auth_list_der(entries: &[TnAuthEntry]) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            for entry in entries {
                entry.write_der(writer.next());
            }
        });
    })
}

fn digits(text: &str) -> Option<String> {
    let number = text.strip_prefix('+').unwrap_or(text);
    let ok = (1..=MAX_NUMBER_DIGITS).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit());
    ok.then(|| number.to_owned())
}

fn parse_range(text: &str) -> Option<TnAuthEntry> {
    let (start, count) = text.rsplit_once('+')?;
    let start = digits(start)?;
    let count: u64 = count.parse().ok().filter(|&count| count >= 2)?;
    let last = start.parse::<u64>().ok()?.checked_add(count - 1)?;
    let keeps_its_digits = last.to_string().len() <= start.len();
    keeps_its_digits.then_some(TnAuthEntry::Range { start, count })
}

impl fmt::Display for TnAuthEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spc(code) => write!(f, "spc:{code}"),
            Self::One(number) => write!(f, "tn:{number}"),
            Self::Range { start, count } => write!(f, "range:{start}+{count}"),
        }
    }
}

impl FromStr for TnAuthEntry {
    type Err = TnAuthEntryError;

    fn from_str(text: &str) -> Result<Self, TnAuthEntryError> {
        match text.split_once(':') {
            Some(("spc", rest)) => Self::spc(rest),
            Some(("tn", rest)) => Self::one(rest),
            Some(("range", rest)) => Self::range(rest),
            _ => Err(TnAuthEntryError::Prefix(text.to_owned())),
        }
    }
}

impl From<TnAuthEntry> for String {
    fn from(entry: TnAuthEntry) -> Self {
        entry.to_string()
    }
}

impl TryFrom<String> for TnAuthEntry {
    type Error = TnAuthEntryError;

    fn try_from(text: String) -> Result<Self, TnAuthEntryError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_provider_code_has_the_bytes_of_certificates_in_the_field() {
        let der = tn_auth_list_der(&[TnAuthEntry::spc("683G").unwrap()]);
        assert_eq!(hex::encode(der), "3008a006160436383347");
    }

    #[test]
    fn a_number_and_a_range_carry_explicit_tags_two_and_one() {
        let der = tn_auth_list_der(&[
            TnAuthEntry::one("+12125550100").unwrap(),
            TnAuthEntry::range("12125550100+100").unwrap(),
        ]);
        assert_eq!(
            hex::encode(der),
            "3023a20d160b3132313235353530313030a1123010160b3132313235353530313030020164"
        );
    }

    #[test]
    fn a_range_that_would_grow_a_digit_is_refused() {
        assert!(TnAuthEntry::range("9999+2").is_err());
        assert!(TnAuthEntry::range("9998+2").is_ok());
        assert!(TnAuthEntry::range("12125550100+1").is_err());
    }

    #[test]
    fn an_entry_comes_back_from_its_text() {
        for text in ["spc:683G", "tn:12125550100", "range:12125550100+100"] {
            assert_eq!(text.parse::<TnAuthEntry>().unwrap().to_string(), text);
        }
        assert!("683G".parse::<TnAuthEntry>().is_err());
        assert!("spc:683g".parse::<TnAuthEntry>().is_err());
    }
}
