//! How often a mailbox is asked, for how much, and what is remembered of the answers.

use std::time::Duration;

use pennyblack_sealing::envelope::Slots;
use serde::{Deserialize, Serialize};

/// The longest time in which a full mailbox should be read. Anyone with a quota can fill a
/// mailbox; a call behind those entries must be found while the telephone rings.
pub const MAX_DRAIN_TIME: Duration = Duration::from_secs(2);

/// The rhythm. **The default asks for 64 slots ten times a second**: 640 entries a second,
/// so that the 1,024 entries of a full mailbox are read in 1.5 s. For a mailbox of X25519
/// that is 1.3 MB a second, always, whatever is in it; docs/decisions/0016-follower.md has
/// the measurement, and what slower rhythms give up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FollowerConfig {
    /// The time between two requests to one mailbox; 10 ms to one minute.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// Slots of each answer.
    pub slots: Slots,
    /// Most entries that a mailbox of the CPS holds (`entries.mailbox_capacity` there).
    pub mailbox_capacity: usize,
    /// How long an answer may take. Until then it counts as under way; the next requests
    /// leave all the same, so at most `timeout / every` are under way for a mailbox.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// A mailbox that was not read to its end for this long makes verdicts incomplete.
    #[serde(with = "humantime_serde")]
    pub stale_after: Duration,
    /// Most verified PASSporTs that are remembered, some 4 kB each; they end by themselves
    /// after a minute. When there are more, those of the signer with the most go first, so
    /// that no signer crowds out the others.
    pub max_passports: usize,
    /// Most PASSporTs that wait for a certificate, some 4 kB each. When there are more, the
    /// oldest is given up: a host that does not answer takes no room from the others.
    pub max_waiting: usize,
}

impl Default for FollowerConfig {
    fn default() -> Self {
        Self {
            every: Duration::from_millis(100),
            slots: Slots::SixtyFour,
            mailbox_capacity: 1024,
            timeout: Duration::from_secs(2),
            stale_after: Duration::from_secs(2),
            max_passports: 16_384,
            max_waiting: 8_192,
        }
    }
}

/// A configuration that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FollowerConfigError {
    /// The rhythm.
    #[error("every = {0:?}: choose a time from 10ms to 1m between two requests to a mailbox")]
    Every(Duration),
    /// A size of nothing.
    #[error("{0} = 0: choose at least 1")]
    Zero(&'static str),
    /// The time-out.
    #[error("timeout = {0:?}: choose a time from 10ms to 1m for an answer")]
    Timeout(Duration),
}

impl FollowerConfig {
    /// How many requests read a full mailbox. One look at a mailbox is always so many.
    #[must_use]
    pub fn requests_to_drain(&self) -> u64 {
        let slots = usize::from(self.slots.count());
        u64::try_from(self.mailbox_capacity.div_ceil(slots).max(1)).unwrap_or(u64::MAX)
    }

    /// How long a full mailbox takes, from the first request to the last. If that is more
    /// than two seconds, a flood can hide a call for so long.
    #[must_use]
    pub fn drains_in(&self) -> Duration {
        let pauses = u32::try_from(self.requests_to_drain() - 1).unwrap_or(u32::MAX);
        self.every.saturating_mul(pauses)
    }

    /// How many requests are made in `wait`, which includes the first, and at least as
    /// many as read a full mailbox: a number that nothing found can change.
    #[must_use]
    pub fn looks_in(&self, wait: Duration) -> u64 {
        let ticks = wait.as_millis() / self.every.as_millis().max(1);
        let ticks = u64::try_from(ticks).unwrap_or(u64::MAX);
        self.requests_to_drain().max(ticks.saturating_add(1))
    }

    /// Refuses what cannot be followed.
    ///
    /// # Errors
    /// [`FollowerConfigError`].
    pub fn check(&self) -> Result<(), FollowerConfigError> {
        let sensible = Duration::from_millis(10)..=Duration::from_secs(60);
        if !sensible.contains(&self.every) {
            return Err(FollowerConfigError::Every(self.every));
        }
        if !sensible.contains(&self.timeout) {
            return Err(FollowerConfigError::Timeout(self.timeout));
        }
        for (name, number) in [
            ("mailbox_capacity", self.mailbox_capacity),
            ("max_passports", self.max_passports),
            ("max_waiting", self.max_waiting),
        ] {
            if number == 0 {
                return Err(FollowerConfigError::Zero(name));
            }
        }
        if self.drains_in() > MAX_DRAIN_TIME {
            let drains_in_ms = self.drains_in().as_millis();
            tracing::warn!(
                drains_in_ms,
                "a full mailbox takes more than 2 s to read: a flood can hide a call for so long; ask more often or for more slots"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_reads_a_full_mailbox_within_two_seconds() {
        let config = FollowerConfig::default();
        assert_eq!(config.requests_to_drain(), 16);
        assert!(config.drains_in() <= MAX_DRAIN_TIME);
        config.check().unwrap();
    }

    #[test]
    fn a_wait_has_a_number_of_looks_that_is_known_before() {
        let config = FollowerConfig::default();
        assert_eq!(config.looks_in(Duration::ZERO), 16);
        assert_eq!(config.looks_in(Duration::from_secs(10)), 101);
    }

    #[test]
    fn rhythms_and_sizes_that_make_no_sense_are_refused() {
        let refused = |change: fn(&mut FollowerConfig)| {
            let mut config = FollowerConfig::default();
            change(&mut config);
            config.check().unwrap_err()
        };
        assert!(matches!(
            refused(|config| config.every = Duration::ZERO),
            FollowerConfigError::Every(_)
        ));
        assert!(matches!(
            refused(|config| config.timeout = Duration::ZERO),
            FollowerConfigError::Timeout(_)
        ));
        let nothing = refused(|config| config.max_passports = 0);
        assert_eq!(nothing, FollowerConfigError::Zero("max_passports"));
    }
}
