//! The address of a CPS as a key record gives it: a scheme and an authority,
//! nothing behind it. The paths are the protocol's.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::authority::{Authority, AuthorityError};

/// Text that is not the address of a CPS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpsUriError {
    /// Neither `https` nor `http` on this machine.
    #[error("{0:?} must begin with https:// (http:// is taken for loopback addresses only)")]
    Scheme(String),
    /// A path, query, user name, or a host that is none.
    #[error("{0}")]
    Authority(#[from] AuthorityError),
}

/// `https://host[:port]`, or for trials on one machine `http://` with a loopback
/// address or `localhost`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CpsUri {
    scheme: &'static str,
    authority: Authority,
}

impl CpsUri {
    /// The host and port, which also enter what is sealed and signed for it.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl FromStr for CpsUri {
    type Err = CpsUriError;

    fn from_str(text: &str) -> Result<Self, CpsUriError> {
        let (scheme, rest) = if let Some(rest) = text.strip_prefix("https://") {
            ("https://", rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            ("http://", rest)
        } else {
            return Err(CpsUriError::Scheme(text.to_owned()));
        };
        let authority: Authority = rest.strip_suffix('/').unwrap_or(rest).parse()?;
        if scheme == "http://" && !is_loopback(&authority) {
            return Err(CpsUriError::Scheme(text.to_owned()));
        }
        Ok(Self { scheme, authority })
    }
}

fn is_loopback(authority: &Authority) -> bool {
    let text = authority.as_str();
    let host = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => text,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

impl fmt::Display for CpsUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.scheme, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for text in [
            "https://cps.example.net",
            "https://cps.example.net:8443",
            "http://127.0.0.1:8080",
            "http://[::1]:80",
            "http://localhost:8080",
        ] {
            assert_eq!(text.parse::<CpsUri>().unwrap().to_string(), text);
        }
        for text in [
            "http://cps.example.net",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "cps.example.net",
            "https://u@a",
            "https://a/b",
            "https://",
        ] {
            assert!(text.parse::<CpsUri>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_written_so_that_it_is_taken_again(text in "(https?://)?\\PC{0,30}") {
            if let Ok(uri) = text.parse::<CpsUri>() {
                prop_assert_eq!(uri.to_string().parse(), Ok(uri));
            }
        }
    }
}
