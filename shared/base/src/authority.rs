//! The name under which a service is reached, in the one spelling that enters
//! signatures and sealed forms: RFC 9421's `@authority`. Not here: URLs, and
//! looking names up.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest authority: a DNS name (253 characters), a colon and a port.
const MAX_SIZE: usize = 259;

/// A service's host, with its port unless that is 443: lower-case ASCII, as
/// RFC 9421 section 2.2.3 normalizes it.
///
/// A service knows its own authority from its configuration and never takes it
/// from a request; that is what ties a signed or sealed thing to one service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Authority(String);

/// Text that is not a host with an optional port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// Empty, or longer than a DNS name with a port.
    #[error("an authority has 1 to {MAX_SIZE} characters, not {0}")]
    Length(usize),
    /// A scheme, path, user name, white space or other foreign character.
    #[error("{0:?} is not an authority: write host or host:port, for example cps.example.net:8443")]
    Form(String),
    /// The port is not 1 to 65535.
    #[error("{0:?} is not a port")]
    Port(String),
}

impl Authority {
    /// The normalized text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The normalized text as bytes, for `aad`.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for Authority {
    type Err = AuthorityError;

    fn from_str(text: &str) -> Result<Self, AuthorityError> {
        if text.is_empty() || text.len() > MAX_SIZE {
            return Err(AuthorityError::Length(text.len()));
        }
        let (host, port) = split_port(text);
        let host = one_spelling(host).ok_or_else(|| AuthorityError::Form(text.to_owned()))?;
        match port.map(parse_port).transpose()? {
            None | Some(443) => Ok(Self(host)),
            Some(port) => Ok(Self(format!("{host}:{port}"))),
        }
    }
}

/// Splits at the colon before the port; colons inside `[…]` are an IPv6 address's.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

fn parse_port(text: &str) -> Result<u16, AuthorityError> {
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if all_digits && port != 0 => Ok(port),
        _ => Err(AuthorityError::Port(text.to_owned())),
    }
}

fn one_spelling(host: &str) -> Option<String> {
    if let Some(inside) = host.strip_prefix('[') {
        let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let is_label = |label: &str| {
        let is_label_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(is_label_byte)
    };
    let host = host.to_ascii_lowercase();
    let is_good = host.split('.').all(is_label);
    // What resolvers take for an address has other spellings: 127.1, 0x7f000001.
    let is_number = host.rsplit('.').next().is_some_and(is_number);
    (is_good && (!is_number || host.parse::<Ipv4Addr>().is_ok())).then_some(host)
}

/// Whether a host that ends in this label is an address (URL Standard, "ends in a number").
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl TryFrom<String> for Authority {
    type Error = AuthorityError;

    fn try_from(text: String) -> Result<Self, AuthorityError> {
        text.parse()
    }
}

impl From<Authority> for String {
    fn from(authority: Authority) -> Self {
        authority.0
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_the_default_port_do_not_matter() {
        for spelling in ["cps.example.net", "CPS.Example.NET", "cps.example.net:443"] {
            assert_eq!(
                spelling.parse::<Authority>().unwrap().as_str(),
                "cps.example.net"
            );
        }
    }

    #[test]
    fn other_ports_and_addresses_stay() {
        for text in ["127.0.0.1:8443", "[::1]:8080", "[::1]", "localhost:80"] {
            assert_eq!(text.parse::<Authority>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn an_address_has_one_spelling() {
        for spelling in ["[::1]:8080", "[0:0::0:1]:8080", "[0000::0001]:8080"] {
            assert_eq!(
                spelling.parse::<Authority>().unwrap().as_str(),
                "[::1]:8080"
            );
        }
    }

    #[test]
    fn whatever_is_more_than_an_authority_is_refused() {
        for text in [
            "",
            ":80",
            "https://a",
            "a/b",
            "a b",
            "u@a",
            "a:0",
            "a:+1",
            "a:65536",
            "a:",
            "a\n",
            "[::1",
            "::1",
            "ä.example",
            "a.example.",
            "a..example",
            ".example",
            "127.1",
            "2130706433",
            "0x7f000001",
            "127.0.0.01",
            "127.0.0.1.",
        ] {
            assert!(text.parse::<Authority>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_normalized_stays_as_it_is(text in "\\PC{0,40}") {
            if let Ok(authority) = text.parse::<Authority>() {
                prop_assert_eq!(authority.as_str().parse(), Ok(authority));
            }
        }
    }
}
