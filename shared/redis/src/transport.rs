//! One connection, to a server or to all servers of a cluster. It is made, and
//! pipelines go through it; who decides when, and what a failure means, is the
//! connection above.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, Cmd, ConnectionAddr, IntoConnectionInfo as _, Pipeline, RedisConnectionInfo,
    RedisResult, TlsCertificates, TlsMode, Value,
};
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::cluster::Cluster;
use super::error::SetUpError;
use super::options::RedisOptions;
use super::server_connection::{self, Dialer, within};
use super::slot_map::Address;
use super::url::Topology;
use pennyblack_base::pem;
use pennyblack_storage::atomic_file;

/// Makes connections.
pub(super) struct Connector {
    target: Target,
    connect: Duration,
    answer: Duration,
}

enum Target {
    Single(Box<Client>),
    Cluster {
        door: Arc<Dialer>,
        seeds: Vec<Address>,
    },
    /// Locked while the Sentinels are asked.
    Sentinel(Box<Mutex<SentinelClient>>),
}

/// A connection; clones share it.
#[derive(Clone)]
pub(super) enum Transport {
    One(MultiplexedConnection),
    Many(Cluster),
}

impl Connector {
    pub(super) fn new(options: &RedisOptions) -> Result<Self, SetUpError> {
        let roots = read_roots(options)?;
        let login = login(options)?;
        let target = match options.url.topology() {
            Topology::Single { database } => single(options, &login, *database, roots)?,
            Topology::Cluster => cluster(options, &login, roots)?,
            Topology::Sentinel { primary, database } => {
                sentinel(options, login, primary, *database, roots)?
            }
        };
        Ok(Self {
            target,
            connect: options.connect,
            answer: options.answer,
        })
    }

    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self.target, Target::Cluster { .. })
    }

    pub(super) async fn connect(&self) -> RedisResult<Transport> {
        let config = server_connection::settings(self.connect, self.answer);
        match &self.target {
            Target::Single(client) => {
                let connection = client.get_multiplexed_async_connection_with_config(&config);
                Ok(Transport::One(connection.await?))
            }
            Target::Cluster { door, seeds } => {
                let cluster = Cluster::connect(door.clone(), seeds.clone());
                Ok(Transport::Many(cluster.await?))
            }
            Target::Sentinel(client) => {
                let mut client = client.lock().await;
                let connection = client.get_async_connection_with_config(&config);
                Ok(Transport::One(connection.await?))
            }
        }
    }
}

impl Transport {
    /// Sends commands to the primary that has `key`; one answer for each, at `deadline`
    /// at the latest.
    pub(super) async fn send(
        &mut self,
        commands: &[Cmd],
        key: &[u8],
        deadline: Instant,
    ) -> RedisResult<Vec<Value>> {
        match self {
            Self::One(connection) => {
                let mut pipeline = Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command.clone());
                }
                let sent = connection.req_packed_commands(&pipeline, 0, commands.len());
                within(deadline, sent).await
            }
            Self::Many(cluster) => cluster.send(commands, key, deadline).await,
        }
    }

    /// Asks every primary; its address, if there are several, and its answer.
    pub(super) async fn ask_all(
        &mut self,
        command: &Cmd,
        deadline: Instant,
    ) -> RedisResult<Vec<(String, Value)>> {
        match self {
            Self::One(connection) => {
                let answer = within(deadline, connection.req_packed_command(command)).await?;
                Ok(vec![(String::new(), answer.extract_error()?)])
            }
            Self::Many(cluster) => cluster.ask_all(command, deadline).await,
        }
    }
}

fn read_roots(options: &RedisOptions) -> Result<Option<Vec<u8>>, SetUpError> {
    let Some(path) = &options.ca_file else {
        return Ok(None);
    };
    if !options.url.is_tls() {
        return Err(SetUpError::RootsWithoutTls);
    }
    let refused = |why: String| SetUpError::Roots {
        path: path.clone(),
        why,
    };
    let file = fs::read(path).map_err(|error| refused(error.to_string()))?;
    let ders = pem::certificates(&file).map_err(|error| refused(error.to_string()))?;
    Ok(Some(pem::certificates_text(&ders).into_bytes()))
}

