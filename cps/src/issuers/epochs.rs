//! Which of an issuer's keys are trusted, and for how long. The rules keep an
//! issuer, or an impostor in its name, from slipping in a key that marks some
//! of the OOB-ASs, and from reviving one whose spends are forgotten:
//!
//! - a key keeps the `not-before` that it was first listed with;
//! - a key that is new must begin after every other one, and in the future, unless the
//!   issuer's log has it, where everybody sees it, or this is the very first directory;
//! - a key that is new must begin twenty minutes after every other one: few carriers would
//!   have tokens of a shorter epoch;
//! - the current key and the one before it are redeemable, no others; the one before
//!   is not while the directory does not list it. A key that was given up unused by the
//!   issuer's log is neither;
//! - a key is closed when its second successor has begun, or when its first has and no
//!   directory has listed it for a while; it is never opened again. **One answer closes
//!   nothing**: what it leaves out may stand in the next.

mod stored;

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_calendar::SHORTEST_EPOCH;
use pennyblack_evidence::key_log_view::{CLOCK_TOLERANCE, KeyNotLogged};
use pennyblack_privacypass::directory::IssuerDirectory;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_privacypass::token_key::{TokenKey, TokenKeyError};
use serde::{Deserialize, Serialize};

/// How far the issuer's clock may be from ours: a key is taken so much earlier,
/// and closed so much later.
pub(crate) const CLOCK_SKEW: Duration = CLOCK_TOLERANCE;

/// How far ahead a key can be announced.
const FARTHEST_AHEAD: Duration = Duration::from_secs(400 * 86_400);

/// How long no directory must list a key before it is closed early, from the first that
/// does not to the last: its spends are forgotten then, which nothing brings back.
const WITHDRAWN_FOR: Duration = Duration::from_secs(3_600);

/// Most keys of an issuer that are known at one time.
const MOST_KEYS: usize = 16;

/// A key of a directory that is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRefusal {
    /// Not a key of the exact form.
    #[error("a token key that is not in the form of RFC 9578: {0}")]
    Form(#[from] TokenKeyError),
    /// The `not-before` of a known key is another one now.
    #[error("token key {id} was announced for {known}, and the directory says {said} now")]
    Moved {
        /// Which key.
        id: TokenKeyId,
        /// As it was first listed.
        known: UnixTime,
        /// As it is listed now.
        said: UnixTime,
    },
    /// A new key that begins at once, or before a known one.
    #[error(
        "token key {id} was not announced ahead: it begins at {said}, allowed is after {after}"
    )]
    Unannounced {
        /// Which key.
        id: TokenKeyId,
        /// When it is to begin.
        said: UnixTime,
        /// It must begin later than this.
        after: UnixTime,
    },
    /// A new key that begins too soon after a known one.
    #[error(
        "token key {id} begins at {said}, less than {} s after {before}: too few carriers draw in \
         so short an epoch", SHORTEST_EPOCH.as_secs()
    )]
    TooClose {
        /// Which key.
        id: TokenKeyId,
        /// When it is to begin.
        said: UnixTime,
        /// When the one before it begins.
        before: UnixTime,
    },
    /// A key for a time that no issuer plans for: its clock is wrong.
    #[error("token key {id} is announced for {said}, allowed is until {latest}")]
    TooFarAhead {
        /// Which key.
        id: TokenKeyId,
        /// When it is to begin.
        said: UnixTime,
        /// The latest that is trusted now.
        latest: UnixTime,
    },
    /// Another issuer has it: its epoch is not this one's to close.
    #[error("token key {0} is another issuer's")]
    AnotherIssuers(TokenKeyId),
    /// The issuer does not account for it.
    #[error(transparent)]
    NotLogged(#[from] KeyNotLogged),
    /// More keys than any issuer has.
    #[error("more than {MOST_KEYS} token keys at one time")]
    TooMany,
}

/// One key of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    public: TokenKey,
    not_before: UnixTime,
    /// When directories left it out; `None` if the last one lists it.
    unlisted: Option<Unlisted>,
    /// The issuer's log says that nothing was signed with it: whose tokens are of it was
    /// shown another log.
    is_given_up: bool,
}

