//! A CPS put together, started and stopped; in a program of its own or inside
//! another process. Besides its listeners it owns a task for each issuer, and those that
//! read the trust directories again, remove ended key records, keep counts and rates,
//! ask witnesses, and keep in touch with other nodes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_protocol::store_request::SpendPolicy;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::{Configuration as _, ConfigurationError};
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::{Metrics, MetricsError, Readiness};
use pennyblack_service::listener::ListenerError;
use pennyblack_service::server::{Addresses, RunningServer, Server};
use pennyblack_stir::numbering::NumberingError;
use pennyblack_trust::{self, TrustError};
use tokio::task::{JoinError, JoinSet, spawn_blocking};

use crate::config::Config;
use crate::counts::Counts;
use crate::dashboard::{Dashboard, DashboardParts};
use crate::decoy_secret::{self, DecoySecretError};
use crate::forwarding::{Forwarding, ForwardingError};
use crate::issuers::{Dependencies, Issuers, Upkeep, UpkeepError};
use crate::key_directory::{self, KeyDirectory, RecordFilesError, Registry};
use crate::log::{CpsLog, OpenCpsLogError, Witnesses, WitnessesError};
use crate::retrieve::Retrieval;
use crate::routes::{self, Resources};
use crate::spend::Spending;
use crate::store::Backend;
use crate::store::embedded::OpenStoreError;
use crate::store::never_twice::{OpenNeverTwiceError, OwnersError};
use crate::store::redis::OpenRedisError;
use crate::stored::Stored;

/// How often ended key records are removed.
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// How often the counts of key epochs are kept: what a crash may lose of them.
const KEEP_TALLIES_EVERY: Duration = Duration::from_secs(60);

