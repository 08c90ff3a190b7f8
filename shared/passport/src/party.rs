//! Who calls and who is called, as `orig`, `dest` and `div` name them: telephone
//! numbers in canonical form, or URIs (RFC 8225 section 5.2.1).

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use pennyblack_stir::jws::{ClaimError, ClaimSet};
use pennyblack_stir::telephone_number::TelephoneNumber;

/// The most numbers and URIs in one `dest`.
const MAX_DESTINATIONS: usize = 64;

/// The most characters of a number. E.164 ends at 15, but the field has longer ones:
/// portability prefixes, and Austrian numbers with their extensions.
const MAX_NUMBER_SIZE: usize = 32;

/// The longest URI that is taken, in bytes.
const MAX_URI_SIZE: usize = 512;

/// An `orig`, `dest` or `div` that names nobody, or not in the one right way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartyError {
    /// A member of the wrong type.
    #[error("{0}")]
    Member(#[from] ClaimError),
    /// Both `tn` and `uri`, or neither.
    #[error("it must hold exactly one of \"tn\" and \"uri\"")]
    NotOne,
    /// `dest` with an empty list, or too long a one.
    #[error("it names {0} destinations, 1 to {MAX_DESTINATIONS} are taken")]
    Count(usize),
    /// Not a telephone number, or one with a plus sign or separators left in it
    /// (RFC 8224 section 8.3).
    #[error(
        "{0:?} is not a telephone number in canonical form (1 to {MAX_NUMBER_SIZE} digits, # and *)"
    )]
    Number(String),
    /// Not a URI: no scheme, white space in it, or too long.
    #[error("{0:?} is not a URI")]
    Uri(String),
}

/// A telephone number as a claim has it: canonical (RFC 8224 section 8.3), and compared as
/// it stands. It may be longer than one that a certificate can name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PartyNumber(String);

impl PartyNumber {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number as certificates and key records name it; None if it is too long for that.
    #[must_use]
    pub fn to_telephone_number(&self) -> Option<TelephoneNumber> {
        TelephoneNumber::from_canonical(&self.0).ok()
    }

    /// A token carries numbers in canonical form; a reader of a SIP request makes those of
    /// its header canonical.
    fn from_canonical(text: &str) -> Result<Self, PartyError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'#' | b'*');
        let is_number = (1..=MAX_NUMBER_SIZE).contains(&text.len()) && text.bytes().all(is_digit);
        match is_number {
            true => Ok(Self(text.to_owned())),
            false => Err(PartyError::Number(text.to_owned())),
        }
    }
}

impl FromStr for PartyNumber {
    type Err = PartyError;

    /// Drops `+` and visual separators, as [`TelephoneNumber`] does.
    fn from_str(text: &str) -> Result<Self, PartyError> {
        let is_separator = |c: char| matches!(c, '+' | ' ' | '-' | '.' | '(' | ')' | '/');
        let digits: String = text.chars().filter(|&c| !is_separator(c)).collect();
        Self::from_canonical(&digits).map_err(|_| PartyError::Number(text.to_owned()))
    }
}

impl From<TelephoneNumber> for PartyNumber {
    fn from(number: TelephoneNumber) -> Self {
        Self(number.into())
    }
}

impl fmt::Display for PartyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One end of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Party {
    /// A telephone number.
    Number(PartyNumber),
    /// A URI, compared byte for byte.
    Uri(String),
}

impl Party {
    pub(super) fn parse(mut members: ClaimSet) -> Result<Self, PartyError> {
        let number = members.take_optional_string("tn")?;
        let uri = members.take_optional_string("uri")?;
        match (number, uri) {
            (Some(number), None) => PartyNumber::from_canonical(&number).map(Self::Number),
            (None, Some(uri)) => parse_uri(uri).map(Self::Uri),
            _ => Err(PartyError::NotOne),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Number(number) => json!({ "tn": number.to_string() }),
            Self::Uri(uri) => json!({ "uri": uri }),
        }
    }
}

