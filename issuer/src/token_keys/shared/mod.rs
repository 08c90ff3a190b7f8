//! Token keys that several issuer nodes share through a Redis (docs/redis.md,
//! "Several issuers"): sealed there as one numbered list, which is replaced only by
//! who knows the list before it. So exactly one node makes the next key, and every
//! other loads it before it begins.

mod copies;
pub mod key_list;
pub mod wrapping_key;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_redis::{Redis, RedisError, Script};
use tokio::runtime::Handle;

use self::copies::Copies;
use self::key_list::KeyListError;
use self::wrapping_key::WrappingKey;
use super::key_files::KeyFiles;
use super::{KeyError, KeyStore, TokenKey};
use crate::ledger::redis::{namespace, open_epoch};
use crate::node_memory::{NodeMemory, NodeMemoryError};

/// How long a key stays in the list after it was withdrawn: until the slowest
/// clock and the last look at the list have passed that instant, too.
const GRACE: Duration = Duration::from_secs(60);

/// How long after its last look at the list a node may replace it. One that stood
/// still in between would announce a key too late.
const REPLACE_WITHIN: Duration = Duration::from_secs(30);

/// Keys in Redis that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SharedKeyError {
    /// Redis was not reached, or refused.
    #[error("token keys: {0}")]
    Redis(#[from] RedisError),
    /// What is there cannot be opened.
    #[error(transparent)]
    List(#[from] KeyListError),
    /// An older list than this node has seen, or none.
    #[error(
        "Redis lost token keys: it has list {found}, and this node has seen list {seen}. Was a \
         backup restored, or did a failover lose writes? Bring them back; or, to give up the \
         keys that were lost and the tokens that they signed, stop all nodes, run each once \
         with --accept-older-store, and start them (this one remembers in {memory})"
    )]
    Lost {
        /// The number of the last list that was seen.
        seen: u64,
        /// The number of the list that is there; 0 if none is.
        found: u64,
        /// The file in which the node remembers that.
        memory: String,
    },
    /// Another list under the number of the one that this node has seen.
    #[error(
        "Redis lost list {number} of token keys, and another node has made another one of that \
         number since. Bring the lost one back; or, to give up the keys that were lost and the \
         tokens that they signed, start this node again: it takes the list that is there"
    )]
    Exchanged {
        /// The number of both.
        number: u64,
    },
    /// The clocks of this node and of Redis differ too much for keys to change at
    /// the same instant everywhere.
    #[error(
        "this node's clock is {} s {} that of Redis, and token_keys.clock_tolerance is {} s: set both \
         by NTP",
        apart.as_secs(), if *ahead { "ahead of" } else { "behind" }, tolerance.as_secs()
    )]
    Clock {
        /// How far.
        apart: Duration,
        /// Whether the node's is ahead.
        ahead: bool,
        /// How far they may be apart.
        tolerance: Duration,
    },
    /// What this node remembers.
    #[error(transparent)]
    Memory(#[from] NodeMemoryError),
}

impl SharedKeyError {
    /// Whether the keys that are known must not be used meanwhile. A Redis that is
    /// away takes nothing from what they are.
    pub(super) const fn withholds(&self) -> bool {
        !matches!(self, Self::Redis(_))
    }
}

/// The keys of one issuer, in the Redis that its nodes share.
#[derive(Debug)]
pub struct SharedKeys {
    redis: Redis,
    scripts: Scripts,
    /// Blocking calls wait on it for Redis.
    runtime: Handle,
    authority: Authority,
    wrapping: WrappingKey,
    tolerance: Duration,
    by_hand: bool,
    memory: Arc<NodeMemory>,
    copies: Copies,
    /// The list that this node knows. Locked for an instant, and by one thread.
    known: Mutex<KeyList>,
}

#[derive(Debug)]
struct Scripts {
    load: Script,
    replace: Script,
}

#[derive(Debug, Clone)]
struct KeyList {
    number: u64,
    /// As it is in Redis. A number alone does not tell one list from another that was made
    /// after it was lost.
    sealed: Vec<u8>,
    keys: Vec<Arc<TokenKey>>,
    /// The last look at it, by the clock of Redis.
    seen: UnixTime,
}

/// What a node brings along to share keys.
#[derive(Debug)]
pub struct Membership {
    /// The issuer whose keys they are.
    pub authority: Authority,
    /// What they are sealed under.
    pub wrapping: WrappingKey,
    /// How far this node's clock may be from that of Redis.
    pub tolerance: Duration,
    /// Whether a test sets the node's clock: then the two are not compared.
    pub by_hand: bool,
    /// What the node has seen.
    pub memory: Arc<NodeMemory>,
    /// Where it keeps VOPRF keys as files, for a CPS that verifies with them.
    pub copies: KeyFiles,
}

impl SharedKeys {
    /// The keys in `redis`. Must be called inside a tokio runtime, and used outside
    /// of its tasks, since its methods block.
    #[must_use]
    pub fn new(redis: Redis, membership: Membership) -> Self {
        Self {
            redis,
            scripts: Scripts {
                load: Script::new(include_str!("load.lua")),
                replace: Script::new(include_str!("replace.lua")),
            },
            runtime: Handle::current(),
            authority: membership.authority,
            wrapping: membership.wrapping,
            tolerance: membership.tolerance,
            by_hand: membership.by_hand,
            memory: membership.memory,
            copies: Copies::new(membership.copies),
            known: Mutex::new(KeyList {
                number: 0,
                sealed: Vec::new(),
                keys: Vec::new(),
                seen: UnixTime(0),
            }),
        }
    }

