//! `[oblivious]`: CPSs whose keys for requests through relays are kept in the wallet.

use std::time::Duration;

use pennyblack_http::ServiceAddress;
use pennyblack_runtime::config::ConfigurationError;
use pennyblack_tlog::{VerifierKey, WitnessPolicy};
use serde::{Deserialize, Serialize};

use crate::oblivious::{DEFAULT_FETCH_EVERY, witness_policy};

/// `[oblivious]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObliviousSection {
    /// The CPSs whose keys are fetched into the wallet, by their URLs, or `authority=URL`.
    /// Default: none.
    pub cps: Vec<ServiceAddress>,
    /// The verifier keys of their logs. Default: the first that each shows, and no other
    /// from then on.
    pub log_keys: Vec<VerifierKey>,
    /// The keys of witnesses that must have cosigned their logs. Default: none.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them must have. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witnesses_needed: Option<usize>,
    /// How often, a tenth earlier or later. Default: 30min.
    #[serde(with = "humantime_serde")]
    pub fetch_every: Duration,
}

impl Default for ObliviousSection {
    fn default() -> Self {
        Self {
            cps: Vec::new(),
            log_keys: Vec::new(),
            witnesses: Vec::new(),
            witnesses_needed: None,
            fetch_every: DEFAULT_FETCH_EVERY,
        }
    }
}

impl ObliviousSection {
    pub(super) fn witness_policy(&self) -> Result<WitnessPolicy, ConfigurationError> {
        witness_policy(&self.witnesses, self.witnesses_needed)
    }
}