/// Directories that left a key out, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unlisted {
    /// When the first one was fetched.
    first: UnixTime,
    /// When the last one was. **Silence says nothing**: it is no later directory.
    last: UnixTime,
}

impl Unlisted {
    /// Whether the key is withdrawn, as seen at `now`.
    fn is_for_good(self, now: UnixTime) -> bool {
        self.first.plus(WITHDRAWN_FOR) <= self.last.min(now)
    }
}

/// What an issuer says at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IssuerWord<'a> {
    /// Its directory.
    pub(crate) directory: &'a IssuerDirectory,
    /// Those of its keys that are in its log, for the time in the directory.
    pub(crate) logged: &'a [TokenKeyId],
}

impl KnownKey {
    /// The key.
    #[must_use]
    pub const fn public(&self) -> &TokenKey {
        &self.public
    }

    /// When it begins to sign.
    #[must_use]
    pub const fn not_before(&self) -> UnixTime {
        self.not_before
    }

    const fn has_begun(&self, now: UnixTime) -> bool {
        self.not_before.0 <= now.plus(CLOCK_SKEW).0
    }

    const fn has_long_begun(&self, now: UnixTime) -> bool {
        self.not_before.plus(CLOCK_SKEW).0 <= now.0
    }
}

/// The keys of one issuer that are not closed, in the order of their beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyEpochs {
    keys: Vec<KnownKey>,
    /// A directory was taken before.
    acquainted: bool,
}

impl KeyEpochs {
    /// Takes an issuer's word in, as fetched at `now`; what is not trusted of it is
    /// returned, and changes nothing. `others` are the keys of other issuers.
    pub(crate) fn take(
        &mut self,
        word: IssuerWord<'_>,
        others: &[TokenKeyId],
        now: UnixTime,
    ) -> Vec<KeyRefusal> {
        let first = !self.acquainted;
        let mut refusals = Vec::new();
        let mut listed = Vec::new();
        for key in &word.directory.token_keys {
            match TokenKey::parse(key.token_type, &key.encoded) {
                Ok(public) if others.contains(&public.id()) => {
                    refusals.push(KeyRefusal::AnotherIssuers(public.id()));
                }
                Ok(public) => listed.push((key.not_before.unwrap_or(UnixTime(0)), public)),
                // A directory may have keys for others.
                Err(TokenKeyError::Type(_)) => {}
                Err(error) => refusals.push(error.into()),
            }
        }
        listed.sort_by_key(|(not_before, _)| *not_before);
        let is_listed = |known: &KnownKey| listed.iter().any(|(_, key)| *key == known.public);
        for known in &mut self.keys {
            known.unlisted = match (is_listed(known), known.unlisted) {
                (true, _) => None,
                (false, None) => Some(Unlisted {
                    first: now,
                    last: now,
                }),
                (false, Some(Unlisted { first, .. })) => Some(Unlisted { first, last: now }),
            };
        }
        // Nothing was ever signed with a key that was withdrawn before it began,
        // and it is not to stand in the way of another.
        self.keys
            .retain(|known| known.has_begun(now) || is_listed(known));
        for (said, public) in listed {
            let may_have_begun = first || word.logged.contains(&public.id());
            let taken = self.take_key(public, said, now, may_have_begun);
            refusals.extend(taken.err());
        }
        self.acquainted |= !self.keys.is_empty();
        refusals
    }

    /// Takes in that the issuer's directory is at `now` what it was when it was taken last.
    pub(crate) fn take_again(&mut self, now: UnixTime) {
        for unlisted in self.keys.iter_mut().filter_map(|key| key.unlisted.as_mut()) {
            unlisted.last = now;
        }
    }

    /// Takes in that the issuer's log says of keys that nothing was ever signed with them:
    /// they count for nothing from now on.
    pub(crate) fn give_up(&mut self, given_up: &[TokenKeyId], now: UnixTime) {
        for key in &mut self.keys {
            key.is_given_up |= given_up.contains(&key.public.id());
        }
        self.keys
            .retain(|key| key.has_begun(now) || !key.is_given_up);
    }

