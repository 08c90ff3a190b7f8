//! The keys with which a CPS opens oblivious requests, as its log announces them
//! (docs/protocol.md section 8.4): which of them are good now, and that there are few. **A
//! CPS that gave each client a key of its own would know its clients by their keys**; it
//! would have to announce these, and a reader stops at the seventeenth. Not here: the keys
//! themselves, which readers of logs need not parse, and the log.

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::log_entry::Minute;

pub use crate::log_entry::{KeyConfigDigest, ObliviousKey};

/// Most announced keys of a log that have not expired at any time. A CPS has two for each of
/// two KEMs; there is room for a seed that is replaced.
pub const MAX_UNEXPIRED: usize = 16;

/// For how long a key is announced at most: an epoch of 90 days and an hour of grace.
pub const MAX_VALIDITY: Duration = Duration::from_secs(90 * 86_400 + 3_600);

/// An announcement that no CPS makes that keeps to the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObliviousKeysError {
    /// The same configuration once more.
    #[error("the oblivious key {0} was announced before")]
    Repeated(KeyConfigDigest),
    /// Another of the same KEM for the same time: which of them a client has would say who
    /// it is.
    #[error(
        "a second oblivious key of the KEM {kem_id:#06x} begins at {not_before}: the CPS could \
         know clients by their keys"
    )]
    Second {
        /// The KEM.
        kem_id: u16,
        /// When both begin.
        not_before: UnixTime,
    },
    /// More at a time than a rotation of keys needs.
    #[error(
        "one more oblivious key than the {MAX_UNEXPIRED} that may be announced at a time \
         (docs/protocol.md section 8.4)"
    )]
    TooMany,
    /// Its secret would be kept for that long.
    #[error(
        "the oblivious key {0} is announced for longer than 90 days and an hour \
         (docs/protocol.md section 8.4)"
    )]
    TooLong(KeyConfigDigest),
}

/// The announced keys of one log that had not expired at its newest announcement, in the
/// log's order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<ObliviousKey>", into = "Vec<ObliviousKey>")]
pub struct ObliviousKeys(Vec<ObliviousKey>);

impl ObliviousKeys {
    /// Adds an announcement of this minute.
    ///
    /// # Errors
    /// [`ObliviousKeysError`]; then it is not added.
    pub fn announce(&mut self, at: Minute, key: ObliviousKey) -> Result<(), ObliviousKeysError> {
        if key.not_after.since(key.not_before) > MAX_VALIDITY {
            return Err(ObliviousKeysError::TooLong(key.key_config));
        }
        if self
            .0
            .iter()
            .any(|known| known.key_config == key.key_config)
        {
            return Err(ObliviousKeysError::Repeated(key.key_config));
        }
        let begins = |key: &ObliviousKey| (key.kem_id, key.not_before);
        if self.0.iter().any(|known| begins(known) == begins(&key)) {
            let (kem_id, not_before) = begins(&key);
            return Err(ObliviousKeysError::Second { kem_id, not_before });
        }
        let is_unexpired = |known: &&ObliviousKey| at.start() < known.not_after;
        if self.0.iter().filter(is_unexpired).count() >= MAX_UNEXPIRED {
            return Err(ObliviousKeysError::TooMany);
        }
        self.0.retain(|known| at.start() < known.not_after);
        self.0.push(key);
        Ok(())
    }

    /// What is announced of a key configuration.
    #[must_use]
    pub fn get(&self, key_config: KeyConfigDigest) -> Option<&ObliviousKey> {
        self.0.iter().find(|known| known.key_config == key_config)
    }

    /// Whether none is remembered.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// More remembered keys than there can be.
#[derive(Debug, thiserror::Error)]
#[error("{0} oblivious keys are remembered: at most {MAX_UNEXPIRED} can be")]
pub struct TooManyRemembered(usize);

impl TryFrom<Vec<ObliviousKey>> for ObliviousKeys {
    type Error = TooManyRemembered;