/// A CPS that does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// An address cannot be listened at.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// A file or directory.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// The decoy secret.
    #[error(transparent)]
    Decoys(#[from] DecoySecretError),
    /// The spent set and the mailboxes.
    #[error(transparent)]
    Store(#[from] OpenStoreError),
    /// The same, in Redis.
    #[error(transparent)]
    Redis(#[from] OpenRedisError),
    /// A Redis is configured, and the data directory holds spent tokens.
    #[error(
        "{} holds spent tokens that the Redis of [store] does not know: move them with \
         \"pennyblack-cps --move-store-to-redis\" (docs/redis.md)", .0.display()
    )]
    TwoStores(PathBuf),
    /// Spends in the nodes and entries in Redis.
    #[error(transparent)]
    NeverTwice(#[from] OpenNeverTwiceError),
    /// The list of its nodes.
    #[error(transparent)]
    Owners(#[from] OwnersError),
    /// The other nodes.
    #[error(transparent)]
    Forwarding(#[from] ForwardingError),
    /// Tokens were spent at another level of durability.
    #[error(
        "{} holds what was spent before [never_twice] was set, or after: nodes would not know of \
         each other's tokens. Put the configuration back; or wait until every key epoch of that \
         time is over, and move the directory away at each node (docs/redis.md)", .0.display()
    )]
    OtherLevel(PathBuf),
    /// The transparency log.
    #[error(transparent)]
    Log(#[from] OpenCpsLogError),
    /// The witnesses of the log.
    #[error(transparent)]
    Witnesses(#[from] WitnessesError),
    /// The key records.
    #[error(transparent)]
    Records(#[from] RecordFilesError),
    /// The numbering table.
    #[error("keys.numbering_table: {0}")]
    Numbering(#[from] NumberingError),
    /// The trust directories cannot be read.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// An issuer cannot be followed.
    #[error(transparent)]
    Issuer(#[from] UpkeepError),
    /// Metrics are recorded elsewhere in this process already.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A part of the start panicked.
    #[error("the start broke off: {0}")]
    BrokeOff(#[from] JoinError),
}

/// How to start a CPS.
#[derive(Debug)]
pub struct Cps;

impl Cps {
    /// Starts a CPS in this process; it accepts connections when this returns.
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config, clock: Clock) -> Result<RunningCps, StartError> {
        config.check()?;
        let metrics = Metrics::of_this_process()?;
        let server = Server::bind(&config.public, &config.admin).await?;
        let config = Arc::new(config);
        let stored = spawn_blocking({
            let (config, clock) = (Arc::clone(&config), clock.clone());
            move || Stored::open(&config, &clock)
        })
        .await??;
        let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
        let authorities = config.issuer.iter().map(|issuer| &issuer.authority);
        let issuers = Arc::new(Issuers::new(&config.cps.authority, authorities));
        let tasks = Tasks {
            stored: &stored,
            issuers: Arc::clone(&issuers),
            clock: clock.clone(),
            readiness: readiness.clone(),
            shutdown: shutdown.clone(),
        };
        let mut tasks = tasks.start(&config).await?;
        let counts = Arc::new(Counts::new());
        let dashboard = Dashboard::new(DashboardParts {
            name: config.cps.authority.clone(),
            clock: clock.clone(),
            readiness: readiness.clone(),
            counts: Arc::clone(&counts),
            issuers: Arc::clone(&issuers),
            store: Arc::clone(&stored.store),
            log: Arc::clone(&stored.log),
        });
        tasks.spawn(Arc::clone(&dashboard).keep_rates(shutdown.clone()));
        let forwarding = forwarding(&config, &stored.store)?;
        let router = routes::router(resources(
            &config, stored, issuers, clock, forwarding, counts,
        ));
        let server = server.start(
            router,
            dashboard.router(),
            metrics,
            readiness,
            shutdown.clone(),
        );
        tracing::info!(
            public = %server.addresses().public,
            admin = %server.addresses().admin,
            authority = %config.cps.authority,
            "CPS started"
        );
        Ok(RunningCps {
            server,
            shutdown,
            tasks,
        })
    }
}

fn forwarding(config: &Config, store: &Backend) -> Result<Option<Forwarding>, StartError> {
    let others = config.never_twice.as_ref().zip(store.owners());
    let others = others.map(|(config, owners)| Forwarding::new(config, owners.clone()));
    Ok(others.transpose()?)
}

fn resources(
    config: &Config,
    stored: Stored,
    issuers: Arc<Issuers>,
    clock: Clock,
    forwarding: Option<Forwarding>,
    counts: Arc<Counts>,
) -> Resources<Backend> {
    let authority = config.cps.authority.clone();
    Resources {
        spending: Spending {
            policy: SpendPolicy {
                cps: authority.clone(),
                challenges: issuers.challenge_digests(),
                freshness: config.freshness(),
            },
            clock: clock.clone(),
            issuers: Arc::clone(&issuers),
            keys: Arc::clone(&stored.keys),
            registry: stored.registry.clone(),
            store: Arc::clone(&stored.store),
            log: Arc::clone(&stored.log),
            counts: Arc::clone(&counts),
            forwarding,
        },
        retrieval: Retrieval {
            authority,
            clock: clock.clone(),
            decoys: stored.decoys,
            keys: Arc::clone(&stored.keys),
            store: stored.store,
            counts: Arc::clone(&counts),
        },
        issuers,
        keys: stored.keys,
        registry: stored.registry,
        log: stored.log,
        clock,
        counts,
    }
}

/// A CPS at work.
#[derive(Debug)]
pub struct RunningCps {
    server: RunningServer,
    shutdown: Shutdown,
    tasks: JoinSet<()>,
}

impl RunningCps {
    /// Where it is reached.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.server.addresses()
    }

    /// What asks it to stop.
    #[must_use]
    pub const fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Asks it to stop and waits until it has: its addresses and its data
    /// directory are free then.
    pub async fn stop(self) {
        self.shutdown.trigger();
        self.stopped().await;
    }

    /// Waits until somebody has asked it to stop and it has.
    pub async fn stopped(self) {
        self.server.stopped().await;
        self.tasks.join_all().await;
    }
}

/// The tasks that run beside the listeners.
struct Tasks<'a> {
    stored: &'a Stored,
    issuers: Arc<Issuers>,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
}

impl Tasks<'_> {
    async fn start(self, config: &Config) -> Result<JoinSet<()>, StartError> {
        let mut tasks = JoinSet::new();
        if let Backend::Redis(store) = &*self.stored.store {
            store.examine().await;
            let store = store.clone();
            tasks.spawn(store.watch(self.readiness.clone(), self.shutdown.clone()));
        }
        if let Backend::NeverTwice(store) = &*self.stored.store {
            store.examine().await;
            let (readiness, shutdown) = (self.readiness.clone(), self.shutdown.clone());
            let store = Arc::clone(&self.stored.store);
            tasks.spawn(async move { store.watch_nodes(readiness, shutdown).await });
        }
        self.share(config, &mut tasks);
        for (place, issuer) in config.issuer.iter().enumerate() {
            let upkeep = Upkeep::open(
                place,
                issuer,
                &self.stored.issuers,
                Dependencies {
                    issuers: Arc::clone(&self.issuers),
                    store: Arc::clone(&self.stored.store),
                    log: Arc::clone(&self.stored.log),
                    clock: self.clock.clone(),
                    readiness: self.readiness.clone(),
                },
            )?;
            tasks.spawn(upkeep.run(self.shutdown.clone()));
        }
        if let Some(log) = self.stored.log.published() {
            let log = Arc::clone(log);
            let witnesses = Witnesses::new(&config.witness, log, self.readiness.clone())?;
            tasks.spawn(witnesses.run(self.shutdown.clone()));
        }
        let log = Arc::clone(&self.stored.log);
        log.not_known_yet(&self.readiness);
        let (readiness, shutdown) = (self.readiness.clone(), self.shutdown.clone());
        tasks.spawn(async move { log.keep_in_touch(readiness, shutdown).await });
        tasks.spawn(pennyblack_trust::keep_current(
            Arc::clone(&self.stored.trust),
            config.trust.reload,
            self.clock.clone(),
            self.readiness.clone(),
            self.shutdown.clone(),
        ));
        let keys = Arc::clone(&self.stored.keys);
        tasks.spawn(purge_for_ever(
            keys,
            self.clock.clone(),
            self.shutdown.clone(),
        ));
        let log = Arc::clone(&self.stored.log);
        tasks.spawn(keep_tallies(log, self.clock, self.shutdown));
        Ok(tasks)
    }

    /// Shares the decoy secret and key records with the other nodes, if there are any.
    fn share(&self, config: &Config, tasks: &mut JoinSet<()>) {
        let Some(store) = self.stored.store.redis() else {
            return;
        };
        let decoys = Arc::clone(&self.stored.decoys);
        decoy_secret::not_known_yet(&self.readiness);
        tasks.spawn(decoys.keep_agreed(
            store.clone(),
            self.readiness.clone(),
            self.shutdown.clone(),
        ));
        if let Registry::Shared(records) = &self.stored.registry {
            key_directory::not_read_yet(&self.readiness);
            tasks.spawn(Arc::clone(records).follow(
                config.key_directory(),
                self.clock.clone(),
                self.readiness.clone(),
                self.shutdown.clone(),
            ));
        }
    }
}

/// Keeps the counts of key epochs, each minute and at the end.
async fn keep_tallies(log: Arc<CpsLog>, clock: Clock, shutdown: Shutdown) {
    loop {
        let last = tokio::select! {
            () = clock.reached(clock.now().plus(KEEP_TALLIES_EVERY)) => false,
            () = shutdown.requested() => true,
        };
        if let Err(error) = log.tallies().keep().await {
            tracing::error!(%error, "the counts of key epochs are not kept");
        }
        if last {
            return;
        }
    }
}

async fn purge_for_ever(keys: Arc<KeyDirectory>, clock: Clock, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = clock.reached(clock.now().plus(PURGE_EVERY)) => {}
            () = shutdown.requested() => return,
        }
        let (keys, now) = (Arc::clone(&keys), clock.now());
        if let Err(error) = spawn_blocking(move || keys.purge(now)).await {
            tracing::error!(%error, "removing ended key records broke off");
        }
    }
}