struct Login {
    user: Option<String>,
    password: Option<Zeroizing<String>>,
}

fn login(options: &RedisOptions) -> Result<Login, SetUpError> {
    let user = options.url.user().map(str::to_owned);
    let Some(path) = &options.password_file else {
        let password = options.url.password();
        return Ok(Login {
            user,
            password: password.map(|text| Zeroizing::new(text.to_owned())),
        });
    };
    let bytes = atomic_file::read_private(path)?;
    let text = std::str::from_utf8(&bytes)
        .map(|text| text.strip_suffix('\n').unwrap_or(text))
        .ok()
        .filter(|text| !text.is_empty() && !text.contains('\n'))
        .ok_or_else(|| SetUpError::PasswordText(path.clone()))?;
    Ok(Login {
        user,
        password: Some(Zeroizing::new(text.to_owned())),
    })
}

fn certificates(roots: Option<Vec<u8>>) -> TlsCertificates {
    TlsCertificates {
        client_tls: None,
        root_cert: roots,
    }
}

fn wrong(error: impl ToString) -> SetUpError {
    SetUpError::Client(error.to_string())
}

fn addresses(options: &RedisOptions) -> impl Iterator<Item = ConnectionAddr> {
    let is_tls = options.url.is_tls();
    let nodes = options.url.nodes().iter();
    nodes.map(move |(host, port)| server_connection::address(host, *port, is_tls))
}

fn settings(login: &Login, database: u32) -> RedisConnectionInfo {
    let mut settings = RedisConnectionInfo::default().set_db(database.into());
    if let Some(user) = &login.user {
        settings = settings.set_username(user);
    }
    if let Some(password) = &login.password {
        settings = settings.set_password(password.as_str());
    }
    settings
}

fn single(
    options: &RedisOptions,
    login: &Login,
    database: u32,
    roots: Option<Vec<u8>>,
) -> Result<Target, SetUpError> {
    let address = addresses(options).next();
    let address = address.ok_or_else(|| wrong("no address"))?;
    let info = address.into_connection_info().map_err(wrong)?;
    let info = info.set_redis_settings(settings(login, database));
    let client = if options.url.is_tls() {
        Client::build_with_tls(info, certificates(roots))
    } else {
        Client::open(info)
    };
    let client = client.map_err(wrong)?;
    Ok(Target::Single(Box::new(client)))
}

fn cluster(
    options: &RedisOptions,
    login: &Login,
    roots: Option<Vec<u8>>,
) -> Result<Target, SetUpError> {
    // What is wrong with the certificates is to be told at once.
    single(options, login, 0, roots.clone())?;
    let nodes = options.url.nodes().iter();
    let seeds = nodes.map(|(host, port)| Address {
        host: host.clone(),
        port: *port,
    });
    let door = Dialer {
        login: settings(login, 0),
        tls: options.url.is_tls().then(|| certificates(roots)),
        connect: options.connect,
        answer: options.answer,
    };
    Ok(Target::Cluster {
        door: Arc::new(door),
        seeds: seeds.collect(),
    })
}

fn sentinel(
    options: &RedisOptions,
    login: Login,
    primary: &str,
    database: u32,
    roots: Option<Vec<u8>>,
) -> Result<Target, SetUpError> {
    let kind = SentinelServerType::Master;
    let mut builder = SentinelClientBuilder::new(addresses(options), primary, kind)
        .map_err(wrong)?
        .set_client_to_redis_db(database.into());
    if let Some(user) = login.user {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = login.password {
        builder = builder.set_client_to_redis_password(password.as_str());
    }
    if options.url.is_tls() {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates(roots.clone()))
            .set_client_to_sentinel_certificates(certificates(roots));
    }
    let client = builder.build().map_err(wrong)?;
    Ok(Target::Sentinel(Box::new(Mutex::new(client))))
}
