//! Whether a CPS is one node or one of several: decided here, once, when it starts. What
//! this opens behaves by itself as it must, and nothing else asks. Not here: the backends
//! of the store, which are opened before, and the roles about the log, which
//! `pennyblack_logserver` has.

use std::path::PathBuf;
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_ohttp::key_ratchet::KeyRatchet;
use pennyblack_runtime::clock::Clock;
use pennyblack_service::start::StartingService;
use pennyblack_service::start_error::{StartContext as _, StartError};
use pennyblack_trust::VerificationPool;

use crate::config::Config;
use crate::decoy_secret::{self, DecoySecret};
use crate::forwarding::Forwarding;
use crate::key_directory::{self, KeyDirectory, RecordPolicy, Registry, SharedRecords};
use crate::log::CpsLog;
use crate::oblivious::{SeedError, SeedFile};
use crate::store::Backend;
use crate::store::redis::RedisStore;

const OPEN_LOG: &str = "cannot open the log";
const SEED: &str = "cannot use oblivious.seed";

/// What a node has for itself, or shares with the others.
pub(crate) struct Nodes {
    pub(crate) keys: Arc<KeyDirectory>,
    pub(crate) registry: Registry,
    pub(crate) decoys: Arc<DecoySecret>,
    pub(crate) log: CpsLog,
    /// What oblivious keys are derived from, if the CPS is a gateway.
    pub(crate) seed: Option<(SeedFile, KeyRatchet)>,
    pub(crate) sharing: Option<Sharing>,
}

impl Nodes {
    /// Opens it: over the Redis of `store`, if there is one, else from files. Not for an
    /// async context.
    pub(crate) fn open(
        config: &Config,
        policy: RecordPolicy,
        store: &Backend,
        now: UnixTime,
    ) -> Result<Self, StartError> {
        match store.redis() {
            None => Self::one(config, policy, now),
            Some(store) => Self::several(config, policy, store),
        }
    }

    fn one(config: &Config, policy: RecordPolicy, now: UnixTime) -> Result<Self, StartError> {
        let keys = KeyDirectory::open(&config.key_directory(), policy, now);
        let keys = Arc::new(keys.context("cannot open the key records")?);
        let decoys = DecoySecret::own(config.decoy_secret_file());
        let verification = verification_pool()?;
        let log = CpsLog::open(&config.log_directory(), &config.cps.authority);
        Ok(Self {
            registry: Registry::own(Arc::clone(&keys), verification),
            keys,
            decoys: Arc::new(decoys.context("cannot open the decoy secret")?),
            log: log.context(OPEN_LOG)?,
            seed: seed(config, |file| file.read_or_make(now))?,
            sharing: None,
        })
    }

    fn several(
        config: &Config,
        policy: RecordPolicy,
        store: &RedisStore,
    ) -> Result<Self, StartError> {
        let keys = Arc::new(KeyDirectory::unread(policy));
        let records = Arc::new(SharedRecords::new(Arc::clone(&keys), store.clone()));
        let decoys = Arc::new(DecoySecret::shared(config.decoy_secret_file()));
        let log = CpsLog::of_several(
            &config.log_directory(),
            &config.cps.authority,
            &config.transparency_log,
            store,
            Arc::clone(&decoys),
        );
        Ok(Self {
            registry: Registry::shared(
                Arc::clone(&keys),
                Arc::clone(&records),
                verification_pool()?,
            ),
            keys,
            decoys: Arc::clone(&decoys),
            log: log.context(OPEN_LOG)?,
            seed: seed(config, SeedFile::read_shared)?,
            sharing: Some(Sharing {
                store: store.clone(),
                decoys,
                records,
                own_records: config.key_directory(),
            }),
        })
    }
}

fn seed(
    config: &Config,
    read: impl FnOnce(&SeedFile) -> Result<KeyRatchet, SeedError>,
) -> Result<Option<(SeedFile, KeyRatchet)>, StartError> {
    let Some(file) = SeedFile::of(config).context(SEED)? else {
        return Ok(None);
    };
    let ratchet = read(&file).context(SEED)?;
    Ok(Some((file, ratchet)))
}

fn verification_pool() -> Result<Arc<VerificationPool>, StartError> {
    let pool = VerificationPool::start();
    let pool = pool.context("cannot start the threads that verify certificates")?;
    Ok(Arc::new(pool))
}

/// What has to become, and stay, the same at all nodes.
pub(crate) struct Sharing {
    store: RedisStore,
    decoys: Arc<DecoySecret>,
    records: Arc<SharedRecords>,
    /// Records from the time when this node was alone.
    own_records: PathBuf,
}

impl Sharing {
    /// Starts the tasks that see to it.
    pub(crate) fn start(self, service: &mut StartingService, clock: Clock) {
        let (readiness, shutdown) = (service.readiness(), service.shutdown());
        decoy_secret::not_known_yet(&readiness);
        let (store, ready, stop) = (self.store, readiness.clone(), shutdown.clone());
        service.spawn(self.decoys.keep_agreed(store, ready, stop));
        key_directory::not_read_yet(&readiness);
        let followed = self
            .records
            .follow(self.own_records, clock, readiness, shutdown);
        service.spawn(followed);
    }
}

/// The nodes that decide about the other tokens, where one node alone decides about each.
pub(crate) fn forwarding(
    config: &Config,
    store: &Backend,
) -> Result<Option<Forwarding>, StartError> {
    let others = config.never_twice.as_ref().zip(store.owners());
    let others = others.map(|(config, owners)| Forwarding::new(config, owners.clone()));
    others.transpose().context("cannot ask the other nodes")
}