    fn take_key(
        &mut self,
        public: TokenKey,
        said: UnixTime,
        now: UnixTime,
        may_have_begun: bool,
    ) -> Result<(), KeyRefusal> {
        let id = public.id();
        if let Some(known) = self.keys.iter().find(|key| key.public == public) {
            let known = known.not_before;
            if known == said {
                return Ok(());
            }
            return Err(KeyRefusal::Moved { id, known, said });
        }
        let newest = self.keys.last().map(|key| key.not_before);
        let after = match (may_have_begun, newest) {
            (true, newest) => newest,
            (false, None) => Some(now),
            (false, Some(newest)) => Some(newest.max(now)),
        };
        if let Some(after) = after.filter(|after| said <= *after) {
            return Err(KeyRefusal::Unannounced { id, said, after });
        }
        if let Some(before) = newest.filter(|newest| said < newest.plus(SHORTEST_EPOCH)) {
            return Err(KeyRefusal::TooClose { id, said, before });
        }
        let latest = now.plus(FARTHEST_AHEAD);
        if said > latest {
            return Err(KeyRefusal::TooFarAhead { id, said, latest });
        }
        if self.keys.len() >= MOST_KEYS {
            return Err(KeyRefusal::TooMany);
        }
        self.keys.push(KnownKey {
            public,
            not_before: said,
            unlisted: None,
            is_given_up: false,
        });
        Ok(())
    }

    /// All keys, in the order of their beginning.
    #[must_use]
    pub fn keys(&self) -> &[KnownKey] {
        &self.keys
    }

    /// The ids of all keys.
    pub fn ids(&self) -> impl Iterator<Item = TokenKeyId> {
        self.keys.iter().map(|key| key.public.id())
    }

    /// The redeemable keys at `now`, the current one last.
    #[must_use]
    pub fn live(&self, now: UnixTime) -> Vec<&KnownKey> {
        let used = self
            .keys
            .iter()
            .enumerate()
            .filter(|(_, key)| !key.is_given_up);
        let keys: Vec<_> = used.take_while(|(_, key)| key.has_begun(now)).collect();
        let (begun, keys) = (keys.len(), keys.into_iter());
        let last_two = keys.skip(begun.saturating_sub(2));
        let live = last_two
            .filter(|(place, key)| key.unlisted.is_none() || self.successors(*place, now) == 0);
        live.map(|(_, key)| key).collect()
    }

    /// How many keys after the one at `place` have begun by every clock.
    fn successors(&self, place: usize, now: UnixTime) -> usize {
        let later = self.keys.iter().skip(place.saturating_add(1));
        let used = later.filter(|key| !key.is_given_up);
        used.filter(|key| key.has_long_begun(now)).count()
    }

    /// The keys that are to be closed at `now`.
    #[must_use]
    pub fn over(&self, now: UnixTime) -> Vec<TokenKeyId> {
        let ends = self.keys.iter().enumerate().filter(|(place, key)| {
            let is_withdrawn = key.unlisted.is_some_and(|times| times.is_for_good(now));
            match self.successors(*place, now) {
                0 => false,
                1 => is_withdrawn,
                _ => true,
            }
        });
        ends.map(|(_, key)| key.public.id()).collect()
    }

    /// Forgets a key that was closed.
    pub fn forget(&mut self, id: TokenKeyId) {
        self.keys.retain(|key| key.public.id() != id);
    }

    /// When [`Self::live`] or [`Self::over`] next changes by itself.
    #[must_use]
    pub fn next_change(&self, now: UnixTime) -> Option<UnixTime> {
        let moments = self.keys.iter().flat_map(|key| {
            let withdrawn = key.unlisted.map(|times| times.first.plus(WITHDRAWN_FOR));
            let begun = [
                key.not_before.minus(CLOCK_SKEW),
                key.not_before.plus(CLOCK_SKEW),
            ];
            begun.into_iter().chain(withdrawn)
        });
        moments.filter(|moment| *moment > now).min()
    }
}

#[cfg(test)]
mod tests;
