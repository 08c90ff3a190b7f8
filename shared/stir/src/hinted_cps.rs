//! A CPS as a hint names it. **No address can be made of it.** Not here: of which numbers it is
//! said (`directory_hint`).

use std::fmt;
use std::str::FromStr;

use pennyblack_base::authority::{Authority, AuthorityError};

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
        // RFC 9110 section 4.2.3: a scheme is written in either case.
        let (scheme, rest) = uri.split_once("://").unwrap_or_default();
        let rest = Some(rest).filter(|_| is_graphic && scheme.eq_ignore_ascii_case("https"));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_and_the_case_of_a_host_do_not_make_another_cps() {
        let cps = "cps.example:8443".parse().unwrap();
        for same in [
            "https://cps.example:8443",
            "https://CPS.example:8443/",
            "HTTPS://cps.example:8443",
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
            "xhttps://cps.example",
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

    proptest! {
        #[test]
        fn a_hint_is_written_as_it_was_read(text in "(https://)?\\PC{0,40}") {
            if let Ok(hint) = text.parse::<HintedCps>() {
                prop_assert_eq!(hint.to_string(), text);
            }
        }
    }
}
