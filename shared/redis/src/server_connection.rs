//! A line to one server: how it is opened, and that everything on it ends in time.
//! What is said on it is not known here.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo,
    RedisResult, TlsCertificates,
};
use tokio::sync::Mutex as Turns;
use tokio::time::Instant;

use super::slot_map::Address;

/// What is needed to open a line to any server of a cluster.
pub(super) struct Dialer {
    /// User, password and database.
    pub(super) login: RedisConnectionInfo,
    /// The roots for TLS, if it is spoken.
    pub(super) tls: Option<TlsCertificates>,
    pub(super) connect: Duration,
    pub(super) answer: Duration,
}

impl Dialer {
    /// How long somebody may wait for anything but an answer.
    pub(super) const fn patience(&self) -> Duration {
        self.connect
    }

    /// Opens a line.
    pub(super) async fn open(&self, host: &str, port: u16) -> RedisResult<MultiplexedConnection> {
        let address = address(host, port, self.tls.is_some());
        let info = address.into_connection_info()?;
        let info = info.set_redis_settings(self.login.clone());
        let client = match &self.tls {
            Some(certificates) => Client::build_with_tls(info, certificates.clone())?,
            None => Client::open(info)?,
        };
        let config = settings(self.connect, self.answer);
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }
}

/// One server of a cluster, and the line to it, which all share.
pub(super) struct Server {
    address: Address,
    line: Mutex<ServerConnection>,
    /// Held by who connects.
    connecting: Turns<()>,
}

#[derive(Default)]
struct ServerConnection {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that a late failure does not end a new one.
    generation: u64,
}

impl Server {
    /// Opens nothing yet.
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            line: Mutex::default(),
            connecting: Turns::default(),
        }
    }

    /// The line, opened if there is none, and its number.
    pub(super) async fn connect(&self, door: &Dialer) -> RedisResult<(MultiplexedConnection, u64)> {
        if let Some(line) = self.line() {
            return Ok(line);
        }
        let _alone = self.connecting.lock().await;
        if let Some(line) = self.line() {
            return Ok(line);
        }
        let Address { host, port } = &self.address;
        let connection = door.open(host, *port).await?;
        let mut line = self.lock();
        line.generation += 1;
        line.connection = Some(connection.clone());
        Ok((connection, line.generation))
    }

    /// Gives the line of this number up.
    pub(super) fn forget(&self, generation: u64) {
        let mut line = self.lock();
        if line.generation == generation {
            line.connection = None;
        }
    }

    fn line(&self) -> Option<(MultiplexedConnection, u64)> {
        let line = self.lock();
        Some((line.connection.clone()?, line.generation))
    }

    fn lock(&self) -> MutexGuard<'_, ServerConnection> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The times of a line.
pub(super) fn settings(connect: Duration, answer: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connect))
        .set_response_timeout(Some(answer))
}

pub(super) fn address(host: &str, port: u16, is_tls: bool) -> ConnectionAddr {
    let host = host.to_owned();
    if is_tls {
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

/// What comes of it until `deadline`; then that it took too long.
pub(super) async fn within<T>(
    deadline: Instant,
    outcome: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let outcome = tokio::time::timeout_at(deadline, outcome).await;
    outcome.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}
