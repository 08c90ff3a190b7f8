//! `[trust]`: where roots and revocation lists are, and how often they are read.

use std::path::PathBuf;
use std::time::Duration;

use pennyblack_runtime::config::ConfigurationError;
use serde::{Deserialize, Serialize};

/// `[trust]`: roots and revocation lists, read again while the service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustConfig {
    /// Directory of root certificates, one or more in each `.pem` file.
    pub roots: PathBuf,
    /// Directory of revocation lists, one in each `.crl` file (DER or PEM). Without
    /// this key nothing is looked up, and revocation waits for the certificate to
    /// expire. With it, a certificate is refused while no current list covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_lists: Option<PathBuf>,
    /// How often both directories are read again. Default: 1m.
    #[serde(default = "one_minute", with = "humantime_serde")]
    pub reload: Duration,
}

const fn one_minute() -> Duration {
    Duration::from_secs(60)
}

impl TrustConfig {
    /// These roots, no revocation lists, and defaults for all else.
    #[must_use]
    pub const fn new(roots: PathBuf) -> Self {
        Self {
            roots,
            revocation_lists: None,
            reload: one_minute(),
        }
    }

    /// The directories that are read.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.roots).chain(&self.revocation_lists)
    }

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`ConfigurationError`] naming the key.
    pub fn check(&self) -> Result<(), ConfigurationError> {
        if self.reload.as_secs() > 0 {
            return Ok(());
        }
        Err(ConfigurationError::refused(
            "trust.reload",
            "the lists cannot be read without a pause",
            "set a second or more, such as \"1m\"",
        ))
    }
}
