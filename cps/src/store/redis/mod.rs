//! The store of several nodes: Redis, one server or a cluster (docs/redis.md). What
//! an [`Outcome`] survives is the configured level of durability.
//!
//! A token and a mailbox are in different hash slots, so that spending and adding
//! the entry are two steps, both idempotent: the token is spent with the request's
//! record, then the entry is added under the request's digest. When a node dies
//! between the two, the token is bound to that request, nobody was told of success,
//! and the same request again finds its own record and adds the entry. The second step
//! drops the oldest entry of a full mailbox.

mod answers;
#[cfg(test)]
mod capacity;
mod examination;
mod fence;
mod guard;
mod guarded;
mod keys;
mod mailboxes;
mod spent;
mod takeover;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_redis::{Redis, RedisError, RedisOptions, SetUpError};
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_service::admin::Readiness;
use pennyblack_service::repeated_causes::report;
use pennyblack_storage::disk::{OpenDiskError, RealDisk};
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;

use self::answers::Spent;
pub use self::fence::FenceFileError;
use self::fence::{Fence, NodeId};
use self::guard::{Guard, Refusing};
use self::keys::{EntryId, Keys};
use self::mailboxes::Mailboxes;
use self::spent::SpentSet;
pub use self::takeover::TakeoverError;
pub(crate) use self::takeover::{MOVED_MARK, MOVED_STORE};
use super::{Limits, Outcome, Page, Spend, Store, StoreError, Window};

/// What keys begin with unless the operator says otherwise.
const NAMESPACE: &str = "cps";
/// The file in which a node remembers what it has seen of the store.
const FENCE_FILE: &str = "fence.json";
/// How often that file is written.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How often the whole store is looked at.
const EXAMINE_EVERY: u32 = 10;
/// Clocks that are wrong, on top of the time in which a request may be repeated.
const MARK_MARGIN: Duration = Duration::from_secs(120);

