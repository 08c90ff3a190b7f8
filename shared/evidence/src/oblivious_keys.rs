//! The keys with which a CPS opens oblivious requests, as its log announces them
//! (docs/protocol.md section 8.4): which of them are good now, and that there are few. **A
//! CPS that gave each client a key of its own would know its clients by their keys**; it
//! would have to announce these, and a reader stops at the seventeenth. Not here: the keys
//! themselves, which readers of logs need not parse, and the log.

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::log_entry::Minute;

pub use crate::log_entry::{KeyConfigDigest, ObliviousKey};

/// Most announced keys of a log that have not expired at any time. A CPS has two for each of
/// two KEMs; there is room for a seed that is replaced.
pub const MAX_UNEXPIRED: usize = 16;

/// For how long a key is announced at most: an epoch of 90 days and an hour of grace.
pub const MAX_VALIDITY: Duration = Duration::from_secs(90 * 86_400 + 3_600);

/// For how long a key is announced at least. So a lead is a small part of its life, and who
/// comes back to one is not alone with it.
pub const SHORTEST_VALIDITY: Duration = Duration::from_secs(4 * 3_600);

/// For so long everybody has a key before it is used: no shorter than the time for which
/// clients go by a reading.
pub const LEAD: Duration = Duration::from_secs(3_600);

/// So long after its minute an announcement is in the log for all readers, by clocks that may
/// differ. One that came later is not what everybody sees.
pub const SHOWN_WITHIN: Duration = Duration::from_secs(600);

/// What a reader of a log knows of the time at which it first sees an entry. **The minute of
/// an entry is the CPS's word**: that of a clock that is ahead, or of a CPS that says what
/// suits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// The reader's time: nothing was announced later.
    pub now: UnixTime,
    /// When the reader last read the log to its end, and the entry was not there.
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

    /// Requires that an announcement of this minute came when it says. **A reader proves that
    /// it did not, and does not say when it came**: by a time of its own it would change keys
    /// alone. A key that has expired harms nobody, and a reading that lies ahead was dated by a
    /// wrong clock.
    fn require_shown(self, at: Minute, key: &ObliviousKey) -> Result<(), ObliviousKeysError> {
        let missing = self.before.filter(|read| *read <= self.now);
        let missing = missing.filter(|read| at.start().plus(SHOWN_WITHIN) < *read);
        match missing {
            Some(read) if self.now < key.not_after => Err(ObliviousKeysError::Backdated {
                key_config: key.key_config,
                minute: at.start(),
                read,
            }),
            _ => Ok(()),
        }
    }
}

/// A key, and when it was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnouncedKey {
    /// The key.
    pub key: ObliviousKey,
    /// The minute of its entry.
    pub announced: UnixTime,
    /// Whether the log has none that was announced earlier.
    pub is_first: bool,
}

impl AnnouncedKey {
    /// From when on everybody uses it: from its beginning, if all had time to fetch it before
    /// that, and else when they have had it. So that nobody changes keys because they fetched.
    /// From the first key of a log nobody changes to another.
    #[must_use]
    pub fn used_from(&self) -> UnixTime {
        let (begins, shown) = (self.key.not_before, self.announced.plus(SHOWN_WITHIN));
        match self.is_first || shown.plus(LEAD) <= begins {
            true => begins,
            false => begins.max(shown).plus(LEAD),
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
    /// It has ended before all readers have it.
    #[error(
        "the oblivious key {0} is announced for less than 4 hours (docs/protocol.md section 8.4)"
    )]
    TooShort(KeyConfigDigest),
    /// It was not there when it says, and may be shown to few before others have it.
    #[error(
        "the oblivious key {key_config} was announced at {minute} by its entry, which was not in \
         the log at {read}: few may have it"
    )]
    Backdated {
        /// The key.
        key_config: KeyConfigDigest,
        /// The minute that the entry claims.
        minute: UnixTime,
        /// When the log was read without it.
        read: UnixTime,
    },
}

/// The announced keys of one log that had not expired at its newest announcement, or when its
/// reader saw that if this was earlier, in the log's order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObliviousKeys {
    #[serde(deserialize_with = "remembered")]
    known: Vec<AnnouncedKey>,
    /// Whether its reader has passed over entries, which may have announced earlier ones.
    is_part: bool,
}