    fn try_from(keys: Vec<ObliviousKey>) -> Result<Self, TooManyRemembered> {
        match keys.len() {
            0..=MAX_UNEXPIRED => Ok(Self(keys)),
            more => Err(TooManyRemembered(more)),
        }
    }
}

impl From<ObliviousKeys> for Vec<ObliviousKey> {
    fn from(keys: ObliviousKeys) -> Self {
        keys.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8, not_before: u64, not_after: u64) -> ObliviousKey {
        ObliviousKey {
            key_config: KeyConfigDigest([number; 32]),
            kem_id: 0x20,
            not_before: UnixTime(not_before),
            not_after: UnixTime(not_after),
        }
    }

    fn minute(time: u64) -> Minute {
        Minute::of(UnixTime(time))
    }

    #[test]
    fn a_key_is_good_from_its_beginning_until_before_its_end() {
        let key = key(1, 600, 1_200);
        for (now, is_good) in [(599, false), (600, true), (1_199, true), (1_200, false)] {
            assert_eq!(key.is_good(UnixTime(now)), is_good, "{now}");
        }
    }

    #[test]
    fn a_seventeenth_key_at_a_time_is_refused_and_expired_ones_are_forgotten() {
        let mut keys = ObliviousKeys::default();
        for number in 0..16 {
            keys.announce(
                minute(60),
                key(number, number.into(), 600 + u64::from(number)),
            )
            .unwrap();
        }
        let one_more = key(99, 99, 6_000);
        let refused = keys.announce(minute(599), one_more);
        assert_eq!(refused, Err(ObliviousKeysError::TooMany));
        assert_eq!(keys.get(one_more.key_config), None);
        keys.announce(minute(600), one_more).unwrap();
        assert_eq!(keys.get(KeyConfigDigest([0; 32])), None);
        assert_eq!(keys.get(one_more.key_config), Some(&one_more));
    }

    #[test]
    fn a_second_key_of_a_kem_for_the_same_time_is_refused() {
        let mut keys = ObliviousKeys::default();
        keys.announce(minute(60), key(1, 600, 1_200)).unwrap();
        let refused = keys.announce(minute(120), key(2, 600, 1_300));
        let (kem_id, not_before) = (0x20, UnixTime(600));
        let expected = ObliviousKeysError::Second { kem_id, not_before };
        assert_eq!(refused, Err(expected));
        let other_kem = ObliviousKey {
            kem_id: 0x647a,
            ..key(3, 600, 1_200)
        };
        keys.announce(minute(120), other_kem).unwrap();
        keys.announce(minute(120), key(4, 601, 1_200)).unwrap();
    }

    #[test]
    fn a_key_that_is_announced_twice_is_refused() {
        let mut keys = ObliviousKeys::default();
        keys.announce(minute(60), key(1, 0, 600)).unwrap();
        let refused = keys.announce(minute(120), key(1, 600, 1_200));
        let expected = ObliviousKeysError::Repeated(KeyConfigDigest([1; 32]));
        assert_eq!(refused, Err(expected));
    }

    #[test]
    fn a_key_for_longer_than_a_quarter_of_a_year_is_refused() {
        let mut keys = ObliviousKeys::default();
        let longest = 600 + MAX_VALIDITY.as_secs();
        let refused = keys.announce(minute(60), key(1, 600, longest + 1));
        let expected = ObliviousKeysError::TooLong(KeyConfigDigest([1; 32]));
        assert_eq!(refused, Err(expected));
        keys.announce(minute(60), key(1, 600, longest)).unwrap();
    }

    #[test]
    fn what_is_remembered_comes_back_and_has_an_end() {
        let mut keys = ObliviousKeys::default();
        assert!(keys.is_empty());
        keys.announce(minute(60), key(1, 0, 600)).unwrap();
        let json = serde_json::to_string(&keys).unwrap();
        assert_eq!(serde_json::from_str::<ObliviousKeys>(&json).unwrap(), keys);
        let many = vec![key(1, 0, 600); MAX_UNEXPIRED + 1];
        let many = serde_json::to_string(&many).unwrap();
        let refused = serde_json::from_str::<ObliviousKeys>(&many).unwrap_err();
        assert!(
            refused.to_string().contains("17 oblivious keys"),
            "{refused}"
        );
    }
}
