//! Names of holders and authorities, compared as RFC 5280 section 7.1 says: two
//! certification authorities may write one name in different string types, case or
//! spacing, and a comparison of bytes takes it for two names. Anyone may send a name, so
//! preparing one is bounded. Not here: what a name is compared for.

use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;
use serde::{Deserialize, Serialize};
use x509_parser::asn1_rs::{Any, Class, Tag};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Longest name that is read, in bytes of DER. Real ones have less than 200.
const MAX_SIZE: usize = 512;
/// Most attributes of a name. Real ones have at most seven.
const MAX_ATTRIBUTES: usize = 32;
/// Most characters of a name that are not ASCII, as they stand and folded: each costs ten
/// times as much as one of ASCII, and some fold to eighteen.
const MAX_BEYOND_ASCII: usize = 128;

/// A name that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Longer than any honest one.
    #[error("a name has at most {MAX_SIZE} bytes, not {0}")]
    TooLong(usize),
    /// More attributes than any honest one.
    #[error("a name has at most {MAX_ATTRIBUTES} attributes, not {0}")]
    TooManyAttributes(usize),
    /// More that takes long to prepare than any honest one.
    #[error("a name has at most {MAX_BEYOND_ASCII} characters that are not ASCII, also folded")]
    TooManyBeyondAscii,
}

/// A distinguished name, prepared for comparison: equal names have equal bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Name(Box<[u8]>);

impl Name {
    /// Prepares a name that was read. Attributes within one relative name have no order.
    ///
    /// # Errors
    /// [`NameError`].
    pub(super) fn of(name: &X509Name<'_>) -> Result<Self, NameError> {
        let size = name.as_raw().len();
        if size > MAX_SIZE {
            return Err(NameError::TooLong(size));
        }
        let count = name.iter_attributes().count();
        if count > MAX_ATTRIBUTES {
            return Err(NameError::TooManyAttributes(count));
        }
        let mut preparation = Preparation {
            left: MAX_BEYOND_ASCII,
        };
        let mut prepared = Vec::new();
        for relative in name.iter_rdn() {
            let attributes = relative.iter().map(|one| preparation.attribute(one));
            let mut attributes = attributes.collect::<Result<Vec<_>, _>>()?;
            attributes.sort_unstable();
            put(&mut prepared, &attributes.concat());
        }
        Ok(Self(prepared.into()))
    }

    /// The prepared bytes. They are not DER.
    pub(super) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", self.0.escape_ascii())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        hex::encode(name.0)
    }
}

impl TryFrom<String> for Name {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        hex::decode(text).map(|bytes| Self(bytes.into()))
    }
}

/// Marks a value that is compared as text; others carry their tag.
const TEXT: &[u8] = b"text";

/// The preparation of one name.
struct Preparation {
    /// How many more characters that are not ASCII it may have.
    left: usize,
}

impl Preparation {
    fn attribute(&mut self, attribute: &AttributeTypeAndValue<'_>) -> Result<Vec<u8>, NameError> {
        let mut prepared = Vec::new();
        put(&mut prepared, attribute.attr_type().as_bytes());
        let value = attribute.attr_value();
        if let Some(text) = text(value) {
            put(&mut prepared, TEXT);
            put(&mut prepared, self.text(&text)?.as_bytes());
        } else {
            put(&mut prepared, &value.header.tag().0.to_be_bytes());
            put(&mut prepared, value.data);
        }
        Ok(prepared)
    }

    /// RFC 4518 section 2: map, fold case, normalize, and drop insignificant spaces.
    fn text(&mut self, text: &str) -> Result<String, NameError> {
        let mapped: String = text.chars().filter_map(map).collect();
        let folded = if mapped.is_ascii() {
            mapped.to_ascii_lowercase()
        } else {
            self.fold(&mapped)?
        };
        let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
        Ok(words.join(" "))
    }

    /// Folds twice: folding undoes a normal form here and there, and normalizing brings up
    /// capitals.
    fn fold(&mut self, text: &str) -> Result<String, NameError> {
        let count = beyond_ascii(text);
        if count > self.left {
            return Err(NameError::TooManyBeyondAscii);
        }
        let once = fold(text);
        let spent = count.max(beyond_ascii(&once));
        let left = self.left.checked_sub(spent);
        self.left = left.ok_or(NameError::TooManyBeyondAscii)?;
        Ok(fold(&once))
    }
}

/// Each part with its length before it, so that no two names run together.
fn put(prepared: &mut Vec<u8>, part: &[u8]) {
    prepared.extend((part.len() as u64).to_be_bytes());
    prepared.extend(part);
}

