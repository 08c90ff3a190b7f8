//! Where a relay is, and whose requests it carries: `https://relay.example/cps-a`, or with
//! the CPS in front. Not here: whether it may be used.

use std::fmt;
use std::str::FromStr;

use pennyblack_base::authority::{Authority, AuthorityError};
use pennyblack_http::{ServiceUrl, ServiceUrlError};
use serde::{Deserialize, Serialize};

/// Most characters of the name that a relay has for a CPS.
const MAX_NAME: usize = 64;

/// Text that is not the address of a relay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelayAddressError {
    /// No name behind the host.
    #[error(
        "{0:?} is not the address of a relay: write its URL and the name that it has for the CPS, \
         for example https://relay.example/cps-a"
    )]
    Form(String),
    /// The URL.
    #[error("{0:?} is not the address of a relay: {1}")]
    Url(String, ServiceUrlError),
    /// The CPS in front of it.
    #[error("{0}")]
    Cps(#[from] AuthorityError),
}

/// The URL of one CPS at one relay. As text it is the URL; a CPS that is not the one that
/// the rest speaks of stands in front of it: `cps-b.example=https://relay.example/cps-b`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RelayAddress {
    cps: Option<Authority>,
    /// Its path is a slash and one name.
    url: ServiceUrl,
}

impl RelayAddress {
    /// The CPS that it names, if it names one.
    #[must_use]
    pub const fn cps(&self) -> Option<&Authority> {
        self.cps.as_ref()
    }

    /// The same for this CPS, unless it names one.
    #[must_use]
    pub fn or_for(mut self, cps: &Authority) -> Self {
        self.cps.get_or_insert_with(|| cps.clone());
        self
    }

    /// Who the relay is.
    #[must_use]
    pub const fn relay(&self) -> &Authority {
        self.url.service().authority()
    }

    /// Where requests for the CPS are sent.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.to_string()
    }
}

impl FromStr for RelayAddress {
    type Err = RelayAddressError;

    fn from_str(text: &str) -> Result<Self, RelayAddressError> {
        let form = || RelayAddressError::Form(text.to_owned());
        let (cps, url) = match text.split_once('=') {
            Some((cps, url)) => (Some(cps.parse()?), url),
            None => (None, text),
        };
        let url: ServiceUrl = url
            .parse()
            .map_err(|error| RelayAddressError::Url(text.to_owned(), error))?;
        let name = url.path().and_then(|path| path.strip_prefix('/'));
        let is_name = |name: &str| name.len() <= MAX_NAME && !name.contains('/');
        match name.is_some_and(is_name) {
            true => Ok(Self { cps, url }),
            false => Err(form()),
        }
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cps) = &self.cps {
            write!(f, "{cps}=")?;
        }
        self.url.fmt(f)
    }
}

impl From<RelayAddress> for String {
    fn from(address: RelayAddress) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for RelayAddress {
    type Error = RelayAddressError;

    fn try_from(text: String) -> Result<Self, RelayAddressError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_url_with_a_name_and_perhaps_a_cps_in_front() {
        for text in [
            "https://relay.example/cps-a",
            "https://relay.example:8443/a.example",
            "http://127.0.0.1:8731/cps",
            "cps-b.example=https://relay.example/cps-b",
        ] {
            let address: RelayAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        let address: RelayAddress = "b.example=https://relay.example/b".parse().unwrap();
        assert_eq!(address.cps().unwrap().as_str(), "b.example");
        assert_eq!(address.relay().as_str(), "relay.example");
        assert_eq!(address.url(), "https://relay.example/b");
        let other = "other.example".parse().unwrap();
        assert_eq!(address.clone().or_for(&other), address);
        let unnamed: RelayAddress = "https://relay.example/b".parse().unwrap();
        assert_eq!(unnamed.or_for(&other).cps(), Some(&other));
        for wrong in [
            "",
            "relay.example",
            "https://relay.example",
            "https://relay.example/",
            "https://relay.example/a/b",
            "https://relay.example/a?b",
            "https://relay.example/a%2f",
            "http://relay.example/a",
            "https://u@relay.example/a",
            "not an authority=https://relay.example/a",
        ] {
            assert!(wrong.parse::<RelayAddress>().is_err(), "{wrong}");
        }
    }
}
