//! Who calls and who is called, as `orig`, `dest` and `div` name them: telephone
//! numbers in canonical form, or URIs (RFC 8225 section 5.2.1).

use std::fmt;

use serde_json::{Map, Value, json};

use pennyblack_stir::jws::{ClaimError, ClaimSet};
use pennyblack_stir::telephone_number::TelephoneNumber;

/// The most numbers and URIs in one `dest`.
const MAX_DESTINATIONS: usize = 64;

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
    #[error("{0:?} is not a telephone number in canonical form (digits, # and * alone)")]
    Number(String),
    /// Not a URI: no scheme, white space in it, or too long.
    #[error("{0:?} is not a URI")]
    Uri(String),
}

/// One end of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Party {
    /// A telephone number.
    Number(TelephoneNumber),
    /// A URI, compared byte for byte.
    Uri(String),
}

impl Party {
    pub(super) fn parse(mut members: ClaimSet) -> Result<Self, PartyError> {
        let number = members.take_optional_string("tn")?;
        let uri = members.take_optional_string("uri")?;
        match (number, uri) {
            (Some(number), None) => parse_number(number).map(Self::Number),
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
        Self::Number(number)
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
    numbers: Vec<TelephoneNumber>,
    uris: Vec<String>,
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
        Self { numbers, uris }.checked()
    }

    pub(super) fn parse(mut members: ClaimSet) -> Result<Self, PartyError> {
        let (numbers, uris) = (members.take_strings("tn")?, members.take_strings("uri")?);
        check_count(numbers.len() + uris.len())?;
        Ok(Self {
            numbers: numbers
                .into_iter()
                .map(parse_number)
                .collect::<Result<_, _>>()?,
            uris: uris.into_iter().map(parse_uri).collect::<Result<_, _>>()?,
        })
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
    pub fn numbers(&self) -> &[TelephoneNumber] {
        &self.numbers
    }

    /// The URIs among them.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    pub(super) fn to_json(&self) -> Value {
        let mut members = Map::new();
        if !self.numbers.is_empty() {
            let numbers = self.numbers.iter().map(ToString::to_string);
            members.insert("tn".to_owned(), numbers.collect());
        }
        if !self.uris.is_empty() {
            members.insert("uri".to_owned(), json!(self.uris));
        }
        Value::Object(members)
    }

    fn checked(self) -> Result<Self, PartyError> {
        check_count(self.numbers.len() + self.uris.len())?;
        Ok(self)
    }
}

impl From<TelephoneNumber> for Destinations {
    fn from(number: TelephoneNumber) -> Self {
        Self {
            numbers: vec![number],
            uris: Vec::new(),
        }
    }
}

const fn check_count(count: usize) -> Result<(), PartyError> {
    match count {
        1..=MAX_DESTINATIONS => Ok(()),
        _ => Err(PartyError::Count(count)),
    }
}

/// A token carries numbers in canonical form; a reader of a SIP request makes those of
/// its header canonical.
fn parse_number(text: String) -> Result<TelephoneNumber, PartyError> {
    TelephoneNumber::from_canonical(&text).map_err(|_| PartyError::Number(text))
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