    fn reload(&self, now: UnixTime) -> Result<KeyList, SharedKeyError> {
        let asked = Instant::now();
        let (number, sealed, theirs) = self.runtime.block_on(self.fetch())?;
        self.compare_clocks(now, UnixTime(theirs), asked.elapsed())?;
        let seen = self.memory.key_list();
        if number < seen {
            return Err(SharedKeyError::Lost {
                seen,
                found: number,
                memory: self.memory.path().display().to_string(),
            });
        }
        let mut list = self.known().clone();
        list.seen = UnixTime(theirs);
        if number == list.number && sealed != list.sealed {
            return Err(SharedKeyError::Exchanged { number });
        }
        if number != list.number {
            list.keys = key_list::open(&sealed, number, &self.authority, &self.wrapping)?;
            list.number = number;
            list.sealed = sealed;
            self.memory.saw_key_list(number)?;
        }
        self.known().clone_from(&list);
        Ok(list)
    }

    async fn fetch(&self) -> Result<(u64, Vec<u8>, u64), RedisError> {
        let name = self.name();
        self.redis
            .write(&self.scripts.load, &[name.as_bytes()], &[])
            .await
    }

    /// The time that the question took is nobody's fault.
    fn compare_clocks(
        &self,
        ours: UnixTime,
        theirs: UnixTime,
        took: Duration,
    ) -> Result<(), SharedKeyError> {
        let (behind, ahead) = (theirs.since(ours), ours.since(theirs));
        if self.by_hand || behind.max(ahead) <= self.tolerance + took {
            return Ok(());
        }
        Err(SharedKeyError::Clock {
            apart: behind.max(ahead),
            ahead: ahead > behind,
            tolerance: self.tolerance,
        })
    }

    /// Puts `keys` in the place of the list that this node knows; false if there is
    /// another by now, or it was looked at too long ago.
    fn replace(&self, keys: Vec<Arc<TokenKey>>) -> Result<bool, SharedKeyError> {
        let before = self.known().clone();
        let number = before.number + 1;
        let list = KeyList {
            sealed: key_list::seal(&keys, number, &self.authority, &self.wrapping)?,
            number,
            keys,
            seen: before.seen,
        };
        let name = self.name();
        let (expected, number) = (before.number.to_string(), list.number.to_string());
        let UnixTime(deadline) = before.seen.plus(REPLACE_WITHIN);
        let replaced: bool = self.runtime.block_on(self.redis.write(
            &self.scripts.replace,
            &[name.as_bytes()],
            &[
                expected.as_bytes(),
                number.as_bytes(),
                &list.sealed,
                deadline.to_string().as_bytes(),
                &before.sealed,
            ],
        ))?;
        if replaced {
            self.memory.saw_key_list(list.number)?;
            *self.known() = list;
        }
        Ok(replaced)
    }

    fn name(&self) -> String {
        format!("{}:{{{}}}:keys", namespace(&self.redis), self.authority)
    }

    fn known(&self) -> MutexGuard<'_, KeyList> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for SharedKeys {
    fn load(&self, now: UnixTime) -> Result<Vec<Arc<TokenKey>>, KeyError> {
        let list = self.reload(now)?;
        self.copies.follow(list.number, &list.keys)?;
        Ok(list.keys)
    }

    fn refresh(
        &self,
        _known: Vec<Arc<TokenKey>>,
        now: UnixTime,
    ) -> Result<Vec<Arc<TokenKey>>, KeyError> {
        self.load(now)
    }

    /// The accounts of the epoch are opened first: that they are missing will mean
    /// that they were lost. A crash in between leaves empty accounts of a key that
    /// nobody has: a hundred bytes.
    fn add(&self, after: &[Arc<TokenKey>], key: &Arc<TokenKey>) -> Result<bool, KeyError> {
        let opened = self.runtime.block_on(open_epoch(&self.redis, key.id()));
        opened.map_err(SharedKeyError::from)?;
        let mut keys = after.to_vec();
        keys.push(Arc::clone(key));
        let added = self.replace(keys)?;
        if added {
            let list = self.known().clone();
            self.copies.follow(list.number, &list.keys)?;
        }
        Ok(added)
    }

    fn delete(&self, key: &TokenKey) -> Result<(), KeyError> {
        let mut keys = self.known().keys.clone();
        let before = keys.len();
        keys.retain(|other| other.id() != key.id());
        if keys.len() < before && !self.replace(keys)? {
            // Another node was quicker, with this or with something else. The next
            // rotation loads what it did, and tries again.
            tracing::debug!(token_key_id = %key.id(), "another node changed the keys first");
        }
        Ok(())
    }

    fn grace(&self) -> Duration {
        GRACE
    }

    /// Every key is in the list `announce_ahead` before it begins: by the clock of
    /// the node that made it, and by the time it needed.
    fn complete_until(&self, now: UnixTime, announce_ahead: Duration) -> UnixTime {
        let late = self.tolerance * 2 + REPLACE_WITHIN;
        now.plus(announce_ahead.saturating_sub(late))
    }
}

#[cfg(test)]
mod tests;
