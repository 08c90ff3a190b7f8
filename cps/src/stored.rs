//! What outlives the process: the spent set and the mailboxes, the log, the key
//! directory, whose certificates count, and the decoy secret. Here they are opened, on
//! the disk of the only node or in the Redis of several.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pennyblack_runtime::clock::Clock;
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_trust::Trust;

use crate::config::Config;
use crate::cps::StartError;
use crate::decoy_secret::DecoySecret;
use crate::key_directory::{KeyDirectory, RecordPolicy, Registry, SharedRecords};
use crate::log::CpsLog;
use crate::store::Backend;
use crate::store::embedded::EmbeddedStore;
use crate::store::never_twice::{NeverTwiceStore, Owners};
use crate::store::redis::RedisStore;

/// All of it.
pub(crate) struct Stored {
    pub(crate) store: Arc<Backend>,
    pub(crate) log: Arc<CpsLog>,
    pub(crate) keys: Arc<KeyDirectory>,
    pub(crate) registry: Registry,
    pub(crate) trust: Arc<Trust>,
    pub(crate) decoys: Arc<DecoySecret>,
    pub(crate) issuers: PathBuf,
}

impl Stored {
    /// Opens what the configuration names, and makes what is missing. Not for an async
    /// context.
    pub(crate) fn open(config: &Config, clock: &Clock) -> Result<Self, StartError> {
        let directory = &config.cps.data_directory;
        let now = clock.now();
        // Locks the directory: before anything else is touched in it.
        let store = open_store(config, clock)?;
        let issuers = directory.join("issuers");
        std::fs::create_dir_all(&issuers).map_err(|error| StartError::Io {
            path: issuers.clone(),
            error,
        })?;
        let trust = Arc::new(Trust::open(&config.trust, now)?);
        let policy = RecordPolicy {
            authority: config.cps.authority.clone(),
            trust: Arc::clone(&trust),
            numbering: numbering(config.keys.numbering_table.as_deref())?,
            capacity: config.keys.capacity,
        };
        let (decoys, log) = (config.decoy_secret_file(), directory.join("log"));
        let cps = &config.cps.authority;
        let (keys, registry, decoys, log) = match store.redis() {
            None => {
                let keys = KeyDirectory::open(&config.key_directory(), policy, now)?;
                let keys = Arc::new(keys);
                let registry = Registry::Own(Arc::clone(&keys));
                let decoys = Arc::new(DecoySecret::own(decoys)?);
                (keys, registry, decoys, CpsLog::open(&log, cps)?)
            }
            Some(store) => {
                let keys = Arc::new(KeyDirectory::unread(policy));
                let shared = SharedRecords::new(Arc::clone(&keys), store.clone());
                let registry = Registry::Shared(Arc::new(shared));
                let decoys = Arc::new(DecoySecret::shared(decoys));
                let (config, secret) = (&config.transparency_log, Arc::clone(&decoys));
                let log = CpsLog::of_several(&log, cps, config, store, secret)?;
                (keys, registry, decoys, log)
            }
        };
        Ok(Self {
            store: Arc::new(store),
            log: Arc::new(log),
            keys,
            registry,
            trust,
            decoys,
            issuers,
        })
    }
}

fn open_store(config: &Config, clock: &Clock) -> Result<Backend, StartError> {
    let (embedded, redis) = (config.embedded_directory(), config.redis_directory());
    let never_twice = config.never_twice_directory();
    let (limits, repeatable) = (config.limits(), config.repeatable());
    let tick = clock.clone();
    let now = Arc::new(move || tick.now());
    if config.never_twice.is_none() && never_twice.exists() {
        return Err(StartError::OtherLevel(never_twice));
    }
    let Some(options) = &config.store else {
        let store = EmbeddedStore::open(&embedded, limits, now)?;
        return Ok(Backend::Embedded(store));
    };
    let Some(nodes) = &config.never_twice else {
        if embedded.exists() {
            return Err(StartError::TwoStores(embedded));
        }
        let store = RedisStore::open(options, limits, repeatable, &redis)?;
        return Ok(Backend::Redis(store));
    };
    if let Some(other) = [embedded, redis].into_iter().find(|other| other.exists()) {
        return Err(StartError::OtherLevel(other));
    }
    let owners = Owners::new(nodes.nodes.clone(), nodes.node)?;
    let store = NeverTwiceStore::open(options, owners, limits, repeatable, &never_twice, now)?;
    Ok(Backend::NeverTwice(Box::new(store)))
}

fn numbering(path: Option<&Path>) -> Result<Option<NumberingTable>, StartError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let csv = std::fs::read(path).map_err(|error| StartError::Io {
        path: path.to_owned(),
        error,
    })?;
    Ok(Some(NumberingTable::parse(&csv)?))
}
