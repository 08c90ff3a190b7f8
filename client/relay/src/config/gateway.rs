//! `[[gateway]]`: where requests are passed on to, as the operator says. Nothing of a
//! request enters here but the name, which is looked up.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use pennyblack_base::authority::Authority;
use pennyblack_base::service_paths::OHTTP_GATEWAY_PATH;
use pennyblack_http::ServiceUri;
use pennyblack_runtime::config::{ConfigurationError, TlsConfig};
use serde::{Deserialize, Serialize};

/// `[[gateway]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySection {
    /// Its name, which is the path of this relay for it.
    pub name: String,
    /// Where it takes requests.
    pub url: GatewayUrl,
    /// PEM file of the only CAs that are trusted for it. Default: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_roots: Option<PathBuf>,
    /// The certificate chain by which this relay shows who it is, leaf first. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<PathBuf>,
    /// The private key of its leaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
}

impl GatewaySection {
    /// Certificate and key, if this relay shows who it is.
    #[must_use]
    pub fn identity(&self) -> Option<TlsConfig> {
        Some(TlsConfig {
            certificate: self.client_certificate.clone()?,
            key: self.client_key.clone()?,
        })
    }

    pub(super) fn check(&self, own: &Authority) -> Result<(), ConfigurationError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if self.name.is_empty() || !self.name.bytes().all(is_plain) {
            return Err(ConfigurationError::refused(
                "gateway.name",
                format!("{:?} is no part of a path", self.name),
                "use letters, digits, '-' and '_'",
            ));
        }
        if self.client_certificate.is_some() != self.client_key.is_some() {
            return Err(ConfigurationError::refused(
                "gateway.client_key",
                "one of client_certificate and client_key is there without the other",
                "set both or none",
            ));
        }
        if is_one(self.url.service.authority(), own) {
            return Err(ConfigurationError::refused(
                "gateway.url",
                format!("{} is this relay, relay.authority", self.url),
                "name a gateway of another operator: one who runs both sees who asks for what",
            ));
        }
        Ok(())
    }
}

/// Whether both are one host. On this machine, where trials are made, also the ports tell.
fn is_one(one: &Authority, other: &Authority) -> bool {
    let (host, others) = (host(one), host(other));
    match ["localhost", "127.0.0.1", "[::1]"].contains(&host) {
        true => one == other,
        false => host == others,
    }
}

fn host(authority: &Authority) -> &str {
    let text = authority.as_str();
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => text,
    }
}

/// `https://host[:port]/path`, or `http://` to this machine. Without a path it is that of
/// RFC 9540.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct GatewayUrl {
    /// Scheme and authority.
    pub service: ServiceUri,
    /// The path.
    pub path: String,
}

impl FromStr for GatewayUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let start = text.find("://").map_or(0, |scheme| scheme + 3);
        let after = text.get(start..).unwrap_or_default();
        let end = after.find('/').map_or(text.len(), |path| start + path);
        let (service, path) = text.split_at(end);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if !path.bytes().all(is_plain) {
            return Err(format!(
                "{path:?} is no plain path: use letters, digits and -._~/"
            ));
        }
        Ok(Self {
            service: service.parse().map_err(|error| format!("{error}"))?,
            path: match path {
                "" | "/" => OHTTP_GATEWAY_PATH.to_owned(),
                path => path.to_owned(),
            },
        })
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.service, self.path)
    }
}

impl From<GatewayUrl> for String {
    fn from(url: GatewayUrl) -> Self {
        url.to_string()
    }
}

impl TryFrom<String> for GatewayUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
