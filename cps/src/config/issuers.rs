//! `[[issuer]]`: whose tokens are taken, and which of them.

use std::collections::HashSet;
use std::path::PathBuf;

use pennyblack_base::authority::Authority;
use pennyblack_evidence::key_log_view::{Demand, LogPolicy};
use pennyblack_runtime::config::{ConfigurationError, is_safe_url};
use pennyblack_tlog::VerifierKey;
use serde::{Deserialize, Serialize};

use crate::challenges::AcceptedTokens;

/// `[[issuer]]`: one issuer whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// The issuer's authority, as it stands in challenges.
    pub authority: Authority,
    /// Where its directory is fetched: `https://` and a host, or `http://` on this
    /// machine. Default: `https://` and the authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Root certificates (PEM) for its TLS, in place of the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_roots: Option<PathBuf>,
    /// The issuer's directory of keys, to take its VOPRF tokens: only for an issuer
    /// of the same operator, since every reader of it can make tokens. Default: none,
    /// and only blind RSA tokens are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voprf_keys: Option<PathBuf>,
    /// Whether a new key must be in the issuer's log: required, published (if the
    /// issuer has, or ever had, a log) or off. Default: published.
    #[serde(default)]
    pub log: Demand,
    /// The verifier key of that log; with it the log is required. Default: the
    /// first that the issuer shows, and no other from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_key: Option<VerifierKey>,
    /// Which of its tokens are taken: own (drawn for this CPS), federation (good once at
    /// each CPS that takes them) or both. Default: own.
    #[serde(default)]
    pub tokens: AcceptedTokens,
}

impl IssuerConfig {
    pub(crate) fn log_policy(&self) -> LogPolicy {
        LogPolicy::new(self.log, self.log_key.clone())
    }

    /// Where the issuer is asked.
    #[must_use]
    pub fn url(&self) -> String {
        let default = || format!("https://{}", self.authority);
        self.url.clone().unwrap_or_else(default)
    }

    /// Checks all of them together.
    pub(super) fn check_all(issuers: &[Self]) -> Result<(), ConfigurationError> {
        if issuers.is_empty() {
            return Err(ConfigurationError::refused(
                "issuer",
                "without an issuer no token is good, and nothing can be stored",
                "add an [[issuer]] section",
            ));
        }
        let mut seen = HashSet::new();
        for issuer in issuers {
            if !seen.insert(issuer.authority.as_str()) {
                return Err(ConfigurationError::refused(
                    "issuer.authority",
                    format!("{} is named twice", issuer.authority),
                    "keep one of the two",
                ));
            }
            issuer.check()?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ConfigurationError> {
        if !is_safe_url(&self.url()) {
            return Err(ConfigurationError::refused(
                "issuer.url",
                format!("{:?} is neither https nor on this machine", self.url()),
                "write https:// and a host, without a path",
            ));
        }
        if self.tokens != AcceptedTokens::Own && self.voprf_keys.is_some() {
            return Err(ConfigurationError::refused(
                "issuer.tokens",
                format!(
                    "each CPS that could verify a federation token of a VOPRF type could make \
                     some, so {} signs blind RSA for a federation",
                    self.authority
                ),
                "leave out issuer.voprf_keys, or set issuer.tokens to \"own\"",
            ));
        }
        Ok(())
    }
}
