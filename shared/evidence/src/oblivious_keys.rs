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

/// So long before a key begins everybody has it, at most.
const LONGEST_LEAD: Duration = Duration::from_secs(3_600);

/// A key, and when it was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnouncedKey {
    /// The key.
    pub key: ObliviousKey,
    /// The minute of its entry.
    pub announced: UnixTime,
}

impl AnnouncedKey {
    /// From when on everybody uses it: from its beginning, if all had time to fetch it before
    /// that, and else when they have had it. So that nobody changes keys because they fetched.
    #[must_use]
    pub fn used_from(&self) -> UnixTime {
        let ObliviousKey {
            not_before,
            not_after,
            ..
        } = self.key;
        let lead = LONGEST_LEAD.min(not_after.since(not_before) / 4);
        match self.announced.plus(lead) <= not_before {
            true => not_before,
            false => not_before.max(self.announced).plus(lead),
        }
    }
}

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
#[serde(try_from = "Vec<AnnouncedKey>", into = "Vec<AnnouncedKey>")]
pub struct ObliviousKeys(Vec<AnnouncedKey>);

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
            .any(|known| known.key.key_config == key.key_config)
        {
            return Err(ObliviousKeysError::Repeated(key.key_config));
        }
        let begins = |key: &ObliviousKey| (key.kem_id, key.not_before);
        if self
            .0
            .iter()
            .any(|known| begins(&known.key) == begins(&key))
        {
            let (kem_id, not_before) = begins(&key);
            return Err(ObliviousKeysError::Second { kem_id, not_before });
        }
        let is_unexpired = |known: &&AnnouncedKey| at.start() < known.key.not_after;
        if self.0.iter().filter(is_unexpired).count() >= MAX_UNEXPIRED {
            return Err(ObliviousKeysError::TooMany);
        }
        self.0.retain(|known| at.start() < known.key.not_after);
        let announced = at.start();
        self.0.push(AnnouncedKey { key, announced });
        Ok(())
    }

    /// What is announced of a key configuration.
    #[must_use]
    pub fn get(&self, key_config: KeyConfigDigest) -> Option<&ObliviousKey> {
        let mut keys = self.0.iter().map(|known| &known.key);
        keys.find(|key| key.key_config == key_config)
    }

    /// Those of the KEMs that a reader knows.
    #[must_use]
    pub fn of_kems(&self, is_known: impl Fn(u16) -> bool) -> Self {
        let known = self.0.iter().filter(|known| is_known(known.key.kem_id));
        Self(known.copied().collect())
    }

    /// The keys that everybody uses now, one of a KEM: of those whose time has come, all that
    /// began last. If it has come for none, as with the first keys of a CPS, it is those that
    /// are good.
    #[must_use]
    pub fn in_use(&self, now: UnixTime) -> Vec<&AnnouncedKey> {
        let good = || self.0.iter().filter(|known| known.key.is_good(now));
        let mut keys: Vec<_> = good().filter(|known| known.used_from() <= now).collect();
        if keys.is_empty() {
            keys = good().collect();
        }
        let newest = keys.iter().map(|known| known.key.not_before).max();
        keys.retain(|known| Some(known.key.not_before) == newest);
        keys
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

impl TryFrom<Vec<AnnouncedKey>> for ObliviousKeys {
    type Error = TooManyRemembered;

    fn try_from(keys: Vec<AnnouncedKey>) -> Result<Self, TooManyRemembered> {
        match keys.len() {
            0..=MAX_UNEXPIRED => Ok(Self(keys)),
            more => Err(TooManyRemembered(more)),
        }
    }
}

impl From<ObliviousKeys> for Vec<AnnouncedKey> {
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
    fn everybody_changes_keys_by_the_clock_and_not_because_of_a_late_announcement() {
        let mut keys = ObliviousKeys::default();
        let days = |days: u64| days * 86_400;
        let used = |keys: &ObliviousKeys, now| {
            let used: Vec<_> = keys.in_use(UnixTime(now)).into_iter().collect();
            used.iter()
                .map(|one| one.key.key_config.0[0])
                .collect::<Vec<_>>()
        };
        // The first key of a CPS: there is no other.
        keys.announce(minute(days(1)), key(1, days(1), days(10)))
            .unwrap();
        assert_eq!(used(&keys, days(1)), [1]);
        keys.announce(minute(days(2) - 3_600), key(2, days(2), days(11)))
            .unwrap();
        assert_eq!(used(&keys, days(2) - 1), [1]);
        assert_eq!(used(&keys, days(2)), [2]);
        // Not all can have this one in time.
        keys.announce(minute(days(3) - 3_540), key(3, days(3), days(12)))
            .unwrap();
        assert_eq!(used(&keys, days(3) + 3_599), [2]);
        assert_eq!(used(&keys, days(3) + 3_600), [3]);
        // Nor one whose beginning is put back.
        keys.announce(minute(days(5)), key(4, days(4), days(13)))
            .unwrap();
        assert_eq!(used(&keys, days(5) + 3_599), [3]);
        assert_eq!(used(&keys, days(5) + 3_600), [4]);
        // Keys of a day have a lead of an hour, and those of an hour one of 15 minutes.
        let short = AnnouncedKey {
            key: key(5, 7_200, 10_800),
            announced: UnixTime(6_300),
        };
        assert_eq!(short.used_from(), UnixTime(7_200));
        let announced = UnixTime(6_360);
        let late = AnnouncedKey { announced, ..short };
        assert_eq!(late.used_from(), UnixTime(8_100));
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
        let one = AnnouncedKey {
            key: key(1, 0, 600),
            announced: UnixTime(60),
        };
        let many = vec![one; MAX_UNEXPIRED + 1];
        let many = serde_json::to_string(&many).unwrap();
        let refused = serde_json::from_str::<ObliviousKeys>(&many).unwrap_err();
        assert!(
            refused.to_string().contains("17 oblivious keys"),
            "{refused}"
        );
    }
}
