//! The keys with which a CPS opens oblivious requests, as its log announces them
//! (docs/protocol.md section 8.4): which of them are good now, and that there are few. **A
//! CPS that gave each client a key of its own would know its clients by their keys**; it
//! would have to announce these, and a reader stops at the seventeenth. Not here: the keys
//! themselves, which readers of logs need not parse, and the log.

use std::time::Duration;

use pennyblack_base::clock_tolerance;
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

/// What a reader of a log knows of the time at which it first sees an entry. **The minute of
/// an entry is the CPS's word**: that of a clock that is ahead, or of a CPS that says what
/// suits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// The reader's time: nothing was announced later.
    pub now: UnixTime,
    /// When the reader last read the log and the entry was not there.
    pub before: Option<UnixTime>,
}

impl Sight {
    /// That of one who goes by the log alone, and so finds what everybody finds in it.
    #[must_use]
    pub const fn of_log(at: Minute) -> Self {
        Self {
            now: at.start(),
            before: None,
        }
    }

    /// Until when keys have expired: no clock but the reader's makes it forget one.
    fn expired(self, at: Minute) -> UnixTime {
        at.start().min(self.now)
    }

    /// When an entry of this minute announced a key. Who saw that it came later counts it as
    /// late; **how late is not for a single reader to say**, or it would change keys at a time
    /// of its own, which its CPS would see.
    fn announced(self, at: Minute, key: &ObliviousKey) -> UnixTime {
        let seen = self.before.map(|it| it.minus(clock_tolerance::TOKEN_KEY));
        let seen = seen.map(|it| it.min(key.not_before));
        seen.map_or(at.start(), |seen| at.start().max(seen))
    }
}

/// A key, and when it was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnouncedKey {
    /// The key.
    pub key: ObliviousKey,
    /// The minute of its entry; a later time if its reader knows that the entry came later.
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

/// The announced keys of one log that had not expired at its newest announcement, or when its
/// reader saw that if this was earlier, in the log's order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<AnnouncedKey>", into = "Vec<AnnouncedKey>")]
pub struct ObliviousKeys(Vec<AnnouncedKey>);

impl ObliviousKeys {
    /// Adds an announcement of this minute, as it is first seen.
    ///
    /// # Errors
    /// [`ObliviousKeysError`]; then it is not added.
    pub fn announce(
        &mut self,
        at: Minute,
        key: ObliviousKey,
        sight: Sight,
    ) -> Result<(), ObliviousKeysError> {
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
        let expired = sight.expired(at);
        let is_unexpired = |known: &AnnouncedKey| expired < known.key.not_after;
        if self.0.iter().filter(|known| is_unexpired(known)).count() >= MAX_UNEXPIRED {
            return Err(ObliviousKeysError::TooMany);
        }
        self.0.retain(is_unexpired);
        let announced = sight.announced(at, &key);
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
mod tests;
