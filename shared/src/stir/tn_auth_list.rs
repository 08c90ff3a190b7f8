//! TNAuthList (RFC 8226 section 9): the carriers and numbers that a certificate
//! speaks for, read as strict DER. Lenient readers see other codes in broken
//! lists than were meant ("67J" for "867J"), so each defect is an error here.

use std::fmt;

use super::der::{DerError, DerReader, tag};
use super::spc::{Spc, SpcError};
use crate::telephone_number::{NumberRange, TelephoneNumber, TelephoneNumberError};

/// The extension's object identifier, id-pe-TNAuthList.
pub const TN_AUTH_LIST_OID: &str = "1.3.6.1.5.5.7.1.26";

/// Most entries of a list; certificates in the field have one.
const MAX_ENTRIES: usize = 10_000;

const PRINTABLE_STRING: u8 = 0x13;

/// A list that is refused, with what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TnAuthListError {
    /// The whole is a bare string, such as a URL.
    #[error("TNAuthList is a bare string, not a SEQUENCE of entries")]
    BareString,
    /// The SEQUENCE is empty; RFC 8226 wants at least one entry.
    #[error("TNAuthList is empty: it must hold at least one entry")]
    Empty,
    /// An entry is a string without its context tag.
    #[error(
        "TNAuthList holds an untagged {}: a service provider code must be [0] EXPLICIT IA5String",
        if *.0 == PRINTABLE_STRING { "PrintableString" } else { "string" }
    )]
    UntaggedString(u8),
    /// A context tag that RFC 8226 does not define.
    #[error("TNAuthList holds an entry with tag {0:#04x}, which is neither [0], [1] nor [2]")]
    UnknownEntry(u8),
    /// A string within an entry is not an IA5String.
    #[error("TNAuthList holds a string with tag {0:#04x}, which must be IA5String (0x16)")]
    StringType(u8),
    /// A length that runs past the end, as when a string's length octet is missing.
    #[error(
        "TNAuthList says that {said} bytes follow, but {left} do: \
         the length octet of a string is probably missing"
    )]
    LengthMismatch {
        /// The length octets' value.
        said: usize,
        /// Bytes that follow.
        left: usize,
    },
    /// Any other departure from DER.
    #[error("TNAuthList is not strict DER: {0}")]
    Der(DerError),
    /// An entry's service provider code.
    #[error("TNAuthList: {0}")]
    Spc(#[from] SpcError),
    /// An entry's telephone number or range.
    #[error("TNAuthList: {0}")]
    Number(#[from] TelephoneNumberError),
    /// A range of fewer than two numbers (RFC 8226: INTEGER (2..MAX)).
    #[error("TNAuthList holds a range of {0} numbers; a range has at least two")]
    RangeCount(u64),
    /// More entries than are read.
    #[error("TNAuthList holds more than {MAX_ENTRIES} entries")]
    TooManyEntries,
}

impl From<DerError> for TnAuthListError {
    fn from(error: DerError) -> Self {
        match error {
            DerError::Truncated { said, left } => Self::LengthMismatch { said, left },
            error => Self::Der(error),
        }
    }
}

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TnEntry {
    /// All numbers of a carrier.
    Spc(Spc),
    /// One number, or a range of them.
    Numbers(NumberRange),
}

impl fmt::Display for TnEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spc(spc) => write!(f, "SPC {spc}"),
            Self::Numbers(numbers) => write!(f, "{numbers}"),
        }
    }
}

/// A certificate's TNAuthList: at least one entry.
///
/// ```text
/// TNAuthorizationList ::= SEQUENCE SIZE (1..MAX) OF TNEntry
/// TNEntry ::= CHOICE {
///   spc   [0] ServiceProviderCode,      -- IA5String
///   range [1] TelephoneNumberRange,     -- SEQUENCE { start, count }
///   one   [2] TelephoneNumber }         -- IA5String; all tags EXPLICIT
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TnAuthList {
    entries: Vec<TnEntry>,
}

impl TnAuthList {
    /// Parses the extension's value.
    ///
    /// # Errors
    /// [`TnAuthListError`].
    pub fn parse(der: &[u8]) -> Result<Self, TnAuthListError> {
        let mut reader = DerReader::new(der);
        if matches!(reader.peek(), Ok(tag::IA5_STRING | tag::UTF8_STRING)) {
            return Err(TnAuthListError::BareString);
        }
        let mut list = reader.inside(tag::SEQUENCE)?;
        reader.finish()?;
        let mut entries = Vec::new();
        while !list.is_empty() {
            if entries.len() == MAX_ENTRIES {
                return Err(TnAuthListError::TooManyEntries);
            }
            entries.push(entry(&mut list)?);
        }
        if entries.is_empty() {
            return Err(TnAuthListError::Empty);
        }
        Ok(Self { entries })
    }

