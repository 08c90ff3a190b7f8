//! Quota accounts in a Redis that several issuer nodes share (docs/redis.md,
//! "Several issuers"). What a charge comes to is decided by one script, `charge.lua`;
//! here is what goes in and what its verdict means.
//!
//! All accounts of a key epoch lie in one hash slot: a hash of the epoch with the
//! total of its key, a hash with the tokens of each account, a sorted set of what the
//! accounts cover, and the drawings in 256 hashes, small ones for Redis to keep compact.
//! So a charge is one script, and there is no instant at which one account is charged and
//! another, or the key, is not. The alternative, accounts spread over slots, would need
//! two steps and their healing, to gain what is not needed: one charge pays for a batch of
//! up to hundreds of tokens, and signing these takes a thousand times as long as counting
//! them. In memory a drawing takes 42 bytes, and 90 when an epoch has more than 131,072,
//! whatever the size of its batch: a hundred million tokens in batches of 256 are 35 MB.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_redis::{Redis, RedisError, Script, cmd};
use tokio::task::spawn_blocking;

use super::{ChargeError, ChargeKind, Ledger};
use crate::node_memory::NodeMemory;
use crate::quota::{Allowance, Charge, Exhausted, Limits, MAX_OVERLAPS};

/// Lua counts in doubles: whole numbers up to here.
const MOST_NUMBER: u64 = 1 << 53;

/// The accounts of all live key epochs, in Redis.
#[derive(Debug)]
pub struct RedisLedger {
    redis: Redis,
    scripts: Scripts,
    allowance: Allowance,
    memory: Arc<NodeMemory>,
    node: String,
    /// The epochs that are followed, and what this node has seen of each. Replaced by
    /// [`Ledger::admit`] and [`Ledger::follow`], which one task calls.
    followed: ArcSwap<HashMap<TokenKeyId, Arc<Seen>>>,
    /// The same of epochs that are followed no more, until they are forgotten: a total
    /// must not be stated of accounts that have lost something. Locked for an instant.
    former: Mutex<HashMap<TokenKeyId, Arc<Seen>>>,
}

/// What a node has seen of an epoch's accounts.
#[derive(Debug, Default)]
struct Seen {
    /// Charges of this node that were acknowledged.
    own: AtomicU64,
    /// Tokens that the key had signed, at all nodes, when this node last charged.
    total: AtomicU64,
}

impl Seen {
    fn charges(own: u64) -> Arc<Self> {
        Arc::new(Self {
            own: AtomicU64::new(own),
            ..Self::default()
        })
    }

