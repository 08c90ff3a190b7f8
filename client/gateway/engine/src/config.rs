//! What the engine is told, as sections of the gateway's configuration. Not here: trunks,
//! listeners and files of keys (`client/gateway`).

use std::time::Duration;

use pennyblack_client::auth_service::DEFAULT_MAX_COPIES;
use pennyblack_client::follower::FollowerConfig;
use pennyblack_client::wallet::DEFAULT_MINIMUM_AGE;
use pennyblack_stir::telephone_number::TelephoneNumber;
use serde::{Deserialize, Serialize};

/// `[signing]`: how long a switch waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SigningConfig {
    /// The answer leaves after this time at the latest, stored or not. Default: 250ms.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// A store that missed the deadline goes on for this long after the call. Default: 10s.
    #[serde(with = "humantime_serde")]
    pub keep_trying: Duration,
    /// Most stores under way, in time or not. Beyond that, calls are not stored (`busy`).
    /// Default: 1024.
    pub max_stores: usize,
    /// How far the clock of a switch may be from ours. Default: 60s.
    #[serde(with = "humantime_serde")]
    pub clock_tolerance: Duration,
}

impl Default for SigningConfig {
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(250),
            keep_trying: Duration::from_secs(10),
            max_stores: 1_024,
            clock_tolerance: Duration::from_secs(60),
        }
    }
}

/// `[store]`, as far as the engine goes by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// How old a token must be. Default: 1h.
    #[serde(with = "humantime_serde")]
    pub minimum_age: Duration,
    /// Most keys of a number that get a copy, a token each. Default: 8.
    pub max_copies: usize,
    /// Calls in a second that the stock of tokens must be enough for; 0 if it is not
    /// watched. Default: 0.
    pub calls_per_second: u32,
    /// Which key records to have at hand.
    pub key_records: KeyRecordsConfig,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            minimum_age: DEFAULT_MINIMUM_AGE,
            max_copies: DEFAULT_MAX_COPIES,
            calls_per_second: 0,
            key_records: KeyRecordsConfig::default(),
        }
    }
}

/// `[store.key_records]`: the mirror that a timer fills, so that no call asks anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyRecordsConfig {
    /// The first digits of the numbers whose keys are kept at hand, 4 to 15 digits each, with
    /// the country code. Calls to other numbers are not stored. Default: none.
    pub prefixes: Vec<TelephoneNumber>,
    /// How often all of them are read again. Default: 10m.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// Most records. Default: 20000.
    pub max_records: usize,
    /// Most bytes of records. Default: 67108864 (64 MiB).
    pub max_bytes: usize,
}

impl Default for KeyRecordsConfig {
    fn default() -> Self {
        Self {
            prefixes: Vec::new(),
            every: Duration::from_secs(600),
            max_records: 20_000,
            max_bytes: 64 << 20,
        }
    }
}

/// `[verify]`, as far as the engine goes by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VerifyConfig {
    /// How long a call waits for a PASSporT that is late. Default: 250ms.
    #[serde(with = "humantime_serde")]
    pub wait: Duration,
    /// The answer leaves after this time at the latest: a disk can hang when it is written
    /// down that a PASSporT is used. Longer than `wait`. Default: 300ms.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// Whether a call with a bad Identity is Failed although a good PASSporT came out of
    /// band. Default: false.
    pub strict_in_band: bool,
    /// The rhythm at which mailboxes are followed.
    pub follow: FollowerConfig,
}

/// How long an answer of a CPS is on its way, opened and verified, on a bad day.
const ANSWER: Duration = Duration::from_millis(50);

impl VerifyConfig {
    /// The shortest `wait` in which a PASSporT is found that was stored when its call arrived,
    /// also if one answer of the CPS is lost: two ticks, and the answer to the second.
    #[must_use]
    pub fn sensible_wait(&self) -> Duration {
        self.follow.every.saturating_mul(2).saturating_add(ANSWER)
    }
}

impl Default for VerifyConfig {
    fn default() -> Self {
        Self {
            wait: Duration::from_millis(250),
            deadline: Duration::from_millis(300),
            strict_in_band: false,
            follow: FollowerConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_waiting_and_following_fit_each_other() {
        let config = VerifyConfig::default();
        assert!(config.wait >= config.sensible_wait());
        // It is written down that a PASSporT is used, and synced, before the answer leaves.
        assert!(config.deadline >= config.wait + ANSWER);
    }
}
