//! A bound socket and the loop that accepts connections from it, at most so
//! many at one time (`places`), until the service is asked to stop; then it lets the open
//! ones finish. What happens inside one connection is `connection.rs`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client_address::ClientAddress;
use crate::connection::{self, Setting};
use crate::exchanges::Exchanges;
use crate::held_bytes::HeldBytes;
use crate::known_clients::KnownClients;
use crate::one_exchange;
use crate::places::Places;
use crate::repeated_causes::report;
use crate::request_limits::{self, Admission};
use crate::tls::{TlsError, TlsFiles, TlsSettings};
use pennyblack_runtime::config::{
    AdminConfig, ConfigurationError, Limits, PublicConfig, Transport,
};
use pennyblack_runtime::reload::Reread;
use pennyblack_runtime::shutdown::Shutdown;

/// How long to wait when the process has run out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Most connections that the kernel keeps until they are accepted; it takes fewer
/// if it is set so (`net.core.somaxconn`). A burst uses up the usual 128, and
/// the next client waits a second for a second try.
const BACKLOG: u32 = 4096;

/// A socket that cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenerError {
    /// The configuration forbids it.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The operating system refuses the address.
    #[error("{key}: cannot listen at {address}: {source}; {}", advice(source))]
    Bind {
        /// The setting.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
}

/// A socket that connections can be made to; they are served once
/// [`Listener::serve`] runs.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<TlsFiles>,
    known: KnownClients,
    limits: Arc<Limits>,
    shows_clients: bool,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl Listener {
    /// Binds the public address.
    ///
    /// # Errors
    /// [`ListenerError`].
    pub async fn bind_public(config: &PublicConfig) -> Result<Self, ListenerError> {
        Self::bind_public_knowing(config, KnownClients::default()).await
    }

    /// The same, where some clients are known. It knows them by TLS: without, by nothing.
    ///
    /// # Errors
    /// [`ListenerError`].
    pub async fn bind_public_knowing(
        config: &PublicConfig,
        known: KnownClients,
    ) -> Result<Self, ListenerError> {
        let tls = match config.transport()? {
            Transport::Tls(tls) => Some(TlsFiles::open(tls, TlsSettings::CONFIGURED, &known)?),
            Transport::Plain => None,
        };
        let listener = Self::bind("public.listen", config.listen, tls, config.limits.clone())?;
        Ok(Self { known, ..listener })
    }

    /// The same for a program that has options instead of a configuration: what its
    /// messages are to name.
    ///
    /// # Errors
    /// [`ListenerError`].
    pub async fn bind_named(
        config: &PublicConfig,
        listen: &'static str,
        settings: TlsSettings,
    ) -> Result<Self, ListenerError> {
        let tls = match config.transport()? {
            Transport::Tls(tls) => Some(TlsFiles::open(tls, settings, &KnownClients::default())?),
            Transport::Plain => None,
        };
        Self::bind(listen, config.listen, tls, config.limits.clone())
    }

    /// Binds the admin address: plain HTTP with the default limits.
    ///
    /// # Errors
    /// [`ListenerError`].
    pub async fn bind_admin(config: &AdminConfig) -> Result<Self, ListenerError> {
        config.check()?;
        Self::bind("admin.listen", config.listen, None, Limits::default())
    }

    fn bind(
        key: &'static str,
        address: SocketAddr,
        tls: Option<TlsFiles>,
        limits: Limits,
    ) -> Result<Self, ListenerError> {
        let refused = |source| ListenerError::Bind {
            key,
            address,
            source,
        };
        let socket = listen(address).map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        Ok(Self {
            socket,
            address,
            tls,
            known: KnownClients::default(),
            limits: Arc::new(limits),
            shows_clients: false,
        })
    }

    /// Has each request bring its [`ClientAddress`] to the router.
    #[must_use]
    pub fn showing_clients(self) -> Self {
        Self {
            shows_clients: true,
            ..self
        }
    }

    /// Its certificate and key, if it has any: connections made after they were read again
    /// get the new ones.
    #[must_use]
    pub fn files(&self) -> Option<Arc<dyn Reread>> {
        self.tls.as_ref().map(TlsFiles::files)
    }

    /// The bound address; its port is the real one even if 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts and serves connections until `shutdown`, then returns when the
    /// open ones have ended, at the latest after the drain limit. `router` gets
    /// the request limits and problem documents around it.
    pub fn serve(self, router: Router, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        // Boxed, so that the HTTP server is compiled here and nowhere else.
        Box::pin(async move {
            let setting = Arc::new(Setting {
                tls: self.tls,
                known: self.known,
                exchange: one_exchange::Setting {
                    router: request_limits::around(router),
                    admission: Arc::new(Admission::new(&self.limits)),
                    bytes: HeldBytes::new(self.limits.held_bytes),
                },
                limits: Arc::clone(&self.limits),
                shutdown: shutdown.clone(),
            });
            let mut places = Places::new(self.limits.connections);
            let mut open = JoinSet::new();
            loop {
                tokio::select! {
                    biased;
                    () = shutdown.requested() => break,
                    Some(ended) = open.join_next_with_id() => {
                        places.leave(ended.map_or_else(|error| error.id(), |(task, ())| task));
                    }
                    (stream, client) = accept(&self.socket) => {
                        // One too many is closed at once: a client that hears so can
                        // go elsewhere, one that waits in the backlog cannot.
                        if !places.make_room() {
                            metrics::counter!("pennyblack_connections_refused_total").increment(1);
                            continue;
                        }
                        // Dropped here otherwise, so that no handler can record it.
                        let client = self.shows_clients.then(|| ClientAddress::of(client));
                        let setting = Arc::clone(&setting);
                        let exchanges = Exchanges::new(Arc::clone(&setting.limits), Instant::now());
                        let task = open.spawn({
                            let exchanges = Arc::clone(&exchanges);
                            async move { connection::serve(stream, client, &setting, exchanges).await }
                        });
                        places.take(task.id(), exchanges);
                    }
                }
            }
            drop(self.socket);
            while open.join_next().await.is_some() {}
        })
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, std::io::Error> {
    bind_reusing(address)?.listen(BACKLOG)
}

fn bind_reusing(address: SocketAddr) -> Result<TcpSocket, std::io::Error> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart need not wait for the last connections of the life before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Whether [`Listener::bind`] would succeed. Nobody can connect meanwhile, and the port is
/// free again when this returns.
pub(crate) fn probe(key: &'static str, address: SocketAddr) -> Result<(), ListenerError> {
    let bound = bind_reusing(address);
    bound.map(drop).map_err(|source| ListenerError::Bind {
        key,
        address,
        source,
    })
}

/// What to do about an address that the operating system refuses.
fn advice(refused: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{AddrNotAvailable, PermissionDenied};
    match refused.kind() {
        AddrNotAvailable => "choose an address of this machine, or 0.0.0.0 or [::] for all",
        PermissionDenied => {
            "choose a port from 1024 on, or allow this program to listen at lower ones"
        }
        _ => "choose another port, or stop what uses it",
    }
}

/// The next connection.
async fn accept(socket: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match socket.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                report(
                    "cannot accept connections; check the limit on open files",
                    &error,
                );
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_the_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

#[cfg(test)]
mod tests;
