//! What outlives the process: the spent set and the mailboxes, the log, the key
//! directory, whose certificates count, and the decoy secret. Here they are opened. Not
//! here: what several nodes share, which is in [`crate::nodes`].

use std::path::PathBuf;
use std::sync::Arc;

use pennyblack_ohttp::key_ratchet::KeyRatchet;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::FromFiles;
use pennyblack_service::start_error::{StartContext as _, StartError};
use pennyblack_trust::Trust;

use crate::config::Config;
use crate::decoy_secret::DecoySecret;
use crate::earlier_spends::EarlierSpends;
use crate::key_directory::{KeyDirectory, RecordPolicy, Registry};
use crate::log::CpsLog;
use crate::nodes::{Nodes, Sharing};
use crate::oblivious::SeedFile;
use crate::outside::Outside;
use crate::rosters::ServedRosters;
use crate::store::Backend;
use crate::store::embedded::EmbeddedStore;
use crate::store::never_twice::{NeverTwiceStore, Owners};
use crate::store::redis::RedisStore;

const OPEN_STORE: &str = "cannot open the store";

/// All of it.
pub(crate) struct Persistence {
    pub(crate) store: Arc<Backend>,
    pub(crate) log: Arc<CpsLog>,
    pub(crate) keys: Arc<KeyDirectory>,
    pub(crate) registry: Registry,
    pub(crate) trust: Arc<Trust>,
    pub(crate) decoys: Arc<DecoySecret>,
    pub(crate) issuers: PathBuf,
    /// What oblivious keys are derived from, if the CPS is a gateway.
    pub(crate) seed: Option<(SeedFile, KeyRatchet)>,
    /// What is served of the federation.
    pub(crate) rosters: Option<Arc<FromFiles<ServedRosters>>>,
    /// To be started, where there are other nodes.
    pub(crate) sharing: Option<Sharing>,
}

impl Persistence {
    /// Opens what the configuration names, and makes what is missing. Not for an async
    /// context.
    pub(crate) fn open(
        config: &Config,
        outside: Outside,
        clock: &Clock,
    ) -> Result<Self, StartError> {
        let now = clock.now();
        // Locks the directory: before anything else is touched in it.
        let store = open_store(config, outside.owners, clock)?;
        let issuers = config.issuers_directory();
        std::fs::create_dir_all(&issuers)
            .context(format!("cannot make the directory {}", issuers.display()))?;
        let trust = Trust::open(&config.trust, &config.trust_directory(), now);
        let trust = Arc::new(trust.context("cannot use [trust]")?);
        let policy = RecordPolicy {
            authority: config.cps.authority.clone(),
            trust: Arc::clone(&trust),
            numbering: outside.numbering,
            asked: outside.asked,
            capacity: config.key_records.capacity,
        };
        let nodes = Nodes::open(config, policy, &store, now)?;
        Ok(Self {
            store: Arc::new(store),
            log: Arc::new(nodes.log),
            keys: nodes.keys,
            registry: nodes.registry,
            trust,
            decoys: nodes.decoys,
            issuers,
            seed: nodes.seed,
            rosters: outside.rosters,
            sharing: nodes.sharing,
        })
    }
}

fn open_store(
    config: &Config,
    owners: Option<Owners>,
    clock: &Clock,
) -> Result<Backend, StartError> {
    let (embedded, redis) = (config.embedded_directory(), config.redis_directory());
    let never_twice = config.never_twice_directory();
    let (limits, repeatable) = (config.limits(), config.repeatable());
    let tick = clock.clone();
    let now = Arc::new(move || tick.now());
    EarlierSpends::of(config)?.allow(config)?;
    let Some(options) = &config.store else {
        let store = EmbeddedStore::open_counted(&embedded, limits, now);
        let store = store.context(OPEN_STORE)?;
        return Ok(Backend::Embedded(store));
    };
    let Some(owners) = owners else {
        let store = RedisStore::open(options, limits, repeatable, &redis);
        let store = store.context(OPEN_STORE)?;
        return Ok(Backend::Redis(store));
    };
    let store = NeverTwiceStore::open(options, owners, limits, repeatable, &never_twice, now);
    Ok(Backend::NeverTwice(Box::new(store.context(OPEN_STORE)?)))
}
