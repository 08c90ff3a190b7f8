//! The keys that sign tokens, one key epoch each: which are live, what the
//! directory says of them, and how one follows the other (docs/protocol.md
//! section 2, "Key life"). Signing itself is in `signer`.

pub mod key_files;
pub mod schedule;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use pennyblack_shared::directory::{DirectoryKey, IssuerDirectory};
use pennyblack_shared::encoding;
use pennyblack_shared::time::UnixTime;
use pennyblack_shared::token::{TokenKeyId, TokenType};
use tokio::sync::Notify;

use self::key_files::{KeyFileError, KeyFiles};
use self::schedule::{KeySchedule, Standing};
use crate::signer::{KeyType, SignError, SigningKey};

/// Where token requests go: the directory's `issuer-request-uri`.
pub const REQUEST_PATH: &str = "/token-request";

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

/// The live keys at one time; never changed, only replaced.
#[derive(Debug)]
pub struct KeySet {
    /// Earliest first: perhaps one redeemable, the signing one, perhaps one announced.
    keys: Vec<Arc<TokenKey>>,
    starts: Vec<UnixTime>,
    directory: Box<[u8]>,
    etag: String,
    schedule: KeySchedule,
}

impl KeySet {
    fn new(keys: Vec<Arc<TokenKey>>, schedule: KeySchedule) -> Result<Self, KeyError> {
        // Clients take the first key that has begun (RFC 9578 section 4).
        let latest_first = keys.iter().rev();
        let directory = IssuerDirectory {
            request_uri: REQUEST_PATH.to_owned(),
            token_keys: latest_first
                .map(|key| DirectoryKey {
                    token_type: key.token_type(),
                    encoded: key.signing.public().encoded().to_vec(),
                    not_before: Some(key.not_before),
                })
                .collect(),
        };
        let directory = directory
            .to_json()
            .map_err(|e| KeyError::Directory(e.to_string()))?;
        Ok(Self {
            starts: keys.iter().map(|key| key.not_before).collect(),
            etag: format!("\"{}\"", encoding::base64url(&encoding::sha256(&directory))),
            directory: directory.into(),
            keys,
            schedule,
        })
    }

    /// The key whose id ends in `truncated`, and what it may sign at `now`; none
    /// if there is no such key or it signs nothing.
    #[must_use]
    pub fn find(&self, truncated: u8, now: UnixTime) -> Option<(&Arc<TokenKey>, Standing)> {
        let is_it = |key: &Arc<TokenKey>| key.id.truncated() == truncated;
        let index = self.keys.iter().position(is_it)?;
        match schedule::standing(&self.starts, index, now) {
            Standing::Silent => None,
            standing => Some((self.keys.get(index)?, standing)),
        }
    }

    /// True when a live key signs tokens of this type.
    #[must_use]
    pub fn has_type(&self, token_type: TokenType) -> bool {
        self.keys.iter().any(|key| key.token_type() == token_type)
    }

    /// The ids of all live keys.
    pub fn ids(&self) -> impl Iterator<Item = TokenKeyId> {
        self.keys.iter().map(|key| key.id)
    }

    /// When the successor of the present key begins, if there is one.
    #[must_use]
    pub fn next_begins(&self, now: UnixTime) -> Option<UnixTime> {
        self.starts.iter().copied().find(|start| *start > now)
    }

    /// How long the present key goes on signing.
    #[must_use]
    pub fn rest_of_epoch(&self, now: UnixTime) -> Duration {
        self.schedule.rest_of_epoch(&self.starts, now)
    }

    /// The directory as it is served.
    #[must_use]
    pub const fn directory(&self) -> &[u8] {
        &self.directory
    }

    /// The directory's entity tag, quotes included.
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.etag
    }
}

