//! The one key of an issuer's log that may be drawn of: the newest that has begun, in an
//! epoch of some length that was announced in time. A key in the log could still be shown
//! to one carrier alone, if the issuer chose when others see it. Not here: whether a key
//! is in the log at all.

use std::time::Duration;

use super::KeyLogView;
use crate::key_calendar::SHORTEST_EPOCH;
use pennyblack_base::clock_tolerance;
use pennyblack_base::span::Span;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::directory::DirectoryKey;
use pennyblack_privacypass::token::TokenKeyId;

/// How far a reader's clock may be from the issuer's.
pub const CLOCK_TOLERANCE: Duration = clock_tolerance::TOKEN_KEY;

/// A key of the log of which few others may have tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyNotNewest {
    /// A later one has begun.
    #[error(
        "the token key {key} was followed by {newest} at {since} by the issuer's log, and the issuer's \
         directory does not offer that one: tokens of the old key could mark us. Nothing is drawn \
         until the directory has the newest key; ask the issuer's operator"
    )]
    Superseded {
        /// The key that the directory offers.
        key: TokenKeyId,
        /// The newest that has begun by the log.
        newest: TokenKeyId,
        /// When it began.
        since: UnixTime,
    },
    /// Its epoch, or the one before it, is too short for everybody to draw in it.
    #[error(
        "by the issuer's log the token keys {key} and {other} begin {} apart, and {} is the least: few \
         others may draw of them, which would mark us. Nothing is drawn of either; ask the issuer's \
         operator", Span(*apart), Span(SHORTEST_EPOCH)
    )]
    TooClose {
        /// The key that the directory offers.
        key: TokenKeyId,
        /// The one beside it.
        other: TokenKeyId,
        /// How far apart they begin.
        apart: Duration,
    },
    /// The issuer has said how many tokens it signed with it.
    #[error(
        "the issuer's log says that nothing is signed any more with the token key {0}, which its \
         directory offers: nothing is drawn; ask the issuer's operator"
    )]
    Ended(TokenKeyId),
    /// It was not in the log in time.
    #[error(
        "the token key {key} came into the issuer's log less than {} before it began: nothing is \
         drawn of it until {until}, when others can have seen it, too",
        Span(SHORTEST_EPOCH)
    )]
    Late {
        /// The key.
        key: TokenKeyId,
        /// From when on it may be drawn of.
        until: UnixTime,
    },
    /// Its successor is overdue.
    #[error(
        "the token key {key} began at {begins}, more than {} ago (schedule.epoch, or carrier.longest_epoch), \
         and the issuer's log has none after it: we may be shown an old log. Nothing is drawn; compare \
         the log with others, or ask the issuer's operator how long its epochs are", Span(*longest)
    )]
    Overdue {
        /// The key.
        key: TokenKeyId,
        /// When it began.
        begins: UnixTime,
        /// How long a key may sign.
        longest: Duration,
    },
}

impl KeyLogView {
    /// Requires that a key of the directory, which is in the log, is the one that
    /// everybody draws of at `now`. Around a change of keys the clocks of both sides decide
    /// which one that is.
    ///
    /// # Errors
    /// [`KeyNotNewest`].
    pub fn require_newest(
        &self,
        listed: &DirectoryKey,
        longest_epoch: Option<Duration>,
        now: UnixTime,
    ) -> Result<(), KeyNotNewest> {
        let key = listed.id();
        let begins = listed.not_before.unwrap_or(UnixTime(0));
        if let Some((newest, since)) = self.newest(now.minus(CLOCK_TOLERANCE))
            && since > begins
        {
            return Err(KeyNotNewest::Superseded { key, newest, since });
        }
        if let Some((other, apart)) = self.too_close(key, begins) {
            return Err(KeyNotNewest::TooClose { key, other, apart });
        }
        if self.issued.contains_key(&key) {
            return Err(KeyNotNewest::Ended(key));
        }
        if let Some(seen) = self.late.get(&key) {
            let until = seen.plus(SHORTEST_EPOCH);
            if now < until {
                return Err(KeyNotNewest::Late { key, until });
            }
        }
        match longest_epoch {
            Some(longest) if begins.plus(longest).plus(CLOCK_TOLERANCE) < now => {
                Err(KeyNotNewest::Overdue {
                    key,
                    begins,
                    longest,
                })
            }
            _ => Ok(()),
        }
    }

    /// The key that is drawn of at `now`, if the issuer tells nobody anything else.
    #[must_use]
    pub fn newest_key(&self, now: UnixTime) -> Option<TokenKeyId> {
        self.newest(now).map(|(key, _)| key)
    }

    /// Whether the issuer says that it gave a key up before it signed anything with it.
    /// A party that has tokens of it all the same was shown another log than the others.
    #[must_use]
    pub fn is_given_up(&self, key: TokenKeyId) -> bool {
        self.issued.get(&key) == Some(&0)
    }

    /// Whether no CPS takes tokens of a key any more, by the log: its total is stated, or
    /// two later keys have begun.
    #[must_use]
    pub fn is_over(&self, key: TokenKeyId, now: UnixTime) -> bool {
        if self.issued.contains_key(&key) {
            return true;
        }
        let Some(begins) = self.keys.get(&key) else {
            return false;
        };
        let begun = now.minus(CLOCK_TOLERANCE);
        let later = self
            .used()
            .filter(|(_, other)| *other > *begins && *other <= begun);
        later.take(2).count() == 2
    }

    /// The keys that sign at some time: without those that the issuer gave up before it
    /// signed anything. If it did sign, the CPS's total proves that it lied.
    fn used(&self) -> impl Iterator<Item = (TokenKeyId, UnixTime)> {
        let all = self.keys.iter().map(|(key, begins)| (*key, *begins));
        all.filter(|(key, _)| !self.is_given_up(*key))
    }

    fn newest(&self, now: UnixTime) -> Option<(TokenKeyId, UnixTime)> {
        let begun = self.used().filter(|(_, begins)| *begins <= now);
        begun.max_by_key(|(_, begins)| *begins)
    }

    fn too_close(&self, key: TokenKeyId, begins: UnixTime) -> Option<(TokenKeyId, Duration)> {
        let others = self.used().filter(|(other, _)| *other != key);
        let apart = others.map(|(other, at)| (other, at.since(begins).max(begins.since(at))));
        let nearest = apart.min_by_key(|(_, apart)| *apart);
        nearest.filter(|(_, apart)| *apart < SHORTEST_EPOCH)
    }
}