    /// The entries, in the certificate's order.
    #[must_use]
    pub fn entries(&self) -> &[TnEntry] {
        &self.entries
    }

    /// The service provider codes among the entries.
    pub fn spcs(&self) -> impl Iterator<Item = &Spc> {
        self.entries.iter().filter_map(|entry| match entry {
            TnEntry::Spc(spc) => Some(spc),
            TnEntry::Numbers(_) => None,
        })
    }

    /// The numbers and ranges among the entries.
    pub fn ranges(&self) -> impl Iterator<Item = &NumberRange> {
        self.entries.iter().filter_map(|entry| match entry {
            TnEntry::Spc(_) => None,
            TnEntry::Numbers(numbers) => Some(numbers),
        })
    }

    /// True when a number or range entry names this number.
    #[must_use]
    pub fn covers(&self, number: &TelephoneNumber) -> bool {
        self.ranges().any(|range| range.contains(number))
    }

    /// True when one range entry holds all of `numbers`.
    #[must_use]
    pub fn covers_range(&self, numbers: &NumberRange) -> bool {
        self.ranges().any(|range| range.contains_range(numbers))
    }

    /// True when the code is among the entries.
    #[must_use]
    pub fn covers_spc(&self, spc: &Spc) -> bool {
        self.spcs().any(|own| own == spc)
    }

    /// The first entry of `child` that this list does not encompass (RFC 9060
    /// section 4). Numbers under a parent that has only an SPC are not
    /// encompassed: which numbers a carrier holds is not in a certificate.
    #[must_use]
    pub fn not_encompassed<'a>(&self, child: &'a Self) -> Option<&'a TnEntry> {
        child.entries.iter().find(|entry| match entry {
            TnEntry::Spc(spc) => !self.covers_spc(spc),
            TnEntry::Numbers(numbers) => !self.covers_range(numbers),
        })
    }
}

impl fmt::Display for TnAuthList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, entry) in self.entries.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{entry}")?;
        }
        Ok(())
    }
}

const SPC: u8 = tag::explicit(0);
const RANGE: u8 = tag::explicit(1);
const ONE: u8 = tag::explicit(2);

fn entry(list: &mut DerReader<'_>) -> Result<TnEntry, TnAuthListError> {
    match list.peek()? {
        SPC => {
            let code = whole(list.inside(SPC)?, string)?;
            Ok(TnEntry::Spc(code.parse()?))
        }
        RANGE => {
            let range = whole(list.inside(RANGE)?, |reader| {
                whole(reader.inside(tag::SEQUENCE)?, range)
            })?;
            Ok(TnEntry::Numbers(range))
        }
        ONE => {
            let number = whole(list.inside(ONE)?, string)?;
            let number = TelephoneNumber::from_canonical(number)?;
            Ok(TnEntry::Numbers(number.into()))
        }
        string @ (PRINTABLE_STRING | tag::IA5_STRING | tag::UTF8_STRING) => {
            Err(TnAuthListError::UntaggedString(string))
        }
        unknown => Err(TnAuthListError::UnknownEntry(unknown)),
    }
}

fn range(reader: &mut DerReader<'_>) -> Result<NumberRange, TnAuthListError> {
    let start = TelephoneNumber::from_canonical(string(reader)?)?;
    match reader.unsigned()? {
        count @ 0..=1 => Err(TnAuthListError::RangeCount(count)),
        count => Ok(NumberRange::new(start, count)?),
    }
}

fn string<'a>(reader: &mut DerReader<'a>) -> Result<&'a str, TnAuthListError> {
    match reader.ia5_string() {
        Err(DerError::Tag { actual, .. }) => Err(TnAuthListError::StringType(actual)),
        other => Ok(other?),
    }
}

/// Reads with `read` and makes sure that nothing is left.
fn whole<'a, T>(
    mut reader: DerReader<'a>,
    read: impl FnOnce(&mut DerReader<'a>) -> Result<T, TnAuthListError>,
) -> Result<T, TnAuthListError> {
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}
