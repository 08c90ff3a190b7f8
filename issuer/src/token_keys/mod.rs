//! The keys that sign tokens, one key epoch each: which are live, what the
//! directory says of them, and how one follows the other (docs/protocol.md
//! section 2, "Key life"). Signing itself is in `signer`.

pub mod key_files;
pub mod key_set;
mod rotation;
pub mod schedule;
pub mod shared;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::{TokenKeyId, TokenType};
use tokio::sync::Notify;

use self::key_files::KeyFileError;
pub use self::key_set::KeySet;
use self::rotation::{Making, brought_up_to};
pub use self::rotation::{PreparedRotation, RotationOutcome};
use self::schedule::KeySchedule;
use self::shared::SharedKeyError;
use crate::signer::{KeyType, SignError, SigningKey};

/// Which keys there are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPlan {
    /// When one follows the other.
    pub schedule: KeySchedule,
    /// What those sign that are yet to be made.
    pub key_type: KeyType,
}

/// A signing key and the time from which it signs.
#[derive(Debug)]
pub struct TokenKey {
    signing: SigningKey,
    id: TokenKeyId,
    not_before: UnixTime,
}

impl TokenKey {
    fn new(signing: SigningKey, not_before: UnixTime) -> Self {
        Self {
            id: signing.public().id(),
            signing,
            not_before,
        }
    }

    /// The private half.
    #[must_use]
    pub const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The type of the tokens that it signs.
    #[must_use]
    pub const fn token_type(&self) -> TokenType {
        self.signing.key_type().token_type()
    }

    /// SHA-256 of the public half; it names the key epoch too.
    #[must_use]
    pub const fn id(&self) -> TokenKeyId {
        self.id
    }

    /// From when it signs.
    #[must_use]
    pub const fn not_before(&self) -> UnixTime {
        self.not_before
    }
}

