//! A URL of a service that has a path: of a relay, or of what a relay passes requests to.

use std::fmt;
use std::str::FromStr;

use pennyblack_base::cps_uri::CpsUriError;
use serde::{Deserialize, Serialize};

use super::service_address::ServiceUri;

/// `https://host[:port]/path`, or `http://` to this machine; no query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ServiceUrl {
    service: ServiceUri,
    path: String,
}

/// Text that is no such URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceUrlError {
    /// What is before the path.
    #[error(transparent)]
    Service(#[from] CpsUriError),
    /// The path.
    #[error("{0:?} is no plain path: use letters, digits and -._~/, without a query")]
    Path(String),
}

impl ServiceUrl {
    /// Scheme and authority.
    #[must_use]
    pub const fn service(&self) -> &ServiceUri {
        &self.service
    }

    /// The path, which begins with a slash; nothing if the URL has none.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        (self.path.len() > 1).then_some(self.path.as_str())
    }
}

impl FromStr for ServiceUrl {
    type Err = ServiceUrlError;

    fn from_str(text: &str) -> Result<Self, ServiceUrlError> {
        let start = text.find("://").map_or(0, |scheme| scheme + 3);
        let path = text.get(start..).and_then(|after| after.find('/'));
        let (service, path) = text.split_at(path.map_or(text.len(), |path| start + path));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if !path.bytes().all(is_plain) {
            return Err(ServiceUrlError::Path(path.to_owned()));
        }
        Ok(Self {
            service: service.parse()?,
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.service, self.path)
    }
}

impl From<ServiceUrl> for String {
    fn from(url: ServiceUrl) -> Self {
        url.to_string()
    }
}

impl TryFrom<String> for ServiceUrl {
    type Error = ServiceUrlError;

    fn try_from(text: String) -> Result<Self, ServiceUrlError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_service_and_a_plain_path_or_none() {
        for (text, whole, path) in [
            ("https://CPS.example:443", "https://cps.example", None),
            ("https://cps.example/", "https://cps.example/", None),
            (
                "https://cps.example/a/b",
                "https://cps.example/a/b",
                Some("/a/b"),
            ),
            ("http://127.0.0.1:1/a", "http://127.0.0.1:1/a", Some("/a")),
        ] {
            let url: ServiceUrl = text.parse().unwrap();
            assert_eq!((url.to_string().as_str(), url.path()), (whole, path));
        }
        for text in [
            "",
            "cps.example/a",
            "http://cps.example/a",
            "https://u@cps.example/a",
            "https://cps.example/a?b",
            "https://cps.example/a b",
            "https://cps.example?b",
            "https:///a",
        ] {
            assert!(text.parse::<ServiceUrl>().is_err(), "{text:?}");
        }
    }
}
