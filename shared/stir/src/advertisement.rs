//! CPS advertisements (RFC 9888 section 4): a JSON object that says for some SPCs and numbers
//! at which CPS they are, such as `{"0-1234":"https://cps.example.com"}`. What it says is a
//! hint (`directory_hint`). RFC 9888 lets somebody sign it and says not how; a hint needs no
//! signature.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::directory_hint::DirectoryHint;
use super::hinted_cps::{HintedCps, HintedUriError};
use super::spc::{Spc, SpcError};
use super::tn_auth_list::TnEntry;
use crate::telephone_number::{NumberRange, TelephoneNumber, TelephoneNumberError};

/// Most bytes of an advertisement that are read.
pub const MAX_ADVERTISEMENT_SIZE: usize = 256 * 1024;

/// Most pairs of an advertisement that are read.
pub const MAX_ADVERTISED: usize = 1_000;

/// Text that is not an advertisement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdvertisementError {
    /// More bytes than are read.
    #[error("an advertisement has at most {MAX_ADVERTISEMENT_SIZE} bytes, not {0}")]
    TooLong(usize),
    /// Not a JSON object of strings; or one of its pairs is wrong.
    #[error("not a CPS advertisement (RFC 9888 section 4): {0}")]
    Json(String),
}

/// A name of a pair that is not a TNAuthList entry in RFC 9888's form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum EntryError {
    #[error("{0:?} is none of 0-SPC, 1-NUMBER-COUNT and 2-NUMBER")]
    Form(String),
    #[error("{0}")]
    Spc(#[from] SpcError),
    #[error("{0}")]
    Number(#[from] TelephoneNumberError),
}

/// What an advertisement says, each pair once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advertisement {
    pairs: Vec<(TnEntry, HintedCps)>,
}

impl Advertisement {
    /// Parses the JSON.
    ///
    /// # Errors
    /// [`AdvertisementError`].
    pub fn parse(json: &[u8]) -> Result<Self, AdvertisementError> {
        if json.len() > MAX_ADVERTISEMENT_SIZE {
            return Err(AdvertisementError::TooLong(json.len()));
        }
        let refused = |error: serde_json::Error| AdvertisementError::Json(error.to_string());
        let mut reader = serde_json::Deserializer::from_slice(json);
        let pairs = reader.deserialize_map(Pairs).map_err(refused)?;
        reader.end().map_err(refused)?;
        Ok(Self { pairs })
    }

    /// Says of `entry` that it is at `cps`, if nothing was said of it before.
    pub fn advertise(&mut self, entry: TnEntry, cps: HintedCps) {
        if !self.pairs.iter().any(|(own, _)| *own == entry) {
            self.pairs.push((entry, cps));
        }
    }

    /// How many pairs it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether it says nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// What it hints at.
    pub fn hints(&self) -> impl Iterator<Item = DirectoryHint> {
        self.pairs.iter().map(|(entry, cps)| DirectoryHint {
            of: vec![entry.clone()],
            cpss: vec![cps.clone()],
        })
    }
}

impl Serialize for Advertisement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.pairs.len()))?;
        for (entry, cps) in &self.pairs {
            map.serialize_entry(&name_of(entry), &cps.to_string())?;
        }
        map.end()
    }
}

/// As RFC 9888 writes a TNAuthList entry.
fn name_of(entry: &TnEntry) -> String {
    match entry {
        TnEntry::Spc(spc) => format!("0-{}", spc.as_str()),
        TnEntry::Numbers(range) if range.count() == 1 => format!("2-{}", range.start()),
        TnEntry::Numbers(range) => format!("1-{}-{}", range.start(), range.count()),
    }
}

fn entry_of(name: &str) -> Result<TnEntry, EntryError> {
    let form = || EntryError::Form(name.chars().take(80).collect());
    let (kind, value) = name.split_once('-').ok_or_else(form)?;
    let numbers = |start: &str, count| {
        let start = TelephoneNumber::from_canonical(start)?;
        Ok::<_, TelephoneNumberError>(TnEntry::Numbers(NumberRange::new(start, count)?))
    };
    match kind {
        "0" => Ok(TnEntry::Spc(value.parse::<Spc>()?)),
        "1" => {
            let (start, count) = value.split_once('-').ok_or_else(form)?;
            let is_plain = count.bytes().all(|byte| byte.is_ascii_digit());
            let count = count.parse().ok().filter(|_| is_plain);
            // RFC 8226: a range has at least two numbers.
            let count = count.filter(|count: &u64| *count >= 2).ok_or_else(form)?;
            Ok(numbers(start, count)?)
        }
        "2" => Ok(numbers(value, 1)?),
        _ => Err(form()),
    }
}

