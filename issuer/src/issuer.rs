//! An issuer put together, started and stopped; in a program of its own or
//! inside another process. It owns three tasks besides its listeners: one turns the
//! token keys, one keeps in touch with other nodes about their log, one reads the trust
//! directories again.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use pennyblack_base::time::UnixTime;
use pennyblack_logserver::nodes::OpenRoleError;
use pennyblack_logserver::statements::OpenStatementsError;
use pennyblack_redis::{RedisError, SetUpError};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::{Configuration as _, ConfigurationError};
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::{Metrics, MetricsError, Readiness};
use pennyblack_service::listener::ListenerError;
use pennyblack_service::server::{Addresses, RunningServer, Server};
use pennyblack_storage::disk::OpenDiskError;
use pennyblack_trust::{self, TrustError};
use tokio::task::{JoinError, JoinSet};

use crate::attest::Attestor;
use crate::config::Config;
use crate::issue::Issuance;
use crate::key_log::KeyLogError;
use crate::ledger::ChargeError;
use crate::ledger::embedded::LedgerError;
use crate::node_memory::NodeMemoryError;
use crate::routes::{self, Resources};
use crate::signing_pool::SigningPool;
use crate::stored::Stored;
use crate::token_keys::KeyError;
use crate::token_keys::shared::wrapping_key::WrappingKeyError;

/// How long after a failure keys are tried again.
const RETRY: Duration = Duration::from_secs(60);

/// An issuer that does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// An address cannot be listened at.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// The data directory cannot be used.
    #[error("issuer.data_directory: {0}")]
    DataDirectory(#[from] OpenDiskError),
    /// The token keys cannot be read or made.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The quota accounts cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The quota accounts in Redis are not to be relied upon.
    #[error(transparent)]
    Accounts(#[from] ChargeError),
    /// The options of `[store]` make no connection.
    #[error(transparent)]
    Store(#[from] SetUpError),
    /// Redis is not there.
    #[error("store.url: {0}")]
    Redis(#[from] RedisError),
    /// Redis does not promise what `store.durability` says.
    #[error("store.durability: {0}")]
    Durability(String),
    /// The key under which token keys are sealed.
    #[error(transparent)]
    WrappingKey(#[from] WrappingKeyError),
    /// What this node remembers of the store.
    #[error(transparent)]
    Memory(#[from] NodeMemoryError),
    /// The log of keys.
    #[error(transparent)]
    Log(#[from] OpenStatementsError),
    /// The log of keys that several nodes have in common.
    #[error(transparent)]
    SharedLog(#[from] OpenRoleError),
    /// The keys cannot be written down in their log.
    #[error(transparent)]
    Announce(#[from] KeyLogError),
    /// The trust directories cannot be read.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// No threads for signing.
    #[error("cannot start the signing threads: {0}; lower signing.workers")]
    Threads(std::io::Error),
    /// Metrics are recorded elsewhere in this process already.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A part of the start panicked.
    #[error("the start broke off: {0}")]
    BrokeOff(#[from] JoinError),
}

/// How to start an issuer.
#[derive(Debug)]
pub struct Issuer;

impl Issuer {
    /// Starts an issuer in this process; it accepts connections when this
    /// returns. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config, clock: Clock) -> Result<RunningIssuer, StartError> {
        config.check()?;
        let metrics = Metrics::of_this_process()?;
        let server = Server::bind(&config.public, &config.admin).await?;
        let config = Arc::new(config);
        let stored = Stored::open(&config, &clock).await?;
        let signing = &config.signing;
        let pool = SigningPool::start(signing.workers(), signing.queue());
        let issuance = Issuance {
            clock: clock.clone(),
            attestor: Attestor::new(config.issuer.authority.clone(), Arc::clone(&stored.trust)),
            keys: Arc::clone(&stored.keys),
            ledger: Arc::clone(&stored.ledger),
            pool: pool.map_err(StartError::Threads)?,
            max_batch: signing.batch(),
            most_evaluations: config.keys.most_evaluations,
        };
        let max_age = config.keys.directory_max_age.as_secs();
        let router = routes::router(Resources {
            issuance: Arc::new(issuance),
            cache_control: HeaderValue::from_str(&format!("public, max-age={max_age}"))
                .unwrap_or(HeaderValue::from_static("no-cache")),
        });
        let router = router.merge(stored.log.router());
        let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
        let upkeep = Upkeep {
            stored,
            clock,
            readiness: readiness.clone(),
            shutdown: shutdown.clone(),
        };
        let upkeep = upkeep.start(config.trust.reload);
        let nothing_else = axum::Router::new();
        let server = server.start(router, nothing_else, metrics, readiness, shutdown.clone());
        tracing::info!(
            public = %server.addresses().public,
            admin = %server.addresses().admin,
            authority = %config.issuer.authority,
            "issuer started"
        );
        Ok(RunningIssuer {
            server,
            shutdown,
            upkeep,
        })
    }
}

/// An issuer at work.
#[derive(Debug)]
pub struct RunningIssuer {
    server: RunningServer,
    shutdown: Shutdown,
    upkeep: JoinSet<()>,
}

impl RunningIssuer {
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
        self.upkeep.join_all().await;
    }
}

/// The tasks that run beside the listeners.
#[derive(Debug, Clone)]
struct Upkeep {
    stored: Stored,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
}

impl Upkeep {
    fn start(self, reload: Duration) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(self.clone().turn_keys());
        let log = self.stored.log.clone();
        tasks.spawn(log.keep_in_touch(self.readiness.clone(), self.shutdown.clone()));
        let (trust, clock) = (Arc::clone(&self.stored.trust), self.clock);
        tasks.spawn(pennyblack_trust::keep_current(
            trust,
            reload,
            clock,
            self.readiness,
            self.shutdown,
        ));
        tasks
    }

    async fn turn_keys(self) {
        loop {
            let now = self.clock.now();
            let next = match self.stored.turn(now).await {
                Ok(next) => {
                    self.readiness.has("token keys");
                    next
                }
                Err(error) => {
                    tracing::error!(%error, "token keys cannot be turned; trying again");
                    self.readiness.lacks("token keys", error.to_string());
                    now.plus(RETRY)
                }
            };
            if self.stopped_before(next).await {
                return self.stored.close().await;
            }
        }
    }

    /// Waits for `next`, and not for ever if the clock is set back meanwhile; true
    /// when it is time to stop instead.
    async fn stopped_before(&self, next: UnixTime) -> bool {
        tokio::select! {
            () = self.clock.reached(next) => false,
            () = self.stored.keys.hastened() => false,
            () = tokio::time::sleep(self.stored.longest_wait()) => false,
            () = self.shutdown.requested() => true,
        }
    }
}