/// The characters of a string type; nothing for other types, and for bytes that are not
/// of the type they claim. Those are compared as they are.
fn text(value: &Any<'_>) -> Option<String> {
    let header = &value.header;
    if header.class() != Class::Universal || header.is_constructed() {
        return None;
    }
    let bytes = value.data;
    match header.tag() {
        Tag::Utf8String
        | Tag::PrintableString
        | Tag::Ia5String
        | Tag::NumericString
        | Tag::VisibleString => String::from_utf8(bytes.to_vec()).ok(),
        // In the field it is Latin-1, whatever T.61 says.
        Tag::TeletexString => Some(bytes.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let (units, rest) = bytes.as_chunks::<2>();
            let units = units.iter().copied().map(u16::from_be_bytes);
            let text = char::decode_utf16(units).collect::<Result<_, _>>().ok();
            text.filter(|_| rest.is_empty())
        }
        Tag::UniversalString => {
            let (units, rest) = bytes.as_chunks::<4>();
            let units = units.iter().copied().map(u32::from_be_bytes);
            let text = units.map(char::from_u32).collect();
            rest.is_empty().then_some(text).flatten()
        }
        _ => None,
    }
}

fn map(character: char) -> Option<char> {
    match character {
        // RFC 4518 section 2.2: soft hyphens, joiners, variation selectors, marks of
        // direction, and language tags say nothing.
        '\u{ad}' | '\u{34f}' | '\u{6dd}' | '\u{70f}' | '\u{1806}' | '\u{180b}'..='\u{180e}' => None,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2063}' => None,
        '\u{206a}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' => None,
        '\u{fff9}'..='\u{fffc}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' => None,
        '\u{e0020}'..='\u{e007f}' => None,
        space if space.is_whitespace() => Some(' '),
        control if control.is_control() => None,
        other => Some(other),
    }
}

fn beyond_ascii(text: &str) -> usize {
    text.chars()
        .filter(|character| !character.is_ascii())
        .count()
}