/// Keys that cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// On disk.
    #[error("token key file: {0}")]
    Files(#[from] KeyFileError),
    /// A new one cannot be made.
    #[error("cannot make a token key: {0}")]
    Generate(#[from] SignError),
    /// Two keys whose ids end in the same byte cannot be told apart.
    #[error("the token keys {0} and {1} end in the same byte: move the later one's file away")]
    Collision(TokenKeyId, TokenKeyId),
    /// The directory cannot be written as JSON.
    #[error("the issuer directory cannot be encoded: {0}")]
    Directory(String),
}

/// The live keys, and their files.
#[derive(Debug)]
pub struct TokenKeys {
    files: KeyFiles,
    plan: KeyPlan,
    /// The present key is soon used up: its successor is not to wait for the end
    /// of the epoch.
    hastened: AtomicBool,
    hasten: Notify,
    /// Replaced by [`Self::rotate`] only; everybody else reads.
    live: ArcSwap<KeySet>,
}

impl TokenKeys {
    /// Reads the keys and makes those that are missing at `now`. Takes some
    /// hundred milliseconds of the calling thread when a key is made.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(files: KeyFiles, plan: KeyPlan, now: UnixTime) -> Result<Self, KeyError> {
        let stored: Vec<_> = files.load()?.into_iter().map(Arc::new).collect();
        refuse_collisions(&stored)?;
        let live = brought_up_to(now, stored.clone(), &files, plan, false)?;
        delete_withdrawn(&stored, &live, &files)?;
        Ok(Self {
            files,
            plan,
            hastened: AtomicBool::new(false),
            hasten: Notify::new(),
            live: ArcSwap::from_pointee(live),
        })
    }

    /// The live keys.
    #[must_use]
    pub fn live(&self) -> Arc<KeySet> {
        self.live.load_full()
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

    /// Makes the next key if it is time, deletes those that are no longer
    /// redeemable, and returns when to call again. Blocks as [`Self::open`] does.
    /// Called twice, or after a crash at any point, it ends in the same state:
    /// a key is on disk before it is published, and is deleted after it is
    /// withdrawn.
    ///
    /// # Errors
    /// [`KeyError`]; the live keys are as before then.
    pub fn rotate(&self, now: UnixTime) -> Result<UnixTime, KeyError> {
        let before = self.live();
        let hastened = self.hastened.swap(false, Ordering::Relaxed);
        let keys = before.keys.clone();
        let after = brought_up_to(now, keys, &self.files, self.plan, hastened)?;
        let after = Arc::new(after);
        self.live.store(Arc::clone(&after));
        delete_withdrawn(&before.keys, &after, &self.files)?;
        Ok(self.plan.schedule.next_change(&after.starts, now))
    }
}

fn brought_up_to(
    now: UnixTime,
    mut keys: Vec<Arc<TokenKey>>,
    files: &KeyFiles,
    plan: KeyPlan,
    hastened: bool,
) -> Result<KeySet, KeyError> {
    let schedule = plan.schedule;
    let starts = |keys: &[Arc<TokenKey>]| keys.iter().map(|key| key.not_before).collect::<Vec<_>>();
    let misplaced = schedule.misplaced(&starts(&keys), now);
    keys.truncate(keys.len() - misplaced);
    let mut early = hastened
        .then(|| schedule.early_key(&starts(&keys), now))
        .flatten();
    while let Some(start) = early
        .take()
        .or_else(|| schedule.missing_key(&starts(&keys), now))
    {
        let key = TokenKey::new(distinct_key(plan.key_type, &keys)?, start);
        files.save(&key)?;
        tracing::info!(token_key_id = %key.id, not_before = start.0, "new token key");
        keys.push(Arc::new(key));
    }
    let retired = schedule::retired(&starts(&keys), now);
    KeySet::new(keys.split_off(retired), schedule)
}

/// A fresh key whose id ends in another byte than those of `others`.
fn distinct_key(key_type: KeyType, others: &[Arc<TokenKey>]) -> Result<SigningKey, KeyError> {
    loop {
        let key = SigningKey::generate(key_type)?;
        let last = key.public().id().truncated();
        if others.iter().all(|other| other.id.truncated() != last) {
            return Ok(key);
        }
    }
}

fn delete_withdrawn(
    before: &[Arc<TokenKey>],
    live: &KeySet,
    files: &KeyFiles,
) -> Result<(), KeyFileError> {
    for key in before {
        if live.ids().all(|id| id != key.id) {
            files.delete(key)?;
            tracing::info!(token_key_id = %key.id, "token key retired and deleted");
        }
    }
    Ok(())
}

fn refuse_collisions(keys: &[Arc<TokenKey>]) -> Result<(), KeyError> {
    for (index, key) in keys.iter().enumerate() {
        let same_end = |other: &&Arc<TokenKey>| other.id.truncated() == key.id.truncated();
        if let Some(other) = keys.iter().skip(index + 1).find(same_end) {
            return Err(KeyError::Collision(key.id, other.id));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
