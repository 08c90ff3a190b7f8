//! Where a service is, and by which name it is known in what is signed.

use std::fmt;
use std::str::FromStr;

use pennyblack_base::authority::{Authority, AuthorityError};
use pennyblack_base::cps_uri::{CpsUri, CpsUriError};
use serde::{Deserialize, Serialize};

/// `https://host[:port]`, or `http://` to a loopback address, nothing behind it.
pub type ServiceUri = CpsUri;

/// Text that is not the address of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceAddressError {
    /// The URL.
    #[error("{0}")]
    Uri(#[from] CpsUriError),
    /// The name in front of it.
    #[error("{0}")]
    Authority(#[from] AuthorityError),
}

/// A service's URL, and the authority by which tokens and signatures name it.
///
/// As text it is the URL, from which the authority follows; or, where a service
/// is known by another name than it is reached by (behind a tunnel, or in a
/// test), `authority=URL`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ServiceAddress {
    authority: Authority,
    uri: ServiceUri,
}

impl ServiceAddress {
    /// The name.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The URL by which others reach it. That of a service known by another name
    /// than it is reached by here is made of that name.
    ///
    /// # Errors
    /// [`CpsUriError`] when the name makes no URL.
    pub fn public_uri(&self) -> Result<ServiceUri, CpsUriError> {
        if self.uri.authority() == &self.authority {
            return Ok(self.uri.clone());
        }
        format!("https://{}", self.authority).parse()
    }

    /// The URL of `path`, which begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.uri)
    }
}

impl From<ServiceUri> for ServiceAddress {
    fn from(uri: ServiceUri) -> Self {
        Self {
            authority: uri.authority().clone(),
            uri,
        }
    }
}

impl FromStr for ServiceAddress {
    type Err = ServiceAddressError;

    fn from_str(text: &str) -> Result<Self, ServiceAddressError> {
        match text.split_once('=') {
            Some((authority, uri)) => Ok(Self {
                authority: authority.parse()?,
                uri: uri.parse()?,
            }),
            None => Ok(text.parse::<ServiceUri>()?.into()),
        }
    }
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.uri.authority() == &self.authority {
            self.uri.fmt(f)
        } else {
            write!(f, "{}={}", self.authority, self.uri)
        }
    }
}

impl From<ServiceAddress> for String {
    fn from(address: ServiceAddress) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for ServiceAddress {
    type Error = ServiceAddressError;

    fn try_from(text: String) -> Result<Self, ServiceAddressError> {
        text.parse()
    }
}
