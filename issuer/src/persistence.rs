//! What outlives the process: token keys, quota accounts, the log of keys, and the files
//! of others that say whose certificates count. Here they are opened, on the disk of the
//! only node or in the Redis of several. How keys are rotated is `key_maintenance`.

use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_runtime::clock::Clock;
use pennyblack_service::start_error::{StartContext as _, StartError, blocking};
use pennyblack_storage::disk::RealDisk;
use pennyblack_trust::Trust;

use crate::config::Config;
use crate::key_log::{KeyLog, KeyLogError, KeyRegister as _};
use crate::ledger::embedded::EmbeddedLedger;
use crate::ledger::redis::RedisLedger;
use crate::ledger::{ChosenLedger, Ledger as _};
use crate::node_memory::NodeMemory;
use crate::nodes::Nodes;
use crate::outside::{OPEN_KEYS, Outside, SharedOutside};
use crate::token_keys::key_files::KeyFiles;
use crate::token_keys::shared::{Membership, SharedKeys};
use crate::token_keys::{TokenKeys, Unpublished};

/// How often a node that starts waits for another one to announce a key, beyond the
/// first time.
const TRIES_AT_THE_START: usize = 8;

const OPEN_LOG: &str = "cannot open the log of keys";
const OPEN_ACCOUNTS: &str = "cannot open the quota accounts";

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct Persistence {
    pub(crate) keys: Arc<TokenKeys>,
    pub(crate) ledger: Arc<ChosenLedger>,
    pub(crate) trust: Arc<Trust>,
    pub(crate) log: KeyLog,
    pub(crate) nodes: Nodes,
}

impl Persistence {
    /// Opens what the configuration names, and makes what is missing. When this
    /// returns, every key that is listed is in the log and has accounts.
    pub(crate) async fn open(
        config: &Arc<Config>,
        outside: Outside,
        clock: &Clock,
    ) -> Result<Self, StartError> {
        let now = clock.now();
        let (keys, ledger, log, nodes) = match outside {
            Outside::OneNode => {
                let config = Arc::clone(config);
                let (keys, ledger, log) = blocking(move || on_disk(&config, now)).await?;
                (keys, ledger, log, Nodes::One)
            }
            Outside::Several(shared) => {
                let nodes = Nodes::Several(shared.redis.clone());
                let (keys, ledger, log) = in_redis(config, shared, clock).await?;
                (keys, ledger, log, nodes)
            }
        };
        log.get_in_touch().await.context(OPEN_LOG)?;
        announced_at_last(&log, keys.live().directory(), now)
            .await
            .context("cannot record the token keys in their log")?;
        let trust = Arc::clone(config);
        let trust = move || {
            let marks = trust.trust_directory();
            Trust::open(&trust.trust, &marks, now).context("cannot use [trust]")
        };
        Ok(Self {
            keys: Arc::new(keys.publish()),
            ledger: Arc::new(ledger),
            trust: Arc::new(blocking(trust).await?),
            log,
            nodes,
        })
    }
}

/// Has the keys on record with which a node starts. One of them it may have made just
/// now, and the leader of the log looks for such keys only now and then.
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
    let disk = RealDisk::open(&directory.join("quota")).context("issuer.data_directory")?;
    let files = KeyFiles::open(&config.key_directory()).context(OPEN_KEYS)?;
    let log = KeyLog::open(&directory.join("log"), &config.issuer.authority);
    let log = log.context(OPEN_LOG)?;
    let keys = TokenKeys::open(Box::new(files), config.key_plan(), &log.begins(), now);
    let keys = keys.context(OPEN_KEYS)?;
    // Accounts whose totals are to be written down are not forgotten yet.
    let epochs: Vec<_> = keys.live().ids().chain(log.untotalled()).collect();
    let ledger = EmbeddedLedger::open(Arc::new(disk), config.allowance(), &epochs);
    let ledger = ChosenLedger::Embedded(ledger.context(OPEN_ACCOUNTS)?);
    Ok((keys, ledger, log))
}

async fn in_redis(
    config: &Arc<Config>,
    shared: SharedOutside,
    clock: &Clock,
) -> Result<(Unpublished, ChosenLedger, KeyLog), StartError> {
    let redis = shared.redis.clone();
    let (opened, clock) = (Arc::clone(config), clock.clone());
    let opened = move || shared_keys(&opened, shared, &clock);
    let (keys, memory, log) = blocking(opened).await?;
    let ledger = RedisLedger::new(redis, config.allowance(), memory);
    let live = keys.live().ids().collect();
    ledger.follow(live).await.context(OPEN_ACCOUNTS)?;
    Ok((keys, ChosenLedger::Redis(Box::new(ledger)), log))
}

fn shared_keys(
    config: &Config,
    SharedOutside { redis, wrapping }: SharedOutside,
    clock: &Clock,
) -> Result<(Unpublished, Arc<NodeMemory>, KeyLog), StartError> {
    let directory = config.node_directory();
    let memory = NodeMemory::open(&directory).context("cannot open the memory of this node")?;
    let memory = Arc::new(memory);
    let membership = Membership {
        authority: config.issuer.authority.clone(),
        wrapping,
        tolerance: config.token_keys.clock_tolerance,
        by_hand: clock.is_by_hand(),
        memory: Arc::clone(&memory),
        copies: KeyFiles::open(&config.key_directory()).context(OPEN_KEYS)?,
    };
    let log = KeyLog::of_several(
        &config.issuer.data_directory.join("log"),
        &config.issuer.authority,
        &config.transparency_log,
        &redis,
    )
    .context(OPEN_LOG)?;
    let store = SharedKeys::new(redis, membership);
    let (plan, now) = (config.key_plan(), clock.now());
    let keys = TokenKeys::open(Box::new(store), plan, &log.begins(), now);
    let keys = keys.context(OPEN_KEYS)?;
    Ok((keys, memory, log))
}