/// Keys that cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// On disk.
    #[error("token key file: {0}")]
    Files(#[from] KeyFileError),
    /// In the store that several nodes share.
    #[error(transparent)]
    Shared(#[from] SharedKeyError),
    /// A new one cannot be made.
    #[error("cannot make a token key: {0}")]
    Generate(#[from] SignError),
    /// Two keys whose ids end in the same byte cannot be told apart.
    #[error("the token keys {0} and {1} end in the same byte: give one of them up")]
    Collision(TokenKeyId, TokenKeyId),
    /// The directory cannot be written as JSON.
    #[error("the issuer directory cannot be encoded: {0}")]
    Directory(String),
}

impl KeyError {
    /// Whether to go on signing with the keys that are known would be wrong.
    const fn withholds(&self) -> bool {
        match self {
            Self::Shared(error) => error.withholds(),
            _ => false,
        }
    }
}

/// Why no key is used at present.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Withheld {
    /// Something is wrong that only the operator can put right; the sentence says
    /// what.
    #[error("this issuer does not sign: {0}")]
    Refused(Arc<str>),
    /// The store of keys could not be read for so long that a key may have begun
    /// that this node does not know.
    #[error("the store of token keys was not reached for too long to know the key that signs now")]
    OutOfDate,
}

/// Where token keys are kept, so that they outlive the process. All methods may
/// block.
pub trait KeyStore: fmt::Debug + Send + Sync {
    /// Every key kept, earliest first.
    ///
    /// # Errors
    /// [`KeyError`] on the first that is not what it should be: to go on without
    /// it could mean to sign with two keys at once, or to disown tokens.
    fn load(&self, now: UnixTime) -> Result<Vec<Arc<TokenKey>>, KeyError>;

    /// The same once more; `known` are the keys that this process has loaded or
    /// added itself.
    ///
    /// # Errors
    /// As [`Self::load`].
    fn refresh(
        &self,
        known: Vec<Arc<TokenKey>>,
        now: UnixTime,
    ) -> Result<Vec<Arc<TokenKey>>, KeyError>;

    /// Keeps `key` as the one that follows `after`; it is durable when this
    /// returns. False if another node has kept one meanwhile: then this one was
    /// not, and the keys are to be loaded again.
    ///
    /// # Errors
    /// [`KeyError`]; the key must not be published then.
    fn add(&self, after: &[Arc<TokenKey>], key: &Arc<TokenKey>) -> Result<bool, KeyError>;

    /// Deletes a key for good. Deleting one that is gone is no error.
    ///
    /// # Errors
    /// [`KeyError`]; the same may be tried again.
    fn delete(&self, key: &TokenKey) -> Result<(), KeyError>;

    /// How long a key stays here after it was withdrawn, since other nodes may use
    /// it for that long.
    fn grace(&self) -> Duration;

    /// Until when no key can begin that was not here at `now`, if keys are
    /// announced so long ahead.
    fn complete_until(&self, now: UnixTime, announce_ahead: Duration) -> UnixTime;
}

/// The live keys, and where they are kept.
#[derive(Debug)]
pub struct TokenKeys {
    store: Box<dyn KeyStore>,
    plan: KeyPlan,
    /// The present key is soon used up: its successor is not to wait for the end
    /// of the epoch.
    hastened: AtomicBool,
    hasten: Notify,
    /// Everything the store has, withdrawn keys included. Held while keys are
    /// rotated, by nobody else.
    stored: Mutex<Vec<Arc<TokenKey>>>,
    /// Replaced by [`Self::publish`] only; everybody else reads.
    live: ArcSwap<KeySet>,
    /// Why no key is used, when none is.
    refused: ArcSwapOption<Arc<str>>,
}

/// The keys of an issuer that does not serve yet.
#[derive(Debug)]
#[must_use = "keys that are not published sign nothing"]
pub struct Unpublished {
    store: Box<dyn KeyStore>,
    plan: KeyPlan,
    stored: Vec<Arc<TokenKey>>,
    live: KeySet,
}

impl Unpublished {
    /// The keys that will be live.
    #[must_use]
    pub const fn live(&self) -> &KeySet {
        &self.live
    }

    /// Makes them live. What is withdrawn is found again by the first rotation.
    #[must_use]
    pub fn publish(self) -> TokenKeys {
        TokenKeys {
            live: ArcSwap::from_pointee(self.live),
            stored: Mutex::new(self.stored),
            refused: ArcSwapOption::empty(),
            store: self.store,
            plan: self.plan,
            hastened: AtomicBool::new(false),
            hasten: Notify::new(),
        }
    }
}

impl TokenKeys {
    /// Reads the keys and makes those that are missing at `now`, none of which begins close
    /// to one of those that begin at `logged`. Takes some hundred milliseconds of the
    /// calling thread when a key is made.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(
        store: Box<dyn KeyStore>,
        plan: KeyPlan,
        logged: &[UnixTime],
        now: UnixTime,
    ) -> Result<Unpublished, KeyError> {
        let stored = store.load(now)?;
        let rotation = brought_up_to(now, stored, &*store, plan, Making::new(false, logged))?;
        Ok(Unpublished {
            store,
            plan,
            stored: rotation.stored,
            live: rotation.live,
        })
    }

    /// The live keys, usable or not.
    #[must_use]
    pub fn live(&self) -> Arc<KeySet> {
        self.live.load_full()
    }

    /// The live keys, if tokens may be signed and the directory be shown at `now`.
    ///
    /// # Errors
    /// [`Withheld`].
    pub fn usable(&self, now: UnixTime) -> Result<Arc<KeySet>, Withheld> {
        if let Some(reason) = self.refused.load_full() {
            return Err(Withheld::Refused(Arc::clone(&reason)));
        }
        let live = self.live();
        match now < live.complete_until() {
            true => Ok(live),
            false => Err(Withheld::OutOfDate),
        }
    }

    /// Why nobody could draw at `now`, as far as keys decide that.
    #[must_use]
    pub fn trouble(&self, now: UnixTime) -> Option<String> {
        let live = match self.usable(now) {
            Ok(live) => live,
            Err(withheld) => return Some(withheld.to_string()),
        };
        match (live.has_begun(now), live.next_begins(now)) {
            (true, _) => None,
            (false, Some(first)) => Some(format!("no token key signs before {first}")),
            (false, None) => Some("there is no token key".to_owned()),
        }
    }

    /// Has the next key made and announced without waiting for the end of the
    /// epoch, unless there is one.
    pub fn hasten(&self, now: UnixTime) {
        if self.live().next_begins(now).is_none() && !self.hastened.swap(true, Ordering::Relaxed) {
            tracing::warn!("the token key is soon used up: its successor is announced early");
            self.hasten.notify_one();
        }
    }

    /// Waits until somebody has called [`Self::hasten`].
    pub async fn hastened(&self) {
        self.hasten.notified().await;
    }

    /// Takes over the keys that other nodes have made, makes the next one if it is
    /// time (not close to those that begin at `logged`), and finds those that are no longer redeemable; the live keys stay as
    /// they are until [`Self::publish`]. Blocks as [`Self::open`] does. Called
    /// twice, or after a crash at any point, it ends in the same state: a key is
    /// durable before it is published, and is deleted after it is withdrawn. Both
    /// steps are for one task, which takes them in turn.
    ///
    /// # Errors
    /// [`KeyError`]; the live keys are perhaps not usable then.
    pub fn prepare(
        &self,
        logged: &[UnixTime],
        now: UnixTime,
    ) -> Result<PreparedRotation, KeyError> {
        let hastened = self.hastened.swap(false, Ordering::Relaxed);
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let store = &*self.store;
        let rotation = store.refresh(stored.clone(), now).and_then(|keys| {
            brought_up_to(now, keys, store, self.plan, Making::new(hastened, logged))
        });
        let rotation = rotation.inspect_err(|error| {
            if error.withholds() {
                self.withhold(&error.to_string());
            }
        })?;
        *stored = rotation.stored;
        Ok(PreparedRotation {
            next: self.plan.schedule.next_change(rotation.live.starts(), now),
            in_use: rotation.in_use,
            live: rotation.live,
            withdrawn: rotation.withdrawn,
        })
    }

    /// Stops signing and serving the directory, for this reason, until keys are
    /// published again.
    pub fn withhold(&self, reason: &str) {
        self.refused.store(Some(Arc::new(Arc::from(reason))));
    }

    /// Makes the keys live that the last [`Self::prepare`] found.
    pub fn publish(&self, prepared: PreparedRotation) -> RotationOutcome {
        self.live.store(Arc::new(prepared.live));
        self.refused.store(None);
        RotationOutcome {
            next: prepared.next,
            withdrawn: prepared.withdrawn,
        }
    }

    /// Deletes withdrawn keys for good.
    ///
    /// # Errors
    /// [`KeyError`]; those that are left are withdrawn again by the next rotation.
    pub fn delete(&self, withdrawn: &[Arc<TokenKey>]) -> Result<(), KeyError> {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        for key in withdrawn {
            self.store.delete(key)?;
            stored.retain(|other| other.id != key.id);
            tracing::info!(token_key_id = %key.id, "token key retired and deleted");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
