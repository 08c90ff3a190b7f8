//! What outlives the process: token keys, quota accounts, and the files of others
//! that say whose certificates count. Here they are opened, on the disk of the only
//! node or in the Redis of several, and turned from one key epoch to the next.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_redis::{Redis, RedisError};
use pennyblack_runtime::clock::Clock;
use pennyblack_storage::disk::RealDisk;
use pennyblack_trust::Trust;
use tokio::task::{JoinError, spawn_blocking};

use crate::config::Config;
use crate::issuer::StartError;
use crate::key_log::{KeyLog, KeyLogError, KeyRegister};
use crate::ledger::embedded::EmbeddedLedger;
use crate::ledger::redis::RedisLedger;
use crate::ledger::{ChargeError, ChosenLedger, Ledger as _};
use crate::node_memory::NodeMemory;
use crate::token_keys::key_files::KeyFiles;
use crate::token_keys::shared::wrapping_key::WrappingKey;
use crate::token_keys::shared::{Membership, SharedKeys};
use crate::token_keys::{KeyError, TokenKeys, Unpublished};

/// How long upkeep waits at most, by a clock that nobody sets.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// The same for a node among several: how soon it hears of a key that another one
/// made early, and notices that clocks run apart or that Redis lost something.
const LOOK_AT_OTHERS: Duration = Duration::from_secs(15);

/// How often a node that starts waits for another one to announce a key, beyond the
/// first time.
const TRIES_AT_THE_START: usize = 8;

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) keys: Arc<TokenKeys>,
    pub(crate) ledger: Arc<ChosenLedger>,
    pub(crate) trust: Arc<Trust>,
    pub(crate) log: KeyLog,
    /// Where several nodes have the rest.
    redis: Option<Redis>,
}

