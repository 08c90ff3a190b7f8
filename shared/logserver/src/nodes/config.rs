//! What a node is told about the log of all nodes.

use std::path::PathBuf;

use pennyblack_runtime::config::{ConfigurationError, is_safe_url};
use serde::{Deserialize, Serialize};

/// `[transparency_log]`: which node leads the log that several nodes share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TransparencyLogConfig {
    /// The leader: `https://` and a host, or `http://` on this machine.
    /// Default: this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
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
        let Some(leader) = &self.leader else {
            return match &self.tls_roots {
                None => Ok(()),
                Some(_) => Err(ConfigurationError::refused(
                    "transparency_log.tls_roots",
                    "this node leads the log and asks no other node",
                    "set transparency_log.leader too, or remove tls_roots",
                )),
            };
        };
        if !shares {
            return Err(ConfigurationError::refused(
                "transparency_log.leader",
                "without [store] this service is a single node, and leads its own log",
                "add the [store] that the nodes share, or remove transparency_log.leader",
            ));
        }
        if !is_safe_url(leader) {
            return Err(ConfigurationError::refused(
                "transparency_log.leader",
                format!("{leader:?} is neither https nor on this machine"),
                "write https:// and a host, without a path",
            ));
        }
        Ok(())
    }
}
