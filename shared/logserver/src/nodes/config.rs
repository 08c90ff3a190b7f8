//! What a node is told about the log of all nodes.

use std::path::PathBuf;

use pennyblack_runtime::config::{ConfigurationError, is_safe_url};
use serde::{Deserialize, Serialize};

/// `[transparency_log]`: who keeps the log that several nodes have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TransparencyLogConfig {
    /// The node that keeps it: `https://` and a host, or `http://` on this machine.
    /// Default: this node does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_by: Option<String>,
    /// Root certificates (PEM) for that node's TLS, in place of the usual ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_roots: Option<PathBuf>,
}

impl TransparencyLogConfig {
    /// Refuses what cannot be. `shares` says whether there is a `[store]` that nodes
    /// have in common.
    ///
    /// # Errors
    /// [`ConfigurationError`].
    pub fn check(&self, shares: bool) -> Result<(), ConfigurationError> {
        let Some(keeper) = &self.kept_by else {
            return match &self.tls_roots {
                None => Ok(()),
                Some(_) => Err(ConfigurationError::refused(
                    "transparency_log.tls_roots",
                    "this node keeps the log itself, and asks nobody",
                    "set transparency_log.kept_by too, or take it away",
                )),
            };
        };
        if !shares {
            return Err(ConfigurationError::refused(
                "transparency_log.kept_by",
                "without [store] this service is a single node, and keeps its log itself",
                "add the [store] that the nodes share, or take it away",
            ));
        }
        if !is_safe_url(keeper) {
            return Err(ConfigurationError::refused(
                "transparency_log.kept_by",
                format!("{keeper:?} is neither https nor on this machine"),
                "write https:// and a host, without a path",
            ));
        }
        Ok(())
    }
}
