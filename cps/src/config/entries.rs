//! `[entries]`: how long entries live, and how many there are.

use std::time::Duration;

use pennyblack_protocol::key_record::MAX_ENTRY_LIFETIME;
use pennyblack_protocol::store_request::Freshness;
use pennyblack_runtime::config::ConfigurationError;
use serde::{Deserialize, Serialize};

/// The shortest: several spans of the journal's segments.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(5);

/// `[entries]`: how long and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntriesConfig {
    /// How long an entry lives. Default, and most: 60s.
    #[serde(with = "humantime_serde")]
    pub lifetime: Duration,
    /// Most unexpired entries of one mailbox, which keeps the newest. Default: 1024.
    pub mailbox_capacity: usize,
    /// How old a request's signature may be. Default: 120s, which is the minute in
    /// which an OOB-AS repeats an unanswered request, half a minute of clocks, and half a
    /// minute by which its time is rounded down.
    #[serde(with = "humantime_serde")]
    pub oldest_signature: Duration,
    /// How far ahead of this clock a request may be signed. Default: 30s.
    #[serde(with = "humantime_serde")]
    pub clock_skew: Duration,
}

impl Default for EntriesConfig {
    fn default() -> Self {
        let freshness = Freshness::default();
        Self {
            lifetime: MAX_ENTRY_LIFETIME,
            mailbox_capacity: 1024,
            oldest_signature: freshness.max_age,
            clock_skew: freshness.max_ahead,
        }
    }
}

impl EntriesConfig {
    pub(super) fn check(&self) -> Result<(), ConfigurationError> {
        if !(SHORTEST_LIFETIME..=MAX_ENTRY_LIFETIME).contains(&self.lifetime) {
            return Err(ConfigurationError::refused(
                "entries.lifetime",
                "an entry lives between 5 seconds and a minute (RFC 8816, RFC 9888)",
                "set \"60s\" or less",
            ));
        }
        if self.mailbox_capacity == 0 {
            return Err(ConfigurationError::refused(
                "entries.mailbox_capacity",
                "nothing could be stored",
                "set one or more",
            ));
        }
        Ok(())
    }
}
