//! `[never_twice]`: the nodes among which all tokens are divided.

use std::collections::HashSet;
use std::path::PathBuf;

use pennyblack_runtime::config::{ConfigurationError, is_safe_url};
use serde::{Deserialize, Serialize};

/// `[never_twice]`: who decides about which token (docs/redis.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeverTwiceConfig {
    /// Where the nodes reach each other: `https://` and a host, or `http://` on this
    /// machine. The same list in the same order at each of them; it never changes.
    pub nodes: Vec<String>,
    /// Which of them this one is; the first is 0.
    pub node: usize,
    /// Root certificates (PEM) for the nodes' TLS, in place of the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_roots: Option<PathBuf>,
}

impl NeverTwiceConfig {
    pub(super) fn check(&self) -> Result<(), ConfigurationError> {
        if self.node >= self.nodes.len() {
            return Err(ConfigurationError::refused(
                "never_twice.node",
                format!("there is no node {} of {}", self.node, self.nodes.len()),
                "write this node's place in never_twice.nodes; the first is 0",
            ));
        }
        let mut seen = HashSet::new();
        for node in &self.nodes {
            if !seen.insert(node) {
                return Err(ConfigurationError::refused(
                    "never_twice.nodes",
                    format!("{node:?} is there twice"),
                    "write each node once",
                ));
            }
            if !is_safe_url(node) {
                return Err(ConfigurationError::refused(
                    "never_twice.nodes",
                    format!("{node:?} is neither https nor on this machine"),
                    "write https:// and a host, without a path",
                ));
            }
        }
        Ok(())
    }
}