impl From<TelephoneNumber> for Party {
    fn from(number: TelephoneNumber) -> Self {
        Self::Number(number.into())
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Uri(uri) => f.write_str(uri),
        }
    }
}

/// Who is called: one or more, of either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destinations {
    numbers: Vec<PartyNumber>,
    uris: Vec<String>,
    /// What names nobody and stands beside what does: no call is to these, and they take
    /// nothing from the others.
    odd_numbers: Vec<String>,
    odd_uris: Vec<String>,
}

impl Destinations {
    /// At least one party, and at most 64.
    ///
    /// # Errors
    /// [`PartyError::Count`], and [`PartyError::Uri`] for what is not one.
    pub fn new(parties: impl IntoIterator<Item = Party>) -> Result<Self, PartyError> {
        let (mut numbers, mut uris) = (Vec::new(), Vec::new());
        for party in parties {
            match party {
                Party::Number(number) => numbers.push(number),
                Party::Uri(uri) => uris.push(parse_uri(uri)?),
            }
        }
        check_count(numbers.len() + uris.len())?;
        Ok(Self {
            numbers,
            uris,
            ..Self::none()
        })
    }

    const fn none() -> Self {
        Self {
            numbers: Vec::new(),
            uris: Vec::new(),
            odd_numbers: Vec::new(),
            odd_uris: Vec::new(),
        }
    }

    /// If none of them names anybody, the first says why.
    pub(super) fn parse(mut members: ClaimSet) -> Result<Self, PartyError> {
        let (numbers, uris) = (members.take_strings("tn")?, members.take_strings("uri")?);
        check_count(numbers.len() + uris.len())?;
        let (mut named, mut why) = (Self::none(), None);
        for text in numbers {
            match PartyNumber::from_canonical(&text) {
                Ok(number) => named.numbers.push(number),
                Err(error) => {
                    why.get_or_insert(error);
                    named.odd_numbers.push(text);
                }
            }
        }
        for text in uris {
            match parse_uri(text.clone()) {
                Ok(uri) => named.uris.push(uri),
                Err(error) => {
                    why.get_or_insert(error);
                    named.odd_uris.push(text);
                }
            }
        }
        match why {
            Some(error) if named.numbers.is_empty() && named.uris.is_empty() => Err(error),
            _ => Ok(named),
        }
    }

    /// True when `party` is among them.
    #[must_use]
    pub fn contain(&self, party: &Party) -> bool {
        match party {
            Party::Number(number) => self.numbers.contains(number),
            Party::Uri(uri) => self.uris.contains(uri),
        }
    }

    /// The telephone numbers among them.
    #[must_use]
    pub fn numbers(&self) -> &[PartyNumber] {
        &self.numbers
    }

    /// The URIs among them.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    pub(super) fn to_json(&self) -> Value {
        let numbers = self.numbers.iter().map(PartyNumber::as_str);
        let numbers = numbers.chain(self.odd_numbers.iter().map(String::as_str));
        let uris = self.uris.iter().chain(&self.odd_uris).map(String::as_str);
        let mut members = Map::new();
        let mut put = |kind: &str, all: Vec<&str>| {
            if !all.is_empty() {
                members.insert(kind.to_owned(), json!(all));
            }
        };
        put("tn", numbers.collect());
        put("uri", uris.collect());
        Value::Object(members)
    }
}

impl From<TelephoneNumber> for Destinations {
    fn from(number: TelephoneNumber) -> Self {
        Self {
            numbers: vec![number.into()],
            ..Self::none()
        }
    }
}

const fn check_count(count: usize) -> Result<(), PartyError> {
    match count {
        1..=MAX_DESTINATIONS => Ok(()),
        _ => Err(PartyError::Count(count)),
    }
}

fn parse_uri(text: String) -> Result<String, PartyError> {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let has_scheme = scheme.is_some_and(|scheme| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    });
    if has_scheme && text.len() <= MAX_URI_SIZE && text.bytes().all(|byte| byte.is_ascii_graphic())
    {
        Ok(text)
    } else {
        Err(PartyError::Uri(text))
    }
}
