//! What outlives the process: the spent set and the mailboxes, the log, the key
//! directory, whose certificates count, and the decoy secret. Here they are opened. Not
//! here: what several nodes share, which is in [`crate::nodes`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pennyblack_runtime::clock::Clock;
use pennyblack_service::start_error::{StartContext as _, StartError};
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_trust::Trust;

use crate::config::Config;
use crate::decoy_secret::DecoySecret;
use crate::earlier_spends::EarlierSpends;
use crate::key_directory::{AskedNumbering, KeyDirectory, RecordPolicy, Registry};
use crate::log::CpsLog;
use crate::nodes::{Nodes, Sharing};
use crate::store::Backend;
use crate::store::embedded::EmbeddedStore;
use crate::store::never_twice::{NeverTwiceStore, Owners};
use crate::store::redis::RedisStore;

const OPEN_STORE: &str = "cannot open the store";
const NUMBERING_SERVICE: &str = "key_records.numbering_service";
const NUMBERING_TABLE: &str = "key_records.numbering_table";

/// All of it.
pub(crate) struct Persistence {
    pub(crate) store: Arc<Backend>,
    pub(crate) log: Arc<CpsLog>,
    pub(crate) keys: Arc<KeyDirectory>,
    pub(crate) registry: Registry,
    pub(crate) trust: Arc<Trust>,
    pub(crate) decoys: Arc<DecoySecret>,
    pub(crate) issuers: PathBuf,
    /// To be started, where there are other nodes.
    pub(crate) sharing: Option<Sharing>,
}

impl Persistence {
    /// Opens what the configuration names, and makes what is missing. Not for an async
    /// context.
    pub(crate) fn open(config: &Config, clock: &Clock) -> Result<Self, StartError> {
        let directory = &config.cps.data_directory;
        let now = clock.now();
        // Locks the directory: before anything else is touched in it.
        let store = open_store(config, clock)?;
        let issuers = directory.join("issuers");
        std::fs::create_dir_all(&issuers)
            .context(format!("cannot make the directory {}", issuers.display()))?;
        let trust = Trust::open(&config.trust, &config.trust_directory(), now);
        let trust = Arc::new(trust.context("cannot use [trust]")?);
        let policy = RecordPolicy {
            authority: config.cps.authority.clone(),
            trust: Arc::clone(&trust),
            numbering: numbering(config.key_records.numbering_table.as_deref())?,
            asked: asked_numbering(config)?,
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
            sharing: nodes.sharing,
        })
    }
}

fn open_store(config: &Config, clock: &Clock) -> Result<Backend, StartError> {
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
    let Some(nodes) = &config.never_twice else {
        let store = RedisStore::open(options, limits, repeatable, &redis);
        let store = store.context(OPEN_STORE)?;
        return Ok(Backend::Redis(store));
    };
    let owners =
        Owners::new(nodes.nodes.clone(), nodes.node).context("cannot use [never_twice]")?;
    let store = NeverTwiceStore::open(options, owners, limits, repeatable, &never_twice, now);
    Ok(Backend::NeverTwice(Box::new(store.context(OPEN_STORE)?)))
}

fn numbering(path: Option<&Path>) -> Result<Option<NumberingTable>, StartError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let csv = std::fs::read(path).context(format!("{NUMBERING_TABLE}: {}", path.display()))?;
    let table = NumberingTable::parse(&csv).context(NUMBERING_TABLE)?;
    Ok(Some(table))
}

fn asked_numbering(config: &Config) -> Result<Option<Arc<AskedNumbering>>, StartError> {
    let Some(address) = config.key_records.numbering_service.clone() else {
        return Ok(None);
    };
    if config.store.is_some() {
        return Err(StartError::new(
            format!("{NUMBERING_SERVICE} does not go with [store]"),
            "several nodes judge each record, and none knows another's answers: import them \
             into a numbering_table with \"pennyblack numbering import\"",
        ));
    }
    let asked = AskedNumbering::open(address, &config.numbering_answers());
    Ok(Some(Arc::new(asked.context(NUMBERING_SERVICE)?)))
}
