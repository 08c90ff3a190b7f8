//! The URL of a signer's certificate, and the rules that keep an
//! attacker-chosen URL harmless as far as its text can (ATIS-1000074 section
//! 5.3.1). Not here: fetching, redirects (none are to be followed), and which
//! addresses a name may lead to.

use std::fmt;
use std::str::FromStr;

use pennyblack_base::authority::{Authority, AuthorityError};

/// Longest URL that is taken, in bytes.
const MAX_SIZE: usize = 1024;

const SCHEME: &str = "https://";

/// A URL that is not to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum X5uError {
    /// Longer than any in the field.
    #[error("a certificate URL of {0} bytes, at most {MAX_SIZE} are taken")]
    TooLong(usize),
    /// Plain HTTP, or another scheme.
    #[error("{0:?} is not an https URL")]
    Scheme(String),
    /// User name or password in front of the host.
    #[error("{0:?} has a user name in it")]
    UserInfo(String),
    /// No host, or not one.
    #[error("{url:?}: {error}")]
    Host {
        /// The URL.
        url: String,
        /// What is wrong with its host or port.
        error: AuthorityError,
    },
    /// Another port than 443 and 8443.
    #[error("{url:?} uses port {port}, certificates are fetched from 443 and 8443 only")]
    Port {
        /// The URL.
        url: String,
        /// Its port.
        port: String,
    },
    /// A query or a fragment.
    #[error("{0:?} has a query or a fragment")]
    QueryOrFragment(String),
    /// White space, control characters, or others that a URL path has not.
    #[error("{0:?} has characters that are not allowed in a URL")]
    Characters(String),
}

/// The URL of a certificate chain: `https`, port 443 or 8443, no user name, no
/// query, no fragment. It keeps the spelling it came in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct X5u {
    url: String,
    authority: Authority,
}

impl X5u {
    /// The URL as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Whether both lead to the same certificate: scheme and host are compared without
    /// case, and port 443 is the one that is left out (RFC 3986 section 6.2).
    #[must_use]
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.authority == other.authority && self.path() == other.path()
    }

    fn path(&self) -> &str {
        let after_scheme = strip_scheme(&self.url).unwrap_or_default();
        let slash = after_scheme.find('/');
        slash.and_then(|at| after_scheme.get(at..)).unwrap_or("/")
    }

    /// The host to ask, with its port unless that is 443.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl FromStr for X5u {
    type Err = X5uError;

    fn from_str(url: &str) -> Result<Self, X5uError> {
        if url.len() > MAX_SIZE {
            return Err(X5uError::TooLong(url.len()));
        }
        let rest = strip_scheme(url).ok_or_else(|| X5uError::Scheme(url.to_owned()))?;
        if rest.contains(['?', '#']) {
            return Err(X5uError::QueryOrFragment(url.to_owned()));
        }
        if !rest.bytes().all(belongs_into_url) {
            return Err(X5uError::Characters(url.to_owned()));
        }
        let host = rest.split_once('/').map_or(rest, |(host, _)| host);
        if host.contains('@') {
            return Err(X5uError::UserInfo(url.to_owned()));
        }
        let authority = host.parse().map_err(|error| X5uError::Host {
            url: url.to_owned(),
            error,
        })?;
        check_port(url, &authority)?;
        Ok(Self {
            url: url.to_owned(),
            authority,
        })
    }
}

impl fmt::Display for X5u {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

fn strip_scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(rest)
}

/// The normalized authority has a port only when that is not 443.
fn check_port(url: &str, authority: &Authority) -> Result<(), X5uError> {
    let after_address = authority
        .as_str()
        .rsplit_once(']')
        .map_or(authority.as_str(), |(_, rest)| rest);
    match after_address.rsplit_once(':') {
        None | Some((_, "8443")) => Ok(()),
        Some((_, port)) => Err(X5uError::Port {
            url: url.to_owned(),
            port: port.to_owned(),
        }),
    }
}

/// RFC 3986's characters without `?` and `#`, which have been seen to before. A
/// backslash is not among them: browsers' parsers read it as a slash.
const fn belongs_into_url(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_certificate_urls_are_taken_as_they_are() {
        for url in [
            "https://cert.example.org/passport.cer",
            "https://cr.example.com:8443/a/b.pem",
            "https://cr.example.com:443/a",
            "HTTPS://Cert.Example.org",
            "https://[2001:db8::1]:8443/c",
        ] {
            assert_eq!(url.parse::<X5u>().unwrap().as_str(), url);
        }
    }

    #[test]
    fn a_url_is_the_same_in_another_case_of_scheme_and_host_and_of_nothing_else() {
        let url = |text: &str| text.parse::<X5u>().unwrap();
        let one = url("https://cert.example.org/P.pem");
        for same in [
            "HTTPS://Cert.EXAMPLE.org/P.pem",
            "https://cert.example.org:443/P.pem",
        ] {
            assert!(one.is_equivalent(&url(same)), "{same}");
        }
        for other in [
            "https://cert.example.org/p.pem",
            "https://cert.example.org:8443/P.pem",
            "https://cert.example.org",
            "https://cert.example.net/P.pem",
        ] {
            assert!(!one.is_equivalent(&url(other)), "{other}");
        }
        assert!(url("https://a.example").is_equivalent(&url("https://A.example/")));
    }

    #[test]
    fn every_rule_has_a_refusal_of_its_own() {
        let refusal = |url: &str| url.parse::<X5u>().unwrap_err();
        assert!(matches!(refusal("http://a.example/c"), X5uError::Scheme(_)));
        assert!(matches!(refusal("file:///etc/c"), X5uError::Scheme(_)));
        assert!(matches!(
            refusal("https://u:p@a.example/c"),
            X5uError::UserInfo(_)
        ));
        assert!(matches!(
            refusal("https://a.example@b.example/"),
            X5uError::UserInfo(_)
        ));
        assert!(matches!(
            refusal("https://a.example:8080/c"),
            X5uError::Port { .. }
        ));
        assert!(matches!(
            refusal("https://[::1]:80/c"),
            X5uError::Port { .. }
        ));
        assert!(matches!(
            refusal("https://a.example/c?d"),
            X5uError::QueryOrFragment(_)
        ));
        assert!(matches!(
            refusal("https://a.example/c#d"),
            X5uError::QueryOrFragment(_)
        ));
        assert!(matches!(
            refusal("https://a.example\\@b.example/"),
            X5uError::Characters(_)
        ));
        assert!(matches!(
            refusal("https://a.example/ c"),
            X5uError::Characters(_)
        ));
        assert!(matches!(refusal("https:///c"), X5uError::Host { .. }));
        let long = format!("https://a.example/{}", "c".repeat(MAX_SIZE));
        assert!(matches!(refusal(&long), X5uError::TooLong(_)));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(url in "(https://)?\\PC{0,40}") {
            if let Ok(parsed) = url.parse::<X5u>() {
                prop_assert_eq!(parsed.as_str(), url);
            }
        }
    }
}