/// Reads the object pair by pair: a map would keep the last of two equal names in silence.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(TnEntry, HintedCps)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of 1 to {MAX_ADVERTISED} pairs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut pairs, mut names) = (Vec::new(), HashSet::new());
        while let Some((name, uri)) = map.next_entry::<String, String>()? {
            if pairs.len() == MAX_ADVERTISED {
                return Err(A::Error::invalid_length(pairs.len() + 1, &self));
            }
            let entry = entry_of(&name).map_err(A::Error::custom)?;
            if !names.insert(name_of(&entry).to_ascii_uppercase()) {
                return Err(A::Error::custom(format!("{entry} is there twice")));
            }
            let cps = uri.parse();
            let cps = cps.map_err(|error: HintedUriError| A::Error::custom(error))?;
            pairs.push((entry, cps));
        }
        match pairs.is_empty() {
            true => Err(A::Error::invalid_length(0, &self)),
            false => Ok(pairs),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Result<Advertisement, String> {
        Advertisement::parse(json.as_bytes()).map_err(|error| error.to_string())
    }

    /// The two examples of RFC 9888 section 4, letter by letter, and the third kind of entry
    /// that it names.
    #[test]
    fn the_examples_of_the_rfc_are_read_and_written() {
        for json in [
            r#"{"0-1234":"https://cps.example.com"}"#,
            r#"{"1-15714341000-99":"https://cps.example.com"}"#,
            r#"{"0-683G":"https://a.example/oob","2-15714341000":"https://b.example:8443"}"#,
        ] {
            let advertisement = read(json).unwrap();
            assert_eq!(serde_json::to_string(&advertisement).unwrap(), json);
        }
        let spaced = read(r#"{ "0-1234":"https://cps.example.com" }"#).unwrap();
        let hint = spaced.hints().next().unwrap();
        assert_eq!(hint.of, [TnEntry::Spc("1234".parse().unwrap())]);
        assert_eq!(hint.cpss[0].to_string(), "https://cps.example.com");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (json, said) in [
            ("{}", "1 to 1000 pairs"),
            ("[]", "an object"),
            (r#"{"0-1234":1}"#, "string"),
            (r#"{"0-1234":"http://cps.example"}"#, "https"),
            (r#"{"0-12 4":"https://a"}"#, "service provider code"),
            (r#"{"1-1571-1":"https://a"}"#, "1-NUMBER-COUNT"),
            (r#"{"1-1571":"https://a"}"#, "1-NUMBER-COUNT"),
            (r#"{"1-1571-+2":"https://a"}"#, "1-NUMBER-COUNT"),
            (r#"{"1-9999-2":"https://a"}"#, "do not fit"),
            (r#"{"2-+1571":"https://a"}"#, "telephone number"),
            (r#"{"3-1571":"https://a"}"#, "0-SPC"),
            (r#"{"0-683G":"https://a","0-683g":"https://b"}"#, "twice"),
            (r#"{"0-1234":"https://a"} x"#, "trailing"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(said), "{json}: {error}");
        }
        let many: Vec<_> = (0..=MAX_ADVERTISED)
            .map(|n| format!(r#""2-1{n:05}":"https://a""#))
            .collect();
        let json = format!("{{{}}}", many.join(","));
        assert!(read(&json).unwrap_err().contains("1 to 1000 pairs"));
        let long = vec![b' '; MAX_ADVERTISEMENT_SIZE + 1];
        let refused = Advertisement::parse(&long);
        assert!(matches!(refused, Err(AdvertisementError::TooLong(_))));
    }

    fn entries() -> impl Strategy<Value = TnEntry> {
        let spc = "[0-9A-Z]{1,16}".prop_map(|spc| TnEntry::Spc(spc.parse().unwrap()));
        let numbers = ("1[0-9]{3,9}", 1_u64..50).prop_filter_map("fits", |(start, count)| {
            let range = NumberRange::new(start.parse().ok()?, count).ok()?;
            Some(TnEntry::Numbers(range))
        });
        prop_oneof![spc, numbers]
    }

    proptest! {
        #[test]
        fn an_advertisement_is_read_as_it_was_written(
            pairs in proptest::collection::vec((entries(), "https://[a-z]{1,9}(/[a-z]{0,5})?"), 1..20),
        ) {
            let mut made = Advertisement::default();
            for (entry, uri) in pairs {
                made.advertise(entry, uri.parse().unwrap());
            }
            let json = serde_json::to_vec(&made).unwrap();
            prop_assert_eq!(Advertisement::parse(&json), Ok(made));
        }

        #[test]
        fn no_text_makes_the_parser_panic(
            json in "[{\"]{0,2}[012]-[0-9A-Z#-]{0,9}[\":]{0,3}https://\\PC{0,9}[\"}]{0,2}",
        ) {
            let _ = Advertisement::parse(json.as_bytes());
        }
    }
}
