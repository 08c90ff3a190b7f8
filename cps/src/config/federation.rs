//! `[federation]`: the federation to which the CPS belongs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[federation]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederationConfig {
    /// The directory with the rosters that are served, `1.roster` and so on. Read again each
    /// minute and on SIGHUP.
    pub roster_directory: PathBuf,
}
