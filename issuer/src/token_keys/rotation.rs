//! From the keys that are stored to those that are to be live: which are missing, which
//! have retired, and in what order that becomes durable. Not here: publishing them.

use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::TokenKeyId;

use super::{KeyError, KeyPlan, KeySet, KeyStore, TokenKey, schedule};
use crate::signer::{KeyType, SigningKey};

/// Keys brought up to date: durable, and not shown to anybody. Whatever must be
/// true of a key before it is listed is made true between this and
/// [`super::TokenKeys::publish`].
#[derive(Debug)]
#[must_use = "keys that are not published sign nothing"]
pub struct PreparedRotation {
    pub(super) live: KeySet,
    pub(super) next: UnixTime,
    pub(super) in_use: Vec<TokenKeyId>,
    pub(super) withdrawn: Vec<Arc<TokenKey>>,
}

impl PreparedRotation {
    /// The keys that will be live.
    #[must_use]
    pub const fn live(&self) -> &KeySet {
        &self.live
    }

    /// The keys that some node may sign with: those, and what was withdrawn so lately
    /// that others may not know of it.
    #[must_use]
    pub fn in_use(&self) -> &[TokenKeyId] {
        &self.in_use
    }
}

/// What became of a rotation.
#[derive(Debug)]
pub struct RotationOutcome {
    /// When to rotate again.
    pub next: UnixTime,
    /// Keys that sign nothing any more, to be given to [`super::TokenKeys::delete`] when
    /// all else about their epochs is forgotten.
    pub withdrawn: Vec<Arc<TokenKey>>,
}

/// The keys as they are to be at some time.
pub(super) struct Rotation {
    pub(super) stored: Vec<Arc<TokenKey>>,
    pub(super) live: KeySet,
    pub(super) in_use: Vec<TokenKeyId>,
    pub(super) withdrawn: Vec<Arc<TokenKey>>,
}

/// What is to be made, and when it may begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Making<'a> {
    /// The next key must not wait for the end of the epoch.
    hastened: bool,
    /// When the keys begin that are in the log, kept or lost.
    logged: &'a [UnixTime],
}

impl<'a> Making<'a> {
    pub(super) const fn new(hastened: bool, logged: &'a [UnixTime]) -> Self {
        Self { hastened, logged }
    }
}

/// Makes what is missing at `now`, durable in the store, and sorts what there is.
pub(super) fn brought_up_to(
    now: UnixTime,
    mut keys: Vec<Arc<TokenKey>>,
    store: &dyn KeyStore,
    plan: KeyPlan,
    making: Making<'_>,
) -> Result<Rotation, KeyError> {
    let schedule = plan.schedule;
    let mut misplaced = Vec::new();
    loop {
        refuse_collisions(&keys)?;
        misplaced.extend(keys.split_off(keys.len() - schedule.misplaced(&starts(&keys), now)));
        let early = making
            .hastened
            .then(|| schedule.early_key(&starts(&keys), now))
            .flatten();
        let missing = early.or_else(|| schedule.missing_key(&starts(&keys), now));
        let Some(start) = missing else {
            break;
        };
        let start = schedule::clear_of(making.logged, start);
        let key = Arc::new(TokenKey::new(distinct_key(plan.key_type, &keys)?, start));
        if store.add(&keys, &key)? {
            tracing::info!(token_key_id = %key.id, not_before = %start, "new token key");
            keys.push(key);
        } else {
            keys = store.load(now)?;
        }
    }
    let starts = starts(&keys);
    let split = |retired: usize| keys.split_at_checked(retired).unwrap_or((&keys, &[]));
    let (_, live) = split(schedule::retired(&starts, now));
    let (withdrawn, in_use) = split(schedule::retired(&starts, now.minus(store.grace())));
    let complete_until = store.complete_until(now, schedule.announce_ahead);
    Ok(Rotation {
        live: KeySet::new(live.to_vec(), schedule, complete_until)?,
        in_use: in_use.iter().map(|key| key.id).collect(),
        withdrawn: withdrawn.iter().chain(&misplaced).cloned().collect(),
        stored: keys,
    })
}

fn starts(keys: &[Arc<TokenKey>]) -> Vec<UnixTime> {
    keys.iter().map(|key| key.not_before).collect()
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

pub(super) fn refuse_collisions(keys: &[Arc<TokenKey>]) -> Result<(), KeyError> {
    for (index, key) in keys.iter().enumerate() {
        let same_end = |other: &&Arc<TokenKey>| other.id.truncated() == key.id.truncated();
        if let Some(other) = keys.iter().skip(index + 1).find(same_end) {
            return Err(KeyError::Collision(key.id, other.id));
        }
    }
    Ok(())
}
