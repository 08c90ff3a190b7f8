//! The start that every service has in common, and the end: check the configuration,
//! bind both addresses, start the tasks beside the listeners, serve; and later stop all
//! of it. What a service opens in between, and what its tasks do, is its own.

use std::path::Path;

use axum::Router;
use futures_util::future::BoxFuture;
use pennyblack_base::authority::Authority;
use pennyblack_runtime::config::{AdminConfig, Configuration, LogConfig, PublicConfig};
use pennyblack_runtime::reload::Reload;
use pennyblack_runtime::shutdown::Shutdown;
use tokio::task::JoinSet;

use crate::admin::{Metrics, Readiness};
use crate::known_clients::KnownClients;
use crate::public_router::PublicRouter;
use crate::server::{Addresses, RunningServer, Server, ShutdownStages};
use crate::start_error::{StartContext as _, StartError};

/// A configuration with the sections of every service.
pub trait ServiceConfig: Configuration {
    /// Whether the handlers of the service learn where requests come from
    /// ([`ClientAddress`](crate::client_address::ClientAddress)).
    const SHOWS_CLIENTS: bool = false;

    /// The clients of the public address that are known by their certificates.
    fn known_clients(&self) -> KnownClients {
        KnownClients::default()
    }

    /// These sections.
    fn common(&self) -> CommonSections<'_>;
}

/// What the configuration of every service says.
#[derive(Debug, Clone, Copy)]
pub struct CommonSections<'a> {
    /// The name of the service towards its clients, if it has one.
    pub authority: Option<&'a Authority>,
    /// Where it keeps its state, if it has a directory of its own.
    pub data_directory: Option<&'a Path>,
    /// `[public]`.
    pub public: &'a PublicConfig,
    /// `[admin]`.
    pub admin: &'a AdminConfig,
    /// `[log]`.
    pub log: &'a LogConfig,
}

/// A service that is starting: connections to its addresses queue, and are served once
/// [`Self::serve`] is called.
#[derive(Debug)]
pub struct StartingService {
    server: Server,
    metrics: Metrics,
    readiness: Readiness,
    stages: ShutdownStages,
    reload: Reload,
    tasks: JoinSet<()>,
}

impl StartingService {
    /// Checks the configuration and binds both addresses. First of all: a service whose
    /// address is taken must not have touched its data directory.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind<C: ServiceConfig>(config: &C) -> Result<Self, StartError> {
        config.check().context("the configuration is refused")?;
        let common = config.common();
        let metrics = Metrics::of_this_process()?;
        let server =
            Server::bind_knowing(common.public, common.admin, config.known_clients()).await;
        let server = server.context("the listeners do not start")?;
        let server = match C::SHOWS_CLIENTS {
            true => server.showing_clients(),
            false => server,
        };
        let reload = Reload::new();
        if let Some(files) = server.files() {
            reload.add(files);
        }
        Ok(Self {
            server,
            reload,
            metrics,
            readiness: Readiness::new(),
            stages: ShutdownStages::default(),
            tasks: JoinSet::new(),
        })
    }

    /// What is missing before it can do its work.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// The files that are read again while it runs.
    #[must_use]
    pub const fn reload(&self) -> &Reload {
        &self.reload
    }

    /// The request to stop, which every task obeys, or else [`Self::drained`].
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.stages.requested.clone()
    }

    /// The end of the last request after [`Self::shutdown`], for tasks that persist what
    /// requests have counted.
    #[must_use]
    pub fn drained(&self) -> Shutdown {
        self.stages.drained.clone()
    }

    /// Starts a task that runs beside the listeners and ends after the request to stop.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        // One type of task: the runtime's part of a task is compiled for each.
        let task: BoxFuture<'static, ()> = Box::pin(task);
        self.tasks.spawn(task);
    }

    /// Serves `router` to the world and `for_operator` at the admin address.
    #[must_use]
    pub fn serve<C: ServiceConfig>(
        mut self,
        config: &C,
        router: PublicRouter,
        for_operator: Router,
    ) -> RunningService {
        let paths = router.paths().to_vec();
        self.spawn(self.reload.clone().run(self.shutdown()));
        let server = self.server.start(
            router.into_router(),
            for_operator,
            self.metrics,
            self.readiness,
            self.stages.clone(),
        );
        tracing::info!(
            public = %server.addresses().public,
            admin = %server.addresses().admin,
            authority = config.common().authority.map(tracing::field::display),
            "{} started", C::SERVICE
        );
        RunningService {
            server,
            paths,
            shutdown: self.stages.requested,
            reload: self.reload,
            tasks: self.tasks,
        }
    }
}

/// A service from the call of its start until it serves. Boxed, so that each service is
/// compiled in its own crate: every program and test that awaits a plain future compiles
/// all of it again.
pub type Starting = BoxFuture<'static, Result<RunningService, StartError>>;

/// A service at work.
#[derive(Debug)]
pub struct RunningService {
    server: RunningServer,
    paths: Vec<String>,
    shutdown: Shutdown,
    reload: Reload,
    tasks: JoinSet<()>,
}

impl RunningService {
    /// Where it is reached.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.server.addresses()
    }

    /// The paths of all that it serves to the world, as routers write them.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// What asks it to stop.
    #[must_use]
    pub const fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// What has files read again.
    #[must_use]
    pub const fn reload(&self) -> &Reload {
        &self.reload
    }

    /// Asks it to stop and waits until it has: its addresses and its data directory are
    /// free then.
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
