//! What is believed of an issuer's keys, and for how long. The rules keep an
//! issuer, or whoever speaks in its name, from slipping in a key that marks some
//! of the storers, and from reviving one whose spends are forgotten:
//!
//! - a key keeps the `not-before` that it was first listed with;
//! - a key that is new must begin in the future and after every other one, but
//!   for the very first directory;
//! - the current key and the one before it are redeemable, no others;
//! - a key is closed when its second successor has begun, or when its first has
//!   and the directory lists it no more; closed once, closed for ever.

use std::time::Duration;

use pennyblack_base::encoding;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_log_view::KeyNotLogged;
use pennyblack_privacypass::directory::IssuerDirectory;
use pennyblack_privacypass::token::{TokenKeyId, TokenType};
use pennyblack_privacypass::token_key::{TokenKey, TokenKeyError};
use serde::{Deserialize, Serialize};

/// How far the issuer's clock may be from ours: a key is taken so much earlier,
/// and closed so much later.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// How far ahead a key can be announced.
const FARTHEST_AHEAD: Duration = Duration::from_secs(400 * 86_400);

/// Most keys of an issuer that are known at one time.
const MOST_KEYS: usize = 16;

/// A key of a directory that is not believed.
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
    /// A key for a time that no issuer plans for: its clock is wrong.
    #[error("token key {id} is announced for {said}, allowed is until {latest}")]
    TooFarAhead {
        /// Which key.
        id: TokenKeyId,
        /// When it is to begin.
        said: UnixTime,
        /// The latest that is believed now.
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
    listed: bool,
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
    /// Takes a directory in, as fetched at `now`; what is not believed of it is
    /// returned, and changes nothing. `others` are the keys of other issuers.
    pub fn take(
        &mut self,
        directory: &IssuerDirectory,
        others: &[TokenKeyId],
        now: UnixTime,
    ) -> Vec<KeyRefusal> {
        for key in &mut self.keys {
            key.listed = false;
        }
        let first = !self.acquainted;
        let mut refusals = Vec::new();
        let mut listed = Vec::new();
        for key in &directory.token_keys {
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
        // Nothing was ever signed with a key that was withdrawn before it began,
        // and it is not to stand in the way of another.
        self.keys.retain(|known| {
            known.has_begun(now) || listed.iter().any(|(_, public)| *public == known.public)
        });
        for (said, public) in listed {
            refusals.extend(self.take_key(public, said, now, first).err());
        }
        self.acquainted |= !self.keys.is_empty();
        refusals
    }

    fn take_key(
        &mut self,
        public: TokenKey,
        said: UnixTime,
        now: UnixTime,
        first: bool,
    ) -> Result<(), KeyRefusal> {
        let id = public.id();
        if let Some(known) = self.keys.iter_mut().find(|key| key.public == public) {
            known.listed = true;
            let known = known.not_before;
            if known == said {
                return Ok(());
            }
            return Err(KeyRefusal::Moved { id, known, said });
        }
        let newest = self.keys.last().map(|key| key.not_before);
        let after = match (first, newest) {
            (true, newest) => newest,
            (false, None) => Some(now),
            (false, Some(newest)) => Some(newest.max(now)),
        };
        if let Some(after) = after.filter(|after| said <= *after) {
            return Err(KeyRefusal::Unannounced { id, said, after });
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
            listed: true,
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
        let begun = self.keys.iter().filter(|key| key.has_begun(now)).count();
        let keys = self.keys.iter().take(begun);
        keys.skip(begun.saturating_sub(2)).collect()
    }

    /// The keys that are to be closed at `now`.
    #[must_use]
    pub fn over(&self, now: UnixTime) -> Vec<TokenKeyId> {
        let begun = self
            .keys
            .iter()
            .filter(|key| key.has_long_begun(now))
            .count();
        let ends = self.keys.iter().enumerate().filter(|(place, key)| {
            let successors = begun.saturating_sub(place + 1);
            successors >= 2 || (successors == 1 && !key.listed)
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
            [
                key.not_before.minus(CLOCK_SKEW),
                key.not_before.plus(CLOCK_SKEW),
            ]
        });
        moments.filter(|moment| *moment > now).min()
    }

    /// The form in which it is kept on disk.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let keys = self.keys.iter().map(|key| StoredKey {
            token_type: key.public.token_type().0,
            key: encoding::base64url(key.public.encoded()),
            not_before: key.not_before,
            listed: key.listed,
        });
        serde_json::to_vec(&keys.collect::<Vec<_>>()).unwrap_or_default()
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// What is wrong with it, as text.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let stored: Vec<StoredKey> = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let keys = stored.into_iter().map(|key| {
            let encoded = encoding::from_base64url(&key.key).map_err(|e| e.to_string())?;
            let public = TokenKey::parse(TokenType(key.token_type), &encoded);
            Ok(KnownKey {
                public: public.map_err(|e| e.to_string())?,
                not_before: key.not_before,
                listed: key.listed,
            })
        });
        let keys = keys.collect::<Result<Vec<_>, String>>()?;
        Ok(Self {
            acquainted: true,
            keys,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    token_type: u16,
    key: String,
    not_before: UnixTime,
    listed: bool,
}

#[cfg(test)]
mod tests {
    use pennyblack_privacypass::blind_rsa::TokenPublicKey;
    use pennyblack_privacypass::directory::DirectoryKey;

    use super::*;

    const NOW: UnixTime = UnixTime(1_000_000);
    const EPOCH: u64 = 10_000;

    fn public(number: u8) -> TokenKey {
        let mut modulus = [number; 256];
        modulus[0] = 0x80;
        modulus[255] = 1;
        TokenKey::BlindRsa(TokenPublicKey::from_modulus(&modulus).unwrap())
    }

    fn directory(keys: &[(u8, u64)]) -> IssuerDirectory {
        IssuerDirectory {
            request_uri: "/token-request".to_owned(),
            token_keys: keys
                .iter()
                .map(|(number, not_before)| DirectoryKey {
                    token_type: TokenType::BLIND_RSA_2048,
                    encoded: public(*number).encoded().to_vec(),
                    not_before: Some(UnixTime(*not_before)),
                })
                .collect(),
        }
    }

    fn acquainted(keys: &[(u8, u64)]) -> KeyEpochs {
        let mut epochs = KeyEpochs::default();
        assert_eq!(epochs.take(&directory(keys), &[], NOW), []);
        epochs
    }

    fn live(epochs: &KeyEpochs, now: u64) -> Vec<TokenKeyId> {
        let live = epochs.live(UnixTime(now));
        live.iter().map(|key| key.public.id()).collect()
    }

    fn ids(numbers: &[u8]) -> Vec<TokenKeyId> {
        numbers.iter().map(|number| public(*number).id()).collect()
    }

    #[test]
    fn the_current_key_and_the_one_before_are_redeemable() {
        let start = NOW.0 - EPOCH;
        let epochs = acquainted(&[(1, start), (2, start + EPOCH), (3, start + 2 * EPOCH)]);
        assert_eq!(live(&epochs, NOW.0), ids(&[1, 2]));
        let third = start + 2 * EPOCH;
        assert_eq!(live(&epochs, third - 61), ids(&[1, 2]));
        assert_eq!(live(&epochs, third - 60), ids(&[2, 3]));
        assert_eq!(epochs.over(UnixTime(third + 59)), []);
        assert_eq!(epochs.over(UnixTime(third + 60)), ids(&[1]));
    }

    #[test]
    fn a_key_that_vanished_is_closed_once_its_successor_has_begun() {
        let mut epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 - 100)]);
        assert_eq!(epochs.over(NOW), []);
        assert_eq!(epochs.take(&directory(&[(2, NOW.0 - 100)]), &[], NOW), []);
        assert_eq!(epochs.over(NOW), ids(&[1]));
        epochs.forget(public(1).id());
        // Without a successor a key stays, whatever the directory lists.
        assert_eq!(epochs.take(&directory(&[]), &[], NOW), []);
        assert_eq!(epochs.over(NOW), []);
    }

    #[test]
    fn a_key_out_of_the_blue_is_refused() {
        let mut epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 + EPOCH)]);
        for begins in [0, NOW.0 - 5, NOW.0, NOW.0 + 5, NOW.0 + EPOCH] {
            let refusals = epochs.take(&directory(&[(2, NOW.0 + EPOCH), (9, begins)]), &[], NOW);
            assert!(
                matches!(refusals[..], [KeyRefusal::Unannounced { .. }]),
                "{begins}"
            );
        }
        assert_eq!(
            epochs.take(
                &directory(&[(2, NOW.0 + EPOCH), (9, NOW.0 + EPOCH + 1)]),
                &[],
                NOW
            ),
            []
        );
    }

    #[test]
    fn a_key_that_was_withdrawn_before_it_began_is_in_nobodys_way() {
        let mut epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 + EPOCH)]);
        // In its place there is another now, at the same time or earlier.
        for (replacement, begins) in [(3, NOW.0 + EPOCH), (4, NOW.0 + 5)] {
            let directory = directory(&[(1, NOW.0 - EPOCH), (replacement, begins)]);
            assert_eq!(epochs.take(&directory, &[], NOW), []);
            assert_eq!(live(&epochs, begins), ids(&[1, replacement]));
        }
    }

    #[test]
    fn a_key_of_a_clock_gone_wrong_is_not_believed() {
        let mut epochs = acquainted(&[(1, NOW.0 - EPOCH)]);
        let years = NOW.0 + 10 * 365 * 86_400;
        let refusals = epochs.take(&directory(&[(1, NOW.0 - EPOCH), (2, years)]), &[], NOW);
        assert!(matches!(refusals[..], [KeyRefusal::TooFarAhead { .. }]));
        let next = directory(&[(1, NOW.0 - EPOCH), (3, NOW.0 + EPOCH)]);
        assert_eq!(epochs.take(&next, &[], NOW), []);
    }

    #[test]
    fn a_key_that_another_issuer_has_is_not_this_ones_to_close() {
        let mut epochs = acquainted(&[(1, NOW.0 - EPOCH)]);
        let stolen = directory(&[(1, NOW.0 - EPOCH), (2, NOW.0 + 5)]);
        let refusals = epochs.take(&stolen, &ids(&[2]), NOW);
        assert_eq!(refusals, [KeyRefusal::AnotherIssuers(public(2).id())]);
        assert_eq!(epochs.ids().collect::<Vec<_>>(), ids(&[1]));
    }

    #[test]
    fn a_closed_key_does_not_come_back() {
        let mut epochs =
            acquainted(&[(1, NOW.0 - 2 * EPOCH), (2, NOW.0 - EPOCH), (3, NOW.0 - 100)]);
        assert_eq!(epochs.over(NOW), ids(&[1]));
        epochs.forget(public(1).id());
        let refusals = epochs.take(&directory(&[(1, NOW.0 - 2 * EPOCH)]), &[], NOW);
        assert!(matches!(refusals[..], [KeyRefusal::Unannounced { .. }]));
    }

    #[test]
    fn an_announced_key_cannot_be_moved() {
        let mut epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 + EPOCH)]);
        let refusals = epochs.take(&directory(&[(2, NOW.0)]), &[], NOW);
        assert!(matches!(refusals[..], [KeyRefusal::Moved { .. }]));
        assert_eq!(live(&epochs, NOW.0), ids(&[1]));
    }

    #[test]
    fn what_is_known_survives_a_restart() {
        let epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 + EPOCH)]);
        let restored = KeyEpochs::from_json(&epochs.to_json()).unwrap();
        assert_eq!(restored, epochs);
        assert!(KeyEpochs::from_json(b"[{}]").is_err());
    }

    #[test]
    fn the_next_change_is_told_ahead() {
        let epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 + 500)]);
        assert_eq!(epochs.next_change(NOW), Some(UnixTime(NOW.0 + 440)));
        assert_eq!(
            epochs.next_change(UnixTime(NOW.0 + 440)),
            Some(UnixTime(NOW.0 + 560))
        );
        assert_eq!(epochs.next_change(UnixTime(NOW.0 + 560)), None);
    }
}