impl ObliviousKeys {
    /// None yet, of a log whose first entries are not read.
    #[must_use]
    pub const fn of_a_part() -> Self {
        Self {
            known: Vec::new(),
            is_part: true,
        }
    }

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
        match key.not_after.since(key.not_before) {
            long if long > MAX_VALIDITY => return Err(ObliviousKeysError::TooLong(key.key_config)),
            short if short < SHORTEST_VALIDITY => {
                return Err(ObliviousKeysError::TooShort(key.key_config));
            }
            _ => sight.require_shown(at, &key)?,
        }
        if self
            .known
            .iter()
            .any(|known| known.key.key_config == key.key_config)
        {
            return Err(ObliviousKeysError::Repeated(key.key_config));
        }
        let begins = |key: &ObliviousKey| (key.kem_id, key.not_before);
        if self
            .known
            .iter()
            .any(|known| begins(&known.key) == begins(&key))
        {
            let (kem_id, not_before) = begins(&key);
            return Err(ObliviousKeysError::Second { kem_id, not_before });
        }
        let expired = sight.expired(at);
        let is_unexpired = |known: &AnnouncedKey| expired < known.key.not_after;
        if self
            .known
            .iter()
            .filter(|known| is_unexpired(known))
            .count()
            >= MAX_UNEXPIRED
        {
            return Err(ObliviousKeysError::TooMany);
        }
        let (announced, is_first) = (at.start(), self.is_first(at, &key));
        // The last one stays until there is another: a log that had one has no first any more.
        self.known.retain(is_unexpired);
        self.known.push(AnnouncedKey {
            key,
            announced,
            is_first,
        });
        Ok(())
    }

    /// Whether the log has nothing before this key but those of other KEMs that it announces
    /// with it.
    fn is_first(&self, at: Minute, key: &ObliviousKey) -> bool {
        let together = |known: &AnnouncedKey| {
            let begins = known.key.not_before == key.not_before;
            known.is_first && begins && known.announced == at.start()
        };
        !self.is_part && self.known.iter().all(together)
    }

    /// What is announced of a key configuration.
    #[must_use]
    pub fn get(&self, key_config: KeyConfigDigest) -> Option<&ObliviousKey> {
        let mut keys = self.known.iter().map(|known| &known.key);
        keys.find(|key| key.key_config == key_config)
    }

    /// From when on everybody uses this key ([`AnnouncedKey::used_from`]), if it is announced.
    #[must_use]
    pub fn used_from(&self, key: &ObliviousKey) -> Option<UnixTime> {
        let announced = self.known.iter().find(|known| known.key == *key)?;
        Some(announced.used_from())
    }

    /// Those of the KEMs that a reader knows.
    #[must_use]
    pub fn of_kems(&self, is_known: impl Fn(u16) -> bool) -> Self {
        let known = self.known.iter();
        let known = known.filter(|known| is_known(known.key.kem_id));
        Self {
            known: known.copied().collect(),
            is_part: self.is_part,
        }
    }

    /// The keys that everybody uses now, one of a KEM: of those whose time has come, all that
    /// began last. None if it has come for none: clients that took one that is good would each begin
    /// with it when they fetched it.
    #[must_use]
    pub fn in_use(&self, now: UnixTime) -> Vec<&AnnouncedKey> {
        let good = self.known.iter().filter(|known| known.key.is_good(now));
        let mut keys: Vec<_> = good.filter(|known| known.used_from() <= now).collect();
        let newest = keys.iter().map(|known| known.key.not_before).max();
        keys.retain(|known| Some(known.key.not_before) == newest);
        keys
    }

    /// Whether none is remembered.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// Refuses more remembered keys than there can be.
fn remembered<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<AnnouncedKey>, D::Error> {
    let keys = Vec::deserialize(source)?;
    match keys.len() {
        0..=MAX_UNEXPIRED => Ok(keys),
        more => Err(D::Error::custom(format!(
            "{more} oblivious keys are remembered: at most {MAX_UNEXPIRED} can be"
        ))),
    }
}

#[cfg(test)]
mod tests;
