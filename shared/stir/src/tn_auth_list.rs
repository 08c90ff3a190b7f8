//! TNAuthList (RFC 8226 section 9): the carriers and numbers that a certificate
//! speaks for, read as strict DER. Lenient readers see other codes in broken
//! lists than were meant ("67J" for "867J"), so each defect is an error here.

use std::fmt;

use super::der::{DerError, DerReader, tag};
use super::spc::{Spc, SpcError};
use crate::telephone_number::{NumberRange, TelephoneNumber, TelephoneNumberError};

/// The extension's object identifier, id-pe-TNAuthList.
pub const TN_AUTH_LIST_OID: &str = "1.3.6.1.5.5.7.1.26";

/// Most entries of a list, and of all lists of a chain; certificates in the field have
/// one. Anyone may send a list, and reading an entry takes longer than its six bytes.
pub(super) const MAX_ENTRIES: usize = 1_000;

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::claim_constraints::ClaimConstraints;
    use pennyblack_base::encoding::from_base64_standard;

    fn vectors(kind: &str) -> Vec<Value> {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/certs/der-vectors.json"
        );
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let all: Vec<Value> = serde_json::from_str(&text).unwrap();
        all.into_iter().filter(|v| v["type"] == kind).collect()
    }

    fn der(vector: &Value) -> Vec<u8> {
        vector["hex"].as_str().map_or_else(
            || from_base64_standard(vector["b64"].as_str().unwrap()).unwrap(),
            |hex| hex::decode(hex).unwrap(),
        )
    }

    fn as_vector_text(entry: &TnEntry) -> String {
        match entry {
            TnEntry::Spc(spc) => format!("spc:{spc}"),
            TnEntry::Numbers(one) if one.count() == 1 => format!("one:{}", one.start()),
            TnEntry::Numbers(range) => format!("range:{range}"),
        }
    }

    #[test]
    fn the_collected_encodings_are_read_or_refused_as_they_should_be() {
        let (mut read, mut refused) = (0, 0);
        for vector in vectors("TNAuthorizationList") {
            match TnAuthList::parse(&der(&vector)) {
                Ok(list) => {
                    let entries: Vec<_> = list.entries().iter().map(as_vector_text).collect();
                    assert_eq!(Value::from(entries), vector["decoded"], "{vector}");
                    read += 1;
                }
                Err(error) => {
                    let expected = vector["expect"].as_str().unwrap_or_default();
                    assert!(expected.starts_with("reject"), "{vector}: {error}");
                    refused += 1;
                }
            }
        }
        assert_eq!((read, refused), (6, 5));
    }

    #[test]
    fn each_odd_list_is_told_what_is_wrong_with_it() {
        use TnAuthListError as E;
        for (hex, error) in [
            ("300613043735354a", E::UntaggedString(0x13)),
            ("3006160437353534", E::UntaggedString(0x16)),
            ("1603616263", E::BareString),
            ("3000", E::Empty),
            ("3004a0021600", E::Spc(SpcError::Length(0))),
            ("3008a006163836374a", E::LengthMismatch { said: 8, left: 7 }),
            ("3008a006130436383347", E::StringType(0x13)),
            ("3008a306160436383347", E::UnknownEntry(0xa3)),
            ("3008a00616043638334700", E::Der(DerError::TrailingBytes(1))),
            (
                "300aa008160436383347 0500",
                E::Der(DerError::TrailingBytes(2)),
            ),
            ("30810 8a006160436383347", E::Der(DerError::Length)),
            ("3080a0061604363833470000", E::Der(DerError::Length)),
            ("3008a006160436382d47", E::Spc(SpcError::Character('-'))),
            ("300da10b3009160431323334020101", E::RangeCount(1)),
            (
                "300ea10c300a16043132333402020001",
                E::Der(DerError::Integer),
            ),
        ] {
            let der = hex::decode(hex.replace(' ', "")).unwrap();
            assert_eq!(TnAuthList::parse(&der), Err(error), "{hex}");
        }
    }

    #[test]
    fn a_range_past_its_number_of_digits_is_refused() {
        let der = hex::decode("300da10b3009160439393939020102").unwrap();
        assert!(matches!(
            TnAuthList::parse(&der),
            Err(TnAuthListError::Number(
                TelephoneNumberError::RangeOverflow { .. }
            ))
        ));
    }

    #[test]
    fn the_collected_claim_constraints_are_read() {
        let vectors = vectors("JWTClaimConstraints");
        assert_eq!(vectors.len(), 1);
        let constraints = ClaimConstraints::parse(&der(&vectors[0])).unwrap();
        let claims = |json: &str| serde_json::from_str::<Value>(json).unwrap();
        let evaluate = |json: &str| constraints.evaluate(claims(json).as_object().unwrap());
        assert!(evaluate(r#"{"foo":"foo1","bar":["bar2","bar1"]}"#).is_ok());
        assert!(evaluate(r#"{"foo":"foo4"}"#).is_err());
        assert!(evaluate(r#"{"foo":"foo1","bar":["bar1","x"]}"#).is_err());
        assert!(evaluate(r#"{"bar":"bar1"}"#).is_err());
    }

    #[test]
    fn a_parent_encompasses_what_it_has_and_no_more() {
        let parse = |hex: &str| TnAuthList::parse(&hex::decode(hex).unwrap()).unwrap();
        let spc = parse("3008a006160436383347");
        let range = parse("300da10b3009160431303030020164");
        let inside = parse("3008a206160431303939");
        let outside = parse("3008a206160431313030");
        assert_eq!(range.not_encompassed(&inside), None);
        assert!(range.not_encompassed(&outside).is_some());
        assert!(range.not_encompassed(&spc).is_some());
        assert_eq!(spc.not_encompassed(&spc), None);
        assert!(spc.not_encompassed(&inside).is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = TnAuthList::parse(&bytes);
            let _ = ClaimConstraints::parse_enhanced(&bytes);
            let _ = crate::parse_cps_uris(&bytes);
        }

        #[test]
        fn a_damaged_list_never_panics(at in 0usize..46, value: u8) {
            let mut der = hex::decode(
                "302ca20d160b3135353531323334353637a1133011160b3135353532303030303030020203e8a00616043730394a",
            ).unwrap();
            der[at] = value;
            let _ = TnAuthList::parse(&der);
        }
    }
}