/// What can go wrong while it runs; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpkeepError {
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Ledger(#[from] ChargeError),
    #[error(transparent)]
    Log(#[from] KeyLogError),
    #[error("store.url: {0}")]
    Redis(#[from] RedisError),
    #[error("store.durability: {0}; nothing is signed meanwhile")]
    Durability(String),
    #[error("turning the keys broke off: {0}")]
    BrokeOff(#[from] JoinError),
}

impl Stored {
    /// Opens what the configuration names, and makes what is missing. When this
    /// returns, every key that is listed is in the log and has accounts.
    pub(crate) async fn open(config: &Arc<Config>, clock: &Clock) -> Result<Self, StartError> {
        let now = clock.now();
        let (keys, ledger, log, redis) = match &config.store {
            None => {
                let config = Arc::clone(config);
                let (keys, ledger, log) = spawn_blocking(move || on_disk(&config, now)).await??;
                (keys, ledger, log, None)
            }
            Some(options) => {
                let redis = Redis::new(options)?;
                let (keys, ledger, log) = in_redis(config, redis.clone(), clock).await?;
                (keys, ledger, log, Some(redis))
            }
        };
        log.get_in_touch().await?;
        announced_at_last(&log, keys.live().directory(), now).await?;
        let trust = Arc::clone(config);
        let trust = spawn_blocking(move || Trust::open(&trust.trust, now)).await??;
        Ok(Self {
            keys: Arc::new(keys.publish()),
            ledger: Arc::new(ledger),
            trust: Arc::new(trust),
            log,
            redis,
        })
    }

    /// Turns the keys and then the accounts; says when to do so again.
    pub(crate) async fn turn(&self, now: UnixTime) -> Result<UnixTime, UpkeepError> {
        if let Some(redis) = &self.redis
            && let Some(shortfalls) = shortfalls(redis).await?
        {
            let error = UpkeepError::Durability(shortfalls);
            self.keys.withhold(&error.to_string());
            return Err(error);
        }
        turn(&self.keys, &self.ledger, &self.log, now).await
    }

    /// How long to wait at most until the next turn.
    pub(crate) fn longest_wait(&self) -> Duration {
        match *self.ledger {
            ChosenLedger::Embedded(_) => LONGEST_WAIT,
            ChosenLedger::Redis(_) => LOOK_AT_OTHERS,
        }
    }

    /// Writes down what is only in memory.
    pub(crate) async fn close(&self) {
        let live = self.keys.live().ids().collect();
        if let Err(error) = self.ledger.follow(live).await {
            tracing::warn!(%error, "the last look at the quota accounts failed");
        }
    }
}

/// One turn, in the only order in which a crash or a failure after any step leaves
/// nobody with a key that is not in the log or has no accounts, and no total
/// uncounted: keys durable, in the log, with accounts, listed; then what is
/// withdrawn totalled, its accounts forgotten, and itself deleted.
async fn turn<R: KeyRegister>(
    keys: &Arc<TokenKeys>,
    ledger: &ChosenLedger,
    register: &R,
    now: UnixTime,
) -> Result<UnixTime, UpkeepError> {
    let preparing = Arc::clone(keys);
    let prepared = spawn_blocking(move || preparing.prepare(now)).await??;
    let directory = prepared.live().directory();
    if let Err(error) = register.announce(directory, now).await {
        return not_announced(error, keys, ledger, now).await;
    }
    let in_use = prepared.in_use().to_vec();
    let live: Vec<_> = prepared.live().ids().collect();
    ledger.admit(live.clone()).await?;
    let turned = keys.publish(prepared);
    let withdrawn: Vec<_> = turned.withdrawn.iter().map(|key| key.id()).collect();
    let totalled = register.total(&in_use, &withdrawn, ledger, now).await?;
    ledger.follow(live).await?;
    let mut over = turned.withdrawn;
    over.retain(|key| totalled.contains(&key.id()));
    // The accounts before the key: that it is there says what is to be forgotten.
    for key in &over {
        ledger.forget(key.id()).await?;
    }
    let deleting = Arc::clone(keys);
    spawn_blocking(move || deleting.delete(&over)).await??;
    Ok(turned.next)
}

/// A key that another node has not announced yet waits; those before it go on.
async fn not_announced(
    error: KeyLogError,
    keys: &TokenKeys,
    ledger: &ChosenLedger,
    now: UnixTime,
) -> Result<UnixTime, UpkeepError> {
    let KeyLogError::Unannounced { .. } = error else {
        return Err(error.into());
    };
    tracing::warn!(%error, "a token key is not listed yet");
    ledger.follow(keys.live().ids().collect()).await?;
    Ok(now.plus(LOOK_AT_OTHERS))
}

/// Has the keys on record with which a node starts. One of them it may have made just
/// now, and the node that keeps the log looks for such keys only now and then.
async fn announced_at_last(
    log: &KeyLog,
    directory: &[u8],
    now: UnixTime,
) -> Result<(), KeyLogError> {
    let mut announced = log.announce(directory, now).await;
    for _ in 0..TRIES_AT_THE_START {
        let Err(KeyLogError::Unannounced { .. }) = announced else {
            break;
        };
        announced = log.announce(directory, now).await;
    }
    announced
}

fn on_disk(
    config: &Config,
    now: UnixTime,
) -> Result<(Unpublished, ChosenLedger, KeyLog), StartError> {
    let directory = &config.issuer.data_directory;
    // Locks the directory: before anything else is touched in it.
    let disk = RealDisk::open(&directory.join("quota"))?;
    let files = KeyFiles::open(&directory.join("keys")).map_err(KeyError::from)?;
    let keys = TokenKeys::open(Box::new(files), config.key_plan(), now)?;
    let log = KeyLog::open(&directory.join("log"), &config.issuer.authority)?;
    // Accounts whose totals are to be written down are not forgotten yet.
    let epochs: Vec<_> = keys.live().ids().chain(log.untotalled()).collect();
    let ledger = EmbeddedLedger::open(Arc::new(disk), config.allowance(), &epochs)?;
    Ok((keys, ChosenLedger::Embedded(ledger), log))
}

/// What is wrong with the durability of a Redis, if anything is.
async fn shortfalls(redis: &Redis) -> Result<Option<String>, RedisError> {
    let shortfalls = redis.shortfalls().await?;
    let sentences: Vec<_> = shortfalls.iter().map(ToString::to_string).collect();
    Ok((!sentences.is_empty()).then(|| sentences.join("; ")))
}

async fn in_redis(
    config: &Arc<Config>,
    redis: Redis,
    clock: &Clock,
) -> Result<(Unpublished, ChosenLedger, KeyLog), StartError> {
    if let Some(shortfalls) = shortfalls(&redis).await? {
        return Err(StartError::Durability(shortfalls));
    }
    let (opened, shared, clock) = (Arc::clone(config), redis.clone(), clock.clone());
    let opened = move || shared_keys(&opened, shared, &clock);
    let (keys, memory, log) = spawn_blocking(opened).await??;
    let ledger = RedisLedger::new(redis, config.allowance(), memory);
    ledger.follow(keys.live().ids().collect()).await?;
    Ok((keys, ChosenLedger::Redis(Box::new(ledger)), log))
}

fn shared_keys(
    config: &Config,
    redis: Redis,
    clock: &Clock,
) -> Result<(Unpublished, Arc<NodeMemory>, KeyLog), StartError> {
    let directory = config.node_directory();
    let memory = Arc::new(NodeMemory::open(&directory)?);
    // That there is one was checked with the configuration.
    let wrapping = config.keys.wrapping_key.clone().unwrap_or_default();
    let membership = Membership {
        authority: config.issuer.authority.clone(),
        wrapping: WrappingKey::read(&wrapping)?,
        tolerance: config.keys.clock_tolerance,
        by_hand: clock.is_by_hand(),
        memory: Arc::clone(&memory),
        // Not where a node that was alone had its keys: those are not ours to delete.
        copies: KeyFiles::open(&directory.join("keys")).map_err(KeyError::from)?,
    };
    let log = KeyLog::of_several(
        &config.issuer.data_directory.join("log"),
        &config.issuer.authority,
        &config.transparency_log,
        &redis,
    )?;
    let store = SharedKeys::new(redis, membership);
    let keys = TokenKeys::open(Box::new(store), config.key_plan(), clock.now())?;
    Ok((keys, memory, log))
}

#[cfg(test)]
mod tests;
