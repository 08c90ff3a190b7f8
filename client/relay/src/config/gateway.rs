//! `[[gateway]]`: where requests are passed on to, as the operator says. Nothing of a
//! request enters here but the name, which is looked up.

use std::path::PathBuf;

use pennyblack_base::authority::Authority;
use pennyblack_base::service_paths::OHTTP_GATEWAY_PATH;
use pennyblack_http::ServiceUrl;
use pennyblack_runtime::config::{ConfigurationError, TlsConfig};
use serde::{Deserialize, Serialize};

/// `[[gateway]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySection {
    /// Its name, which is the path of this relay for it.
    pub name: String,
    /// Where it takes requests. The path is that of RFC 9540 if the URL has none.
    pub url: ServiceUrl,
    /// PEM file of the only CAs that are trusted for it. Default: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_roots: Option<PathBuf>,
    /// The certificate chain by which this relay shows who it is, leaf first. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<PathBuf>,
    /// The private key of its leaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
    /// How many bytes of requests one connection to it takes before a new one does. Default:
    /// `forward.replace_after_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace_after_bytes: Option<ReplaceAfterBytes>,
}

/// After how many bytes of requests a connection is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number of bytes, or \"never\"")]
pub enum ReplaceAfterBytes {
    /// After so many.
    Bytes(u64),
    /// Whatever it has taken: for a gateway that knows this relay, and ends no connection of it.
    Never(Never),
}

/// The word of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Never {
    /// `never`.
    Never,
}

impl ReplaceAfterBytes {
    /// Most bytes that a connection takes.
    pub(super) const fn most(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Never(Never::Never) => u64::MAX,
        }
    }
}

impl GatewaySection {
    /// The path of the URL, or that of RFC 9540.
    pub(crate) fn path(&self) -> &str {
        self.url.path().unwrap_or(OHTTP_GATEWAY_PATH)
    }

    /// Certificate and key, if this relay shows who it is.
    pub(crate) fn identity(&self) -> Option<TlsConfig> {
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
        if is_one(self.url.service().authority(), own) {
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