/// A store in Redis that cannot be used at all. One that cannot be reached, or that
/// does not carry its promise, is none: it refuses until it does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenRedisError {
    /// The options.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The directory.
    #[error(transparent)]
    Disk(#[from] OpenDiskError),
    /// What this node remembers.
    #[error(transparent)]
    Fence(#[from] FenceFileError),
}

/// An older store that could not be accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// It cannot be used at all.
    #[error(transparent)]
    Open(#[from] OpenRedisError),
    /// Redis.
    #[error("accepting the store broke off: run --accept-older-store again: {0}")]
    Redis(#[from] RedisError),
}

/// The store, open. Clones share it.
#[derive(Debug, Clone)]
pub struct RedisStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    redis: Redis,
    keys: Keys,
    spent: SpentSet,
    mailboxes: Mailboxes,
    guard: Guard,
    /// Keeps the directory for this process.
    _lock: RealDisk,
}

impl RedisStore {
    /// Opens the store with a directory of this node's own, which is made if missing
    /// and locked for this process. A request can come again for `repeatable`.
    /// Nothing is sent yet, and nothing redeemed until [`Self::examine`].
    ///
    /// # Errors
    /// [`OpenRedisError`].
    pub fn open(
        options: &RedisOptions,
        limits: Limits,
        repeatable: Duration,
        directory: &Path,
    ) -> Result<Self, OpenRedisError> {
        let redis = Redis::new(options)?;
        let lock = RealDisk::open(directory)?;
        let path = fence_file(directory);
        let fence = match Fence::load(&path)? {
            Some(fence) => fence,
            None => Fence::new(NodeId(rand::random())),
        };
        let guard = Guard::new(path, fence);
        // The node's name, before anything is counted under it.
        guard.save()?;
        Ok(Self(Arc::new(Inner {
            redis,
            keys: keys(options),
            spent: SpentSet::new(),
            mailboxes: Mailboxes::new(limits, repeatable + MARK_MARGIN),
            guard,
            _lock: lock,
        })))
    }

    /// Looks at the whole store: whether it is as durable as promised, and whether
    /// it knows what this node has seen. Tokens are redeemed from then on, or not.
    pub async fn examine(&self) {
        let Inner {
            redis, keys, guard, ..
        } = &*self.0;
        match examination::examine(redis, keys, guard).await {
            // Before the first spend, so that after a crash too the file says where it is.
            Ok(true) if guard.refusing().is_some() => {
                guard.set(self.write_down().await.err().map(Refusing::not_kept));
            }
            Ok(_) => {}
            Err(error) => {
                report("the store could not be looked at", &error);
                if let Some(Refusing::Unexamined(_)) = guard.refusing() {
                    guard.set(Some(Refusing::Unexamined(error.to_string())));
                }
            }
        }
    }

    /// Whether the node of this directory may have spent tokens in a Redis.
    ///
    /// # Errors
    /// [`FenceFileError`].
    pub(crate) fn has_joined(directory: &Path) -> Result<bool, FenceFileError> {
        let fence = Fence::load(&fence_file(directory))?;
        Ok(fence.is_some_and(|fence| fence.store.is_some()))
    }

    /// Why no token is redeemed, if none is.
    #[must_use]
    pub fn refusing(&self) -> Option<String> {
        self.0.guard.refusing().map(|refusing| refusing.to_string())
    }

    /// The connection, for what else the nodes of a CPS share.
    pub(crate) fn redis(&self) -> &Redis {
        &self.0.redis
    }

    /// What the names of all keys begin with.
    pub(crate) fn namespace(&self) -> &str {
        namespace(self.0.redis.options())
    }

    /// Accepts the store as it is. For one in which no spend is recorded: it is examined
    /// by other means, and a fence about spends has nothing to compare.
    pub(super) fn vouch(&self) {
        self.0.guard.set(None);
    }

    /// Which entry of its mailbox a spend is for.
    pub(super) fn entry_of(spend: &Spend) -> EntryId {
        EntryId::of(spend.token_key_id, &spend.nonce, &spend.record.digest)
    }

    /// Adds the entry of a spend; `false` when it was added before.
    pub(super) async fn append(
        &self,
        spend: &Spend,
        entry: &EntryId,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let inner = &*self.0;
        let append = inner
            .mailboxes
            .append(inner.at(), &spend.mailbox, entry, &spend.sealed, now);
        append.await.map_err(unavailable)
    }

    /// Records the entry of a spend as added at `at` and dropped.
    async fn record_dropped(&self, spend: &Spend, at: UnixTime) -> Result<(), StoreError> {
        let inner = &*self.0;
        let entry = Self::entry_of(spend);
        let record = inner
            .mailboxes
            .record_dropped(inner.at(), &spend.mailbox, &entry, at);
        record.await.map_err(unavailable)
    }

    /// Looks at the store again and again, and writes down what was seen of it,
    /// until `shutdown`.
    pub async fn watch(self, readiness: Readiness, shutdown: Shutdown) {
        let mut pace = tokio::time::interval(SAVE_EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beats = 0u32;
        // What was away may come back with less than it had.
        let mut was_in_trouble = self.refusing().is_some();
        loop {
            let must_look = tokio::select! {
                _ = pace.tick() => {
                    beats = beats.wrapping_add(1);
                    beats.is_multiple_of(EXAMINE_EVERY) || was_in_trouble
                }
                () = self.0.guard.alarm.notified() => true,
                () = shutdown.requested() => break,
            };
            if must_look {
                self.examine().await;
            }
            self.save().await;
            let why = match self.refusing() {
                Some(why) => Some(why),
                None => self.trouble().await,
            };
            was_in_trouble = why.is_some();
            match why {
                Some(why) => readiness.lacks("store", why),
                None => readiness.has("store"),
            }
        }
        self.save().await;
    }

    /// Why a spend would not be accepted now, by the answer to a write that is as durable.
    pub(crate) async fn trouble(&self) -> Option<String> {
        let (redis, keys) = self.0.at();
        let tried = redis.try_to_write(keys.trials(redis.is_cluster())).await;
        let error = tried.err()?;
        Some(format!("the store accepts nothing now: {error}"))
    }

    /// Writes down what was seen of the store. An error is logged.
    pub(crate) async fn save(&self) {
        if let Err(error) = self.write_down().await {
            report("what was seen of the store is not kept", &error);
        }
    }

    /// Writes down what was seen of the store.
    async fn write_down(&self) -> Result<(), FenceFileError> {
        let this = self.clone();
        let saved = spawn_blocking(move || this.0.guard.save()).await;
        saved.unwrap_or_else(|error| Err(self.0.guard.not_saved(error.into())))
    }

    /// Makes a store that has forgotten something the one that counts, as it is, for
    /// all nodes: tokens that it has forgotten can then be spent once more. A node
    /// at work may have the directory.
    ///
    /// # Errors
    /// [`AcceptError`].
    pub async fn accept_older(options: &RedisOptions, directory: &Path) -> Result<(), AcceptError> {
        let redis = Redis::new(options).map_err(OpenRedisError::from)?;
        let fence = Fence::load(&fence_file(directory)).map_err(OpenRedisError::from)?;
        let fence = fence.unwrap_or_else(|| Fence::new(NodeId(rand::random())));
        Ok(examination::accept(&redis, &keys(options), &fence).await?)
    }
}

fn fence_file(directory: &Path) -> PathBuf {
    directory.join(FENCE_FILE)
}

fn keys(options: &RedisOptions) -> Keys {
    Keys::new(namespace(options))
}

/// What the names of all keys begin with.
pub(super) fn namespace(options: &RedisOptions) -> &str {
    options.namespace.as_deref().unwrap_or(NAMESPACE)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the end of the error, and reads so where it is mapped"
)]
fn unavailable(error: RedisError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the end of the reason, and reads so where it is mapped"
)]
fn refused(refusing: Refusing) -> StoreError {
    StoreError::Unavailable(refusing.to_string())
}

