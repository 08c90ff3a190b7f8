//! What outlives the process: token keys, quota accounts, and the files of others
//! that say whose certificates count. Here they are opened, on the disk of the only
//! node or in the Redis of several, and turned from one key epoch to the next.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_service::clock::Clock;
use pennyblack_service::trust::Trust;
use pennyblack_shared::time::UnixTime;
use pennyblack_shared::token::TokenKeyId;
use pennyblack_storage::disk::RealDisk;
use pennyblack_storage::redis::{Redis, RedisOptions};
use tokio::task::{JoinError, spawn_blocking};

use crate::config::Config;
use crate::issuer::StartError;
use crate::key_log::{KeyLog, KeyLogError};
use crate::ledger::embedded::EmbeddedLedger;
use crate::ledger::redis::RedisLedger;
use crate::ledger::{ChargeError, ChosenLedger, Ledger as _};
use crate::node_memory::NodeMemory;
use crate::token_keys::key_files::KeyFiles;
use crate::token_keys::shared::wrapping_key::WrappingKey;
use crate::token_keys::shared::{Membership, SharedKeys};
use crate::token_keys::{KeyError, TokenKeys};

/// How long upkeep waits at most, by a clock that nobody sets.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// The same for a node among several: how soon it hears of a key that another one
/// made early, and notices that clocks run apart or that Redis lost something.
const LOOK_AT_OTHERS: Duration = Duration::from_secs(15);

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) keys: Arc<TokenKeys>,
    pub(crate) ledger: Arc<ChosenLedger>,
    pub(crate) trust: Arc<Trust>,
    /// Kept by an issuer of one node; several would contradict one another.
    pub(crate) log: Option<KeyLog>,
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
    #[error("turning the keys broke off: {0}")]
    BrokeOff(#[from] JoinError),
}

impl Stored {
    /// Opens what the configuration names, and makes what is missing at `now`.
    pub(crate) async fn open(config: &Arc<Config>, clock: &Clock) -> Result<Self, StartError> {
        let now = clock.now();
        let (keys, ledger, log) = match &config.store {
            None => {
                let config = Arc::clone(config);
                let (keys, ledger, log) = spawn_blocking(move || on_disk(&config, now)).await??;
                (keys, ledger, Some(log))
            }
            Some(options) => {
                let (keys, ledger) = in_redis(config, options, clock).await?;
                (keys, ledger, None)
            }
        };
        let trust = Arc::clone(config);
        let trust = spawn_blocking(move || Trust::open(&trust.trust, now)).await??;
        Ok(Self {
            keys: Arc::new(keys),
            ledger: Arc::new(ledger),
            trust: Arc::new(trust),
            log,
        })
    }

    /// Turns the keys and then the accounts; says when to do so again.
    pub(crate) async fn turn(&self, now: UnixTime) -> Result<UnixTime, UpkeepError> {
        let keys = Arc::clone(&self.keys);
        let turned = spawn_blocking(move || keys.rotate(now)).await??;
        self.write_down(now).await?;
        self.ledger.follow(live_epochs(&self.keys)).await?;
        // The accounts before the key: that it is there says what is to be forgotten.
        for key in &turned.withdrawn {
            self.ledger.forget(key.id()).await?;
        }
        let keys = Arc::clone(&self.keys);
        spawn_blocking(move || keys.delete(&turned.withdrawn)).await??;
        Ok(turned.next)
    }

    /// Has the keys in the log that the directory lists, and the totals of those
    /// that sign no more, before their accounts are forgotten.
    async fn write_down(&self, now: UnixTime) -> Result<(), KeyLogError> {
        let Some(log) = &self.log else {
            return Ok(());
        };
        log.announce(self.keys.live().directory(), now).await?;
        match &*self.ledger {
            ChosenLedger::Embedded(ledger) => {
                log.total(&live_epochs(&self.keys), ledger, now).await
            }
            ChosenLedger::Redis(_) => Ok(()),
        }
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
        if let Err(error) = self.ledger.follow(live_epochs(&self.keys)).await {
            tracing::warn!(%error, "the last look at the quota accounts failed");
        }
    }
}

fn on_disk(
    config: &Config,
    now: UnixTime,
) -> Result<(TokenKeys, ChosenLedger, KeyLog), StartError> {
    let directory = &config.issuer.data_directory;
    // Locks the directory: before anything else is touched in it.
    let disk = RealDisk::open(&directory.join("quota"))?;
    let files = KeyFiles::open(&directory.join("keys")).map_err(KeyError::from)?;
    let keys = TokenKeys::open(Box::new(files), config.key_plan(), now)?;
    let log = KeyLog::open(&directory.join("log"), &config.issuer.authority)?;
    // Accounts whose totals are to be written down are not forgotten yet.
    let epochs = [live_epochs(&keys), log.untotalled()].concat();
    let ledger = EmbeddedLedger::open(Arc::new(disk), config.allowance(), &epochs)?;
    Ok((keys, ChosenLedger::Embedded(ledger), log))
}

async fn in_redis(
    config: &Arc<Config>,
    options: &RedisOptions,
    clock: &Clock,
) -> Result<(TokenKeys, ChosenLedger), StartError> {
    let redis = Redis::new(options)?;
    let shortfalls: Vec<_> = redis.shortfalls().await?;
    if !shortfalls.is_empty() {
        let sentences: Vec<_> = shortfalls.iter().map(ToString::to_string).collect();
        return Err(StartError::Durability(sentences.join("; ")));
    }
    let (opened, shared, clock) = (Arc::clone(config), redis.clone(), clock.clone());
    let (keys, memory) = spawn_blocking(move || shared_keys(&opened, shared, &clock)).await??;
    let ledger = RedisLedger::new(redis, config.allowance(), memory);
    ledger.follow(live_epochs(&keys)).await?;
    Ok((keys, ChosenLedger::Redis(Box::new(ledger))))
}

fn shared_keys(
    config: &Config,
    redis: Redis,
    clock: &Clock,
) -> Result<(TokenKeys, Arc<NodeMemory>), StartError> {
    let directory = config.issuer.data_directory.join("node");
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
    let store = SharedKeys::new(redis, membership);
    let keys = TokenKeys::open(Box::new(store), config.key_plan(), clock.now())?;
    Ok((keys, memory))
}

fn live_epochs(keys: &TokenKeys) -> Vec<TokenKeyId> {
    keys.live().ids().collect()
}
