//! One connection, to a server or to all servers of a cluster. It is made, and
//! pipelines go through it; who decides when, and what a failure means, is the
//! connection above.

use std::fs;
use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{
    MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr,
};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    Pipeline, RedisConnectionInfo, RedisResult, TlsCertificates, TlsMode, Value,
};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::error::SetUpError;
use super::options::RedisOptions;
use super::url::Topology;
use crate::atomic_file;

/// How often the cluster client follows a slot that moves before it gives up.
const CLUSTER_RETRIES: u32 = 6;

/// Makes connections.
pub(super) struct Connector {
    target: Target,
    connect: Duration,
    answer: Duration,
}

enum Target {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
    /// Locked while the Sentinels are asked.
    Sentinel(Box<Mutex<SentinelClient>>),
}

/// A connection; clones share it.
#[derive(Clone)]
pub(super) enum Wire {
    One(MultiplexedConnection),
    Many(ClusterConnection),
}

impl Connector {
    pub(super) fn new(options: &RedisOptions) -> Result<Self, SetUpError> {
        let roots = read_roots(options)?;
        let login = login(options)?;
        let target = match options.url.topology() {
            Topology::Single { database } => single(options, login, *database, roots)?,
            Topology::Cluster => cluster(options, login, roots)?,
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
        matches!(self.target, Target::Cluster(_))
    }

    pub(super) async fn connect(&self) -> RedisResult<Wire> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect))
            .set_response_timeout(Some(self.answer));
        match &self.target {
            Target::Single(client) => {
                let connection = client.get_multiplexed_async_connection_with_config(&config);
                Ok(Wire::One(connection.await?))
            }
            Target::Cluster(client) => Ok(Wire::Many(client.get_async_connection().await?)),
            Target::Sentinel(client) => {
                let mut client = client.lock().await;
                let connection = client.get_async_connection_with_config(&config);
                Ok(Wire::One(connection.await?))
            }
        }
    }
}

impl Wire {
    /// Sends commands to the primary that has `key`; one answer for each.
    pub(super) async fn send(&mut self, commands: Pipeline, key: &[u8]) -> RedisResult<Vec<Value>> {
        let count = commands.len();
        match self {
            Self::One(connection) => connection.req_packed_commands(&commands, 0, count).await,
            Self::Many(connection) => {
                let route = Route::with_key(key, SlotAddr::Master);
                let route = SingleNodeRoutingInfo::SpecificNode(route);
                connection.route_pipeline(commands, 0, count, route).await
            }
        }
    }

    /// Asks every primary; its address, if there are several, and its answer.
    pub(super) async fn ask_all(&mut self, command: Cmd) -> RedisResult<Vec<(String, Value)>> {
        match self {
            Self::One(connection) => {
                let answer = connection.req_packed_command(&command).await?;
                Ok(vec![(String::new(), answer.extract_error()?)])
            }
            Self::Many(connection) => {
                let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                let answers = connection.route_command(command, all).await?;
                redis::from_redis_value(answers.extract_error()?).map_err(Into::into)
            }
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
    fs::read(path).map(Some).map_err(|error| SetUpError::Roots {
        path: path.clone(),
        error,
    })
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
    let tls = options.url.is_tls();
    options.url.nodes().iter().map(move |(host, port)| {
        if tls {
            ConnectionAddr::TcpTls {
                host: host.clone(),
                port: *port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host.clone(), *port)
        }
    })
}

fn infos(
    options: &RedisOptions,
    login: &Login,
    database: u32,
) -> Result<Vec<ConnectionInfo>, SetUpError> {
    let mut settings = RedisConnectionInfo::default().set_db(database.into());
    if let Some(user) = &login.user {
        settings = settings.set_username(user);
    }
    if let Some(password) = &login.password {
        settings = settings.set_password(password.as_str());
    }
    let infos = addresses(options).map(|address| {
        let info = address.into_connection_info().map_err(wrong)?;
        Ok(info.set_redis_settings(settings.clone()))
    });
    infos.collect()
}

fn single(
    options: &RedisOptions,
    login: Login,
    database: u32,
    roots: Option<Vec<u8>>,
) -> Result<Target, SetUpError> {
    let info = infos(options, &login, database)?.into_iter().next();
    let info = info.ok_or_else(|| wrong("no address"))?;
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
    login: Login,
    roots: Option<Vec<u8>>,
) -> Result<Target, SetUpError> {
    let mut builder = ClusterClient::builder(infos(options, &login, 0)?)
        .retries(CLUSTER_RETRIES)
        .max_retry_wait(250)
        .connection_timeout(options.connect)
        .response_timeout(options.answer)
        .overall_response_timeout(Some(options.answer));
    if options.url.is_tls() {
        builder = builder.tls(TlsMode::Secure).certs(certificates(roots));
    }
    let client = builder.build().map_err(wrong)?;
    Ok(Target::Cluster(Box::new(client)))
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