/// Through the capital: "ß" and "ss", "ς" and "σ" have one. A sigma is no other at the
/// end of a word.
fn fold(text: &str) -> String {
    let folded = text.to_uppercase().to_lowercase().replace('ς', "σ");
    let normalized = ComposingNormalizerBorrowed::new_nfkc().normalize(&folded);
    normalized.into_owned()
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::FromDer as _;

    use super::*;
    use crate::test_pki::tlv;

    const UTF8: u8 = 12;
    const PRINTABLE: u8 = 19;
    const TELETEX: u8 = 20;
    const IA5: u8 = 22;
    const UNIVERSAL: u8 = 28;
    const BMP: u8 = 30;

    const COMMON_NAME: u8 = 3;
    const ORGANIZATION: u8 = 10;

    fn attribute(kind: u8, tag: u8, value: &[u8]) -> Vec<u8> {
        let oid = tlv(0x06, &[0x55, 0x04, kind]);
        tlv(0x30, &[oid, tlv(tag, value)].concat())
    }

    fn read(relative_names: &[Vec<u8>]) -> Name {
        try_to_read(relative_names).unwrap()
    }

    fn try_to_read(relative_names: &[Vec<u8>]) -> Result<Name, NameError> {
        let relative_names = relative_names
            .iter()
            .map(|attributes| tlv(0x31, attributes));
        let der = tlv(0x30, &relative_names.collect::<Vec<_>>().concat());
        let (rest, name) = X509Name::from_der(&der).unwrap();
        assert!(rest.is_empty());
        Name::of(&name)
    }

    fn common_name(tag: u8, value: &[u8]) -> Name {
        read(&[attribute(COMMON_NAME, tag, value)])
    }

    #[test]
    fn one_name_in_another_string_type_case_or_spacing_is_one_name() {
        let plain = common_name(UTF8, b"Issuing 1");
        let wide: Vec<u8> = "Issuing 1"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        let wider = "Issuing 1".chars().flat_map(|c| u32::from(c).to_be_bytes());
        let wider: Vec<u8> = wider.collect();
        for (tag, value) in [
            (PRINTABLE, b"Issuing 1".as_slice()),
            (TELETEX, b"Issuing 1"),
            (IA5, b"Issuing 1"),
            (BMP, &wide),
            (UNIVERSAL, &wider),
            (UTF8, b"ISSUING 1"),
            (PRINTABLE, b"  issuing   1 "),
            (UTF8, "Issuing\u{a0}\t1".as_bytes()),
            (UTF8, "Iss\u{ad}uing\u{200b} 1\u{0}".as_bytes()),
            (UTF8, "Ｉｓｓｕｉｎｇ １".as_bytes()),
        ] {
            assert_eq!(
                common_name(tag, value),
                plain,
                "{tag} {}",
                value.escape_ascii()
            );
        }
    }

    #[test]
    fn letters_beyond_ascii_fold_in_whatever_form_they_are_written() {
        let plain = common_name(UTF8, "Téléphonie Straße ΣΣ".as_bytes());
        for same in [
            "TÉLÉPHONIE STRASSE ΣΣ",
            "te\u{301}le\u{301}phonie straße σς",
            "Te\u{301}le\u{301}phonie Stra\u{1e9e}e σσ",
        ] {
            assert_eq!(common_name(UTF8, same.as_bytes()), plain, "{same}");
        }
        let latin = common_name(TELETEX, b"T\xe9l\xe9phonie Stra\xdfe");
        assert_eq!(latin, common_name(UTF8, "Téléphonie Straße".as_bytes()));
    }

    #[test]
    fn other_names_stay_other_names() {
        let plain = common_name(UTF8, b"Issuing 1");
        for (tag, value) in [
            (UTF8, b"Issuing 2".as_slice()),
            (UTF8, b"Issuing1"),
            (UTF8, b"Issuing 1 1"),
            (UTF8, "Téléphonie".as_bytes()),
            // Not UTF-8, not UTF-16, no string at all: only like itself.
            (UTF8, b"Issuing 1\xff"),
            (BMP, b"Issuing 1"),
            (4, b"Issuing 1"),
        ] {
            assert_ne!(
                common_name(tag, value),
                plain,
                "{tag} {}",
                value.escape_ascii()
            );
            assert_eq!(common_name(tag, value), common_name(tag, value));
        }
        let accented = common_name(UTF8, "Téléphonie".as_bytes());
        assert_ne!(accented, common_name(UTF8, b"Telephonie"));
        assert_ne!(plain, read(&[attribute(ORGANIZATION, UTF8, b"Issuing 1")]));
        assert_ne!(plain, read(&[]));
    }

    #[test]
    fn relative_names_have_an_order_and_the_attributes_within_one_have_none() {
        let first = attribute(COMMON_NAME, UTF8, b"one");
        let second = attribute(ORGANIZATION, UTF8, b"two");
        let together = [first.clone(), second.clone()].concat();
        let reversed = [second.clone(), first.clone()].concat();
        let unordered = read(&[together]);
        assert_eq!(unordered, read(&[reversed]));
        let apart = read(&[first.clone(), second.clone()]);
        assert_ne!(apart, read(&[second, first]));
        assert_ne!(apart, unordered);
    }

    #[test]
    fn a_name_that_takes_longer_to_prepare_than_honest_ones_is_not_read() {
        let refusal = |parts: &[&str]| {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| attribute(COMMON_NAME, UTF8, part.as_bytes()))
                .collect();
            try_to_read(&parts).err()
        };
        let refused = Some(NameError::TooManyBeyondAscii);
        assert_eq!(refusal(&[&"n".repeat(450)]), None);
        assert_eq!(refusal(&["n"; 32]), None);
        assert_eq!(refusal(&["n"; 33]), Some(NameError::TooManyAttributes(33)));
        assert!(matches!(
            refusal(&[&"n".repeat(513)]),
            Some(NameError::TooLong(513..))
        ));
        assert_eq!(refusal(&[&"É".repeat(128)]), None);
        assert_eq!(refusal(&[&"É".repeat(129)]), refused);
        // The name counts, not each attribute; and what it folds to.
        assert_eq!(refusal(&[&"É".repeat(64), &"É".repeat(65)]), refused);
        assert_eq!(refusal(&["\u{fdfa}"; 7]), None);
        assert_eq!(refusal(&["\u{fdfa}"; 9]), refused);
        // Letters that fold to ASCII are work all the same.
        assert_eq!(refusal(&[&"\u{fb03}".repeat(129)]), refused);
    }

    #[test]
    fn a_name_that_was_written_down_is_read_back() {
        let name = common_name(UTF8, "Téléphonie 1".as_bytes());
        let text = serde_json::to_string(&name).unwrap();
        assert_eq!(serde_json::from_str::<Name>(&text).unwrap(), name);
        assert!(serde_json::from_str::<Name>("\"zz\"").is_err());
    }
}
