//! Where others say that a directory of keys is: the CPS of some numbers, named by a
//! certificate (`cps_uri`) or by an advertisement (`advertisement`). **A hint is no address
//! and no authority**: it can be compared with CPSs that are known from elsewhere, and says
//! nothing of a key. Not here: which CPSs are known.

use std::fmt;
use std::str::FromStr;

use pennyblack_base::authority::{Authority, AuthorityError};

use super::certificate::Certificate;
use super::cps_uri::{CpsUriError, parse_cps_uris};
use super::object_identifier::ObjectIdentifier;
use super::tn_auth_list::TnEntry;
use crate::numbering::NumberingTable;
use crate::telephone_number::TelephoneNumber;

/// Longest URI of a CPS that is read, in bytes.
pub const MAX_HINTED_URI_SIZE: usize = 2_048;

/// Text that is not the URI of a CPS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HintedUriError {
    /// Not an absolute https URI, or too long.
    #[error("{0:?} is not an https URI of at most {MAX_HINTED_URI_SIZE} bytes without a fragment")]
    Form(String),
    /// Its host.
    #[error("{uri:?} names no CPS: {why}")]
    Host {
        /// The URI's first characters.
        uri: String,
        /// What is wrong.
        why: AuthorityError,
    },
}

/// A CPS as a hint names it: an absolute https URI, perhaps with a path (the root of its
/// interface). **No address can be made of it.** Who wants to connect takes the address of a
/// CPS that is known already, and that this one [`names`](Self::names).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HintedCps {
    uri: Box<str>,
    authority: Authority,
}

impl HintedCps {
    /// Whether this CPS is meant: the same host and port. A path does not matter, since the
    /// interface of another kind of CPS has one.
    #[must_use]
    pub fn names(&self, cps: &Authority) -> bool {
        self.authority == *cps
    }
}

impl FromStr for HintedCps {
    type Err = HintedUriError;

    fn from_str(uri: &str) -> Result<Self, HintedUriError> {
        let start = || uri.chars().take(80).collect();
        let is_graphic = uri.bytes().all(|byte| byte.is_ascii_graphic());
        let rest = uri.strip_prefix("https://").filter(|_| is_graphic);
        let rest = rest.filter(|rest| uri.len() <= MAX_HINTED_URI_SIZE && !rest.contains('#'));
        let rest = rest.ok_or_else(|| HintedUriError::Form(start()))?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let authority = authority.parse();
        let authority = authority.map_err(|why| HintedUriError::Host { uri: start(), why })?;
        Ok(Self {
            uri: uri.into(),
            authority,
        })
    }
}

impl fmt::Display for HintedCps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

/// What somebody says: the directory of these numbers is at one of these CPSs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryHint {
    /// Whose numbers; at least one entry.
    pub of: Vec<TnEntry>,
    /// The CPSs, the preferred one first; at least one.
    pub cpss: Vec<HintedCps>,
}

impl DirectoryHint {
    /// What a certificate says by the extension `oid`, if it has that and a TNAuthList. Nobody
    /// has checked the certificate, and nobody needs to: nothing follows from a hint.
    ///
    /// # Errors
    /// [`CpsUriError`].
    pub fn of_certificate(
        certificate: &Certificate,
        oid: &ObjectIdentifier,
    ) -> Result<Option<Self>, CpsUriError> {
        let extension = certificate.extension(oid.as_str());
        let (Some(value), Some(list)) = (extension, certificate.tn_auth_list()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            of: list.entries().to_vec(),
            cpss: parse_cps_uris(value)?,
        }))
    }

    /// How many numbers the narrowest entry has that covers `number`; nothing if none does.
    /// An SPC covers what `numbering` says that it holds, and comes after all ranges.
    #[must_use]
    pub fn breadth_for(
        &self,
        number: &TelephoneNumber,
        numbering: Option<&NumberingTable>,
    ) -> Option<u64> {
        let breadths = self.of.iter().filter_map(|entry| match entry {
            TnEntry::Numbers(range) => range.contains(number).then(|| range.count()),
            TnEntry::Spc(spc) => numbering?.holds(spc, number).then_some(u64::MAX),
        });
        breadths.min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::telephone_number::NumberRange;

    #[test]
    fn a_path_and_the_case_of_a_host_do_not_make_another_cps() {
        let cps = "cps.example:8443".parse().unwrap();
        for same in [
            "https://cps.example:8443",
            "https://CPS.example:8443/",
            "https://cps.example:8443/oob/v1?x=1",
        ] {
            assert!(same.parse::<HintedCps>().unwrap().names(&cps), "{same}");
        }
        for other in ["https://cps.example", "https://cps.example.net:8443"] {
            assert!(!other.parse::<HintedCps>().unwrap().names(&cps), "{other}");
        }
    }

    #[test]
    fn what_is_no_https_uri_is_no_hint() {
        let long = format!("https://cps.example/{}", "a".repeat(2_048));
        for wrong in [
            "http://cps.example",
            "cps.example",
            "https://",
            "https://a b",
            "https://user@cps.example",
            "https://cps.example/#x",
            "https://cps.example/ä",
            &long,
        ] {
            assert!(wrong.parse::<HintedCps>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_narrowest_entry_counts_and_an_spc_needs_a_table() {
        let range = |start: &str, count| {
            let start = start.parse().unwrap();
            TnEntry::Numbers(NumberRange::new(start, count).unwrap())
        };
        let hint = DirectoryHint {
            of: vec![
                TnEntry::Spc("683G".parse().unwrap()),
                range("12155550100", 100),
                range("12155550000", 1_000),
            ],
            cpss: vec!["https://cps.example".parse().unwrap()],
        };
        let table = NumberingTable::parse(b"spc,first,count\n683G,12155560000,10\n").unwrap();
        let breadth = |number: &str, table| hint.breadth_for(&number.parse().unwrap(), table);
        assert_eq!(breadth("12155550150", None), Some(100));
        assert_eq!(breadth("12155550250", None), Some(1_000));
        assert_eq!(breadth("12155560001", None), None);
        assert_eq!(breadth("12155560001", Some(&table)), Some(u64::MAX));
    }

    proptest! {
        #[test]
        fn a_hint_is_written_as_it_was_read(text in "(https://)?\\PC{0,40}") {
            if let Ok(hint) = text.parse::<HintedCps>() {
                prop_assert_eq!(hint.to_string(), text);
            }
        }
    }
}
