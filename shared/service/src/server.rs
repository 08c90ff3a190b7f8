//! The two listeners of a service as one thing that is bound, started and
//! stopped: the world's and the operator's.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::admin::{self, Metrics, Readiness};
use crate::known_clients::KnownClients;
use crate::listener::{Listener, ListenerError};
use pennyblack_runtime::config::{AdminConfig, PublicConfig};
use pennyblack_runtime::reload::Reread;
use pennyblack_runtime::shutdown::Shutdown;

/// Where a service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// The world's listener.
    pub public: SocketAddr,
    /// The operator's listener.
    pub admin: SocketAddr,
}

impl Addresses {
    /// Tells the process's parent: one line of JSON on standard output,
    /// and the same in `ready_file`, which appears whole or not at all.
    ///
    /// # Errors
    /// When either cannot be written.
    pub fn announce(&self, ready_file: Option<&Path>) -> Result<(), std::io::Error> {
        let line = serde_json::to_string(self)?;
        if let Some(path) = ready_file {
            let mut unfinished = path.as_os_str().to_owned();
            unfinished.push(".unfinished");
            fs::write(&unfinished, format!("{line}\n"))?;
            fs::rename(&unfinished, path)?;
        }
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()
    }
}

/// The two stages of a stop.
#[derive(Debug, Clone, Default)]
pub struct ShutdownStages {
    /// Triggered from outside: no new connections, open requests finish.
    pub requested: Shutdown,
    /// Triggered by the server once the public listener has answered its last request.
    /// What requests change in memory is final from then on.
    pub drained: Shutdown,
}

/// Both listeners, bound: connections queue from now on.
#[derive(Debug)]
pub struct Server {
    public: Listener,
    admin: Listener,
}

impl Server {
    /// Binds both addresses.
    ///
    /// # Errors
    /// [`ListenerError`] naming the key.
    pub async fn bind(public: &PublicConfig, admin: &AdminConfig) -> Result<Self, ListenerError> {
        Self::bind_knowing(public, admin, KnownClients::default()).await
    }

    /// The same, where some of the world's clients are known.
    ///
    /// # Errors
    /// [`ListenerError`] naming the key.
    pub async fn bind_knowing(
        public: &PublicConfig,
        admin: &AdminConfig,
        known: KnownClients,
    ) -> Result<Self, ListenerError> {
        Ok(Self {
            public: Listener::bind_public_knowing(public, known).await?,
            admin: Listener::bind_admin(admin).await?,
        })
    }

    /// Has each request of the world bring the address that it comes from.
    #[must_use]
    pub fn showing_clients(self) -> Self {
        Self {
            public: self.public.showing_clients(),
            ..self
        }
    }

    /// The public listener's certificate and key, if it has any.
    #[must_use]
    pub fn files(&self) -> Option<Arc<dyn Reread>> {
        self.public.files()
    }

    /// The real addresses, ports included.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        Addresses {
            public: self.public.address(),
            admin: self.admin.address(),
        }
    }

    /// Serves `router` to the world until a stop is requested, and to the operator metrics,
    /// health, readiness and `for_operator`, which may be empty. The admin listener
    /// stays up while the public one drains, and says that the service is not ready.
    #[must_use]
    pub fn start(
        self,
        router: Router,
        for_operator: Router,
        metrics: Metrics,
        readiness: Readiness,
        stages: ShutdownStages,
    ) -> RunningServer {
        let addresses = self.addresses();
        let ShutdownStages { requested, drained } = stages;
        tokio::spawn(metrics.clone().fold_samples(drained.clone()));
        let mut admin = admin::router(metrics, readiness.clone()).merge(for_operator);
        if addresses.admin.ip().is_loopback() {
            admin = admin::for_this_machine(admin);
        }
        let admin = tokio::spawn(self.admin.serve(admin, drained.clone()));
        let public = tokio::spawn(self.public.serve(router, requested.clone()));
        let all = tokio::spawn({
            let requested = requested.clone();
            async move {
                requested.requested().await;
                readiness.lacks("shutdown", "the service is stopping");
                let _ = public.await;
                drained.trigger();
                let _ = admin.await;
            }
        });
        RunningServer {
            addresses,
            shutdown: requested,
            all,
        }
    }
}

/// A service at work.
#[derive(Debug)]
pub struct RunningServer {
    addresses: Addresses,
    shutdown: Shutdown,
    all: JoinHandle<()>,
}

impl RunningServer {
    /// Where it is reached.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Asks it to stop and waits until open requests have ended.
    pub async fn stop(self) {
        self.shutdown.trigger();
        self.stopped().await;
    }

    /// Waits until somebody has asked it to stop and open requests have ended.
    pub async fn stopped(self) {
        let _ = self.all.await;
    }
}
