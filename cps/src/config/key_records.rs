//! `[key_records]`: the directory of recipients' keys, and what tells which provider holds
//! which numbers.

use std::path::PathBuf;

use pennyblack_http::ServiceAddress;
use pennyblack_runtime::config::ConfigurationError;
use serde::{Deserialize, Serialize};

/// `[key_records]`: the directory of recipients' keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyRecordsConfig {
    /// Which numbers a provider holds, as CSV with the columns `spc,first,count`.
    /// Without it an SPC is no authority for any number here. Read again each minute
    /// and on SIGHUP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbering_table: Option<PathBuf>,
    /// A service that is asked who holds the numbers of a record that is registered, where
    /// certificate and table do not say so. Not with `[store]`: nodes would not know each
    /// other's answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbering_service: Option<ServiceAddress>,
    /// Most key records, and for each of them 8,192 bytes of room: a larger record takes
    /// more of it. A certificate has at most a 64th. Default: 1000000.
    pub capacity: usize,
}

impl Default for KeyRecordsConfig {
    fn default() -> Self {
        Self {
            numbering_table: None,
            numbering_service: None,
            capacity: 1_000_000,
        }
    }
}

impl KeyRecordsConfig {
    pub(super) fn check(&self, is_shared: bool) -> Result<(), ConfigurationError> {
        if self.numbering_service.is_none() || !is_shared {
            return Ok(());
        }
        Err(ConfigurationError::refused(
            "key_records.numbering_service",
            "it does not go with [store]: several nodes judge each record, and none knows \
             another's answers",
            "import them into a numbering_table with \"pennyblack numbering import\"",
        ))
    }
}