    fn own(&self) -> u64 {
        self.own.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Scripts {
    charge: Script,
    peek: Script,
    forget: Script,
}

/// What keys begin with unless the operator says otherwise.
const NAMESPACE: &str = "issuer";

/// What all keys in this Redis begin with.
pub(crate) fn namespace(redis: &Redis) -> &str {
    redis.options().namespace.as_deref().unwrap_or(NAMESPACE)
}

/// The keys of an epoch; the braces keep them in one hash slot.
struct Keys {
    epoch: String,
    accounts: String,
    bounds: String,
    /// Drawings lie under this and the first byte of theirs, in hexadecimal.
    drawings: String,
}

impl Keys {
    fn of(epoch: TokenKeyId, redis: &Redis) -> Self {
        let namespace = namespace(redis);
        Self {
            epoch: format!("{namespace}:{{{epoch}}}:epoch"),
            accounts: format!("{namespace}:{{{epoch}}}:accounts"),
            bounds: format!("{namespace}:{{{epoch}}}:bounds"),
            drawings: format!("{namespace}:{{{epoch}}}:drawings:"),
        }
    }

    fn drawings(&self, first_byte: u8) -> String {
        format!("{}{first_byte:02x}", self.drawings)
    }

    fn all(self) -> Vec<String> {
        let drawings = (0..=u8::MAX).map(|first| self.drawings(first)).collect();
        [drawings, vec![self.epoch, self.accounts, self.bounds]].concat()
    }
}

/// Opens the accounts of an epoch, before its key is known to anybody. That the
/// accounts of a known key are missing tells a loss from a beginning.
///
/// # Errors
/// [`RedisError`]; the key must not be published then.
pub(crate) async fn open_epoch(redis: &Redis, epoch: TokenKeyId) -> Result<(), RedisError> {
    let script = Script::new(include_str!("open.lua"));
    let keys = Keys::of(epoch, redis);
    let _new: bool = redis.write(&script, &[keys.epoch.as_bytes()], &[]).await?;
    Ok(())
}

impl RedisLedger {
    /// Why nothing would be charged now, by the answers to writes that are as durable, one
    /// for each epoch.
    pub(crate) async fn trouble(&self) -> Option<String> {
        let followed = self.followed.load_full();
        let of_epoch = |epoch: &TokenKeyId| {
            let namespace = namespace(&self.redis);
            format!("{namespace}:{{{epoch}}}:trial").into_bytes()
        };
        let tried = self.redis.try_to_write(followed.keys().map(of_epoch)).await;
        let error = tried.err()?;
        Some(format!("the store charges nothing now: {error}"))
    }

    /// The accounts in `redis`; no epoch is followed yet.
    #[must_use]
    pub fn new(redis: Redis, allowance: Allowance, memory: Arc<NodeMemory>) -> Self {
        let former = memory.all_charges().into_iter();
        let former = former.map(|(epoch, own)| (epoch, Seen::charges(own)));
        Self {
            redis,
            former: Mutex::new(former.collect()),
            scripts: Scripts {
                charge: Script::new(include_str!("charge.lua")),
                peek: Script::new(include_str!("peek.lua")),
                forget: Script::new(include_str!("forget.lua")),
            },
            allowance,
            node: memory.node(),
            memory,
            followed: ArcSwap::default(),
        }
    }

    /// As `charge.lua` reads them.
    fn arguments(
        &self,
        charge: &Charge,
        kind: ChargeKind,
        max: Option<u64>,
        limits: Limits,
        seen: &Seen,
    ) -> Vec<Vec<u8>> {
        let number = |number: u64| number.min(MOST_NUMBER).to_string().into_bytes();
        let mut arguments = vec![
            charge.drawing.to_vec(),
            number(charge.tokens.into()),
            number(limits.tokens),
            max.map_or_else(Vec::new, number),
            match kind {
                ChargeKind::NewOrRepeated => b"0".to_vec(),
                ChargeKind::RepeatedOnly => b"1".to_vec(),
            },
            self.node.clone().into_bytes(),
            number(seen.own()),
            number(MAX_OVERLAPS as u64),
            // Each extent has two bounds.
            number((limits.extents as u64).saturating_mul(2)),
        ];
        for extent in charge.subject.extents() {
            let (first, last) = extent.bounds();
            arguments.extend([first.into_bytes(), last.into_bytes()]);
        }
        arguments
    }

    fn outcome_of(
        &self,
        (verdict, first, second): (String, u64, u64),
        epoch: TokenKeyId,
        allowed: u64,
        max: Option<u64>,
        seen: &Seen,
    ) -> Result<u64, ChargeError> {
        match verdict.as_str() {
            "counted" => {
                seen.own.fetch_max(second, Ordering::Relaxed);
                seen.total.fetch_max(first, Ordering::Relaxed);
                Ok(first)
            }
            "exhausted" => Err(ChargeError::Exhausted(Exhausted {
                drawn: first,
                allowed,
            })),
            "crowded" => Err(ChargeError::Crowded),
            "not repeated" => Err(ChargeError::NotRepeated),
            "used up" => Err(max.map_or_else(
                || RedisError::Form("used up, without a limit".to_owned()).into(),
                |max| ChargeError::KeyUsedUp { max },
            )),
            "lost" => Err(self.lost(epoch, seen.own(), first)),
            other => Err(RedisError::Form(other.to_owned()).into()),
        }
    }

    /// How many tokens the key of an epoch has signed, at all nodes.
    ///
    /// # Errors
    /// [`ChargeError::NoSuchEpoch`] when it has no accounts, and [`ChargeError::Lost`] when
    /// they have less than this node has seen.
    pub async fn total(&self, epoch: TokenKeyId) -> Result<u64, ChargeError> {
        let seen = self.seen(epoch);
        let (own, before) = (seen.own(), seen.total.load(Ordering::Relaxed));
        let keys = Keys::of(epoch, &self.redis);
        let mut get = cmd("HMGET");
        get.arg(&keys.epoch).arg("total");
        get.arg(format!("node:{}", self.node));
        let found = self.redis.command(get, keys.epoch.as_bytes()).await?;
        let (total, found): (Option<u64>, Option<u64>) = found;
        let (total, found) = (
            total.ok_or(ChargeError::NoSuchEpoch(epoch))?,
            found.unwrap_or(0),
        );
        match total >= before && found >= own {
            true => Ok(total),
            false => Err(self.lost(epoch, own, found)),
        }
    }

    /// What this node has seen of an epoch, followed or not.
    fn seen(&self, epoch: TokenKeyId) -> Arc<Seen> {
        if let Some(seen) = self.followed.load().get(&epoch) {
            return Arc::clone(seen);
        }
        let former = self.former().get(&epoch).cloned();
        former.unwrap_or_else(|| Seen::charges(self.memory.charges(epoch)))
    }

    fn former(&self) -> MutexGuard<'_, HashMap<TokenKeyId, Arc<Seen>>> {
        self.former.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what was seen of former epochs whose accounts are gone: nothing will be
    /// stated of them.
    async fn drop_ended(&self) -> Result<(), ChargeError> {
        let former: Vec<_> = self.former().keys().copied().collect();
        for epoch in former {
            let (is_there, _) = self.peek(epoch).await?;
            if !is_there {
                self.former().remove(&epoch);
            }
        }
        Ok(())
    }

    /// Whether an epoch has accounts, and how many charges of this node.
    async fn peek(&self, epoch: TokenKeyId) -> Result<(bool, u64), ChargeError> {
        let keys = Keys::of(epoch, &self.redis);
        let (names, node) = ([keys.epoch.as_bytes()], [self.node.as_bytes()]);
        Ok(self.redis.read(&self.scripts.peek, &names, &node).await?)
    }

    async fn require_no_loss(&self, epoch: TokenKeyId, seen: u64) -> Result<(), ChargeError> {
        let (known, found) = self.peek(epoch).await?;
        match known && found >= seen {
            true => Ok(()),
            false => Err(self.lost(epoch, seen, found)),
        }
    }

    fn lost(&self, epoch: TokenKeyId, seen: u64, found: u64) -> ChargeError {
        ChargeError::Lost {
            epoch,
            seen,
            found,
            memory: self.memory.path().to_owned(),
        }
    }
}

impl Ledger for RedisLedger {
    async fn charge(
        &self,
        epoch: TokenKeyId,
        charge: Charge,
        kind: ChargeKind,
        max: Option<u64>,
    ) -> Result<u64, ChargeError> {
        let followed = self.followed.load_full();
        let seen = followed
            .get(&epoch)
            .ok_or(ChargeError::NoSuchEpoch(epoch))?;
        let limits = self.allowance.of(&charge.subject);
        let keys = Keys::of(epoch, &self.redis);
        let [first_byte, ..] = charge.drawing;
        let drawings = keys.drawings(first_byte);
        let keys = [&keys.epoch, &drawings, &keys.accounts, &keys.bounds];
        let arguments = self.arguments(&charge, kind, max, limits, seen);
        let arguments: Vec<_> = arguments.iter().map(Vec::as_slice).collect();
        let charge = &self.scripts.charge;
        let verdict = self
            .redis
            .write(charge, &keys.map(|key| key.as_bytes()), &arguments)
            .await?;
        self.outcome_of(verdict, epoch, limits.tokens, max, seen)
    }

    /// Looks at those only that are new here: what was lost of others stops no
    /// successor of theirs.
    async fn admit(&self, epochs: Vec<TokenKeyId>) -> Result<(), ChargeError> {
        let mut followed = HashMap::clone(&self.followed.load());
        for epoch in epochs {
            if followed.contains_key(&epoch) {
                continue;
            }
            let seen = self.seen(epoch);
            self.require_no_loss(epoch, seen.own()).await?;
            followed.insert(epoch, seen);
        }
        self.followed.store(Arc::new(followed));
        Ok(())
    }

    /// Writes down what this node knows to be acknowledged, and looks whether it is
    /// still there.
    async fn follow(&self, live: Vec<TokenKeyId>) -> Result<(), ChargeError> {
        let after = live.iter().map(|epoch| (*epoch, self.seen(*epoch)));
        let after: HashMap<_, _> = after.collect();
        let before = self.followed.swap(Arc::new(after.clone()));
        let own = |(epoch, seen): (&TokenKeyId, &Arc<Seen>)| (*epoch, seen.own());
        let seen: Vec<_> = after.iter().map(own).collect();
        let written: Vec<_> = {
            let mut former = self.former();
            let before = before
                .iter()
                .map(|(epoch, seen)| (*epoch, Arc::clone(seen)));
            former.extend(before);
            former.retain(|epoch, _| !after.contains_key(epoch));
            seen.iter().copied().chain(former.iter().map(own)).collect()
        };
        let memory = Arc::clone(&self.memory);
        let written = spawn_blocking(move || memory.saw_charges(written)).await;
        written
            .map_err(|error| ChargeError::Memory(error.to_string()))?
            .map_err(|error| ChargeError::Memory(error.to_string()))?;
        for (epoch, seen) in seen {
            self.require_no_loss(epoch, seen).await?;
        }
        self.drop_ended().await
    }

    /// At once: `UNLINK` frees memory in a thread of its own.
    async fn forget(&self, epoch: TokenKeyId) -> Result<(), ChargeError> {
        let keys = Keys::of(epoch, &self.redis).all();
        let keys: Vec<_> = keys.iter().map(String::as_bytes).collect();
        let _gone: u64 = self.redis.write(&self.scripts.forget, &keys, &[]).await?;
        self.former().remove(&epoch);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