impl Store for RedisStore {
    async fn spend_and_append(&self, spend: Spend, now: UnixTime) -> Result<Outcome, StoreError> {
        let inner = &*self.0;
        if let Some(refusing) = inner.guard.refusing() {
            return Err(refused(refusing));
        }
        let (epoch, nonce, digest) = (spend.token_key_id, &spend.nonce, spend.record.digest);
        let entry = Self::entry_of(&spend);
        let record = spend.record.to_bytes();
        match inner.spend(epoch, nonce, &record).await? {
            Spent::Now(_) => {}
            Spent::Before(first, _) if first.digest == digest => {}
            Spent::Before(first, _) => return Ok(Outcome::Conflict(first)),
            Spent::Closed => return Err(StoreError::EpochClosed),
            Spent::Older => return Err(refused(inner.guard.found_older())),
        }
        match self.append(&spend, &entry, now).await? {
            true => Ok(Outcome::Stored),
            false => Ok(Outcome::AlreadyStored),
        }
    }

    async fn page(
        &self,
        mailbox: MailboxId,
        window: Window,
        now: UnixTime,
    ) -> Result<Page, StoreError> {
        let inner = &*self.0;
        let page = inner.mailboxes.page(inner.at(), &mailbox, window, now);
        page.await
    }

    async fn close_epoch(&self, token_key_id: TokenKeyId) -> Result<(), StoreError> {
        let inner = &self.0;
        // In all shards first: what is refused anywhere is refused everywhere soon.
        for shard in inner.close_everywhere(token_key_id).await? {
            let (redis, keys) = inner.at();
            let removal = spent::remove_buckets(redis, keys, shard, token_key_id);
            removal.await.map_err(unavailable)?;
        }
        Ok(())
    }

    async fn spent(&self, token_key_id: TokenKeyId) -> Result<u64, StoreError> {
        let (redis, keys) = self.0.at();
        let counted = spent::count(redis, keys, token_key_id).await;
        let counted = counted.map_err(unavailable)?;
        // Afterwards: so nothing was lost before it was counted.
        let guard = &self.0.guard;
        let known = examination::is_known(redis, keys, guard).await;
        if known.map_err(unavailable)? {
            return Ok(counted);
        }
        guard.alarm.notify_one();
        let why = "the store is not as this node knows it: its spends are not counted";
        Err(StoreError::Unavailable(why.to_owned()))
    }
}
