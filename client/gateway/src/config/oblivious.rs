//! `[oblivious]`: relays that requests go through.

use std::path::PathBuf;
use std::time::Duration;

use pennyblack_client::oblivious::{
    DEFAULT_FETCH_EVERY, Fallback, RelayAddress, check_fetch_every, witness_policy,
};
use pennyblack_runtime::config::ConfigurationError;
use pennyblack_tlog::{VerifierKey, WitnessPolicy};
use serde::{Deserialize, Serialize};

use super::StoreSection;

/// `[oblivious]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObliviousSection {
    /// Relays that stores and readings of key records go through. Each takes one at random, and
    /// another if that is not reached or hands nothing on. URLs with the names that the relays
    /// have for the CPS. Default: none; they go directly.
    pub relays: Vec<RelayAddress>,
    /// The directory in which `pennyblack federation fetch` keeps rosters. The newest must
    /// have each relay, and its CPS with another operator. Read again each minute and on SIGHUP.
    /// Default: nobody checks that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rosters: Option<PathBuf>,
    /// What becomes of them when no relay is reached. Without a key of the CPS they are not
    /// sent either way. Default: none.
    pub fallback: Fallback,
    /// Whether mailboxes are polled through the relays, too. Default: false.
    pub polls: bool,
    /// The verifier keys of the CPSs' logs. Default: the first that each shows, and no other
    /// from then on.
    pub log_keys: Vec<VerifierKey>,
    /// The keys of witnesses that must have cosigned the CPSs' logs. Default: none.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them must have. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witnesses_needed: Option<usize>,
    /// How often the CPSs' keys are fetched, a tenth earlier or later. Default: 30min.
    #[serde(with = "humantime_serde")]
    pub fetch_every: Duration,
}

impl Default for ObliviousSection {
    fn default() -> Self {
        Self {
            relays: Vec::new(),
            rosters: None,
            fallback: Fallback::None,
            polls: false,
            log_keys: Vec::new(),
            witnesses: Vec::new(),
            witnesses_needed: None,
            fetch_every: DEFAULT_FETCH_EVERY,
        }
    }
}

impl ObliviousSection {
    pub(super) fn check(&self, storing: Option<&StoreSection>) -> Result<(), ConfigurationError> {
        check_fetch_every(self.fetch_every)?;
        self.witness_policy()?;
        if storing.is_none() && !self.relays.is_empty() {
            return Err(ConfigurationError::refused(
                "oblivious.relays",
                "the keys of CPSs are kept in the wallet of [store], and this gateway stores no calls",
                "leave it out; a gateway that only verifies polls directly",
            ));
        }
        Ok(())
    }

    /// Who must have cosigned the CPSs' logs.
    pub(crate) fn witness_policy(&self) -> Result<WitnessPolicy, ConfigurationError> {
        witness_policy(&self.witnesses, self.witnesses_needed)
    }
}
