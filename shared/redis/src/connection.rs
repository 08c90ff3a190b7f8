//! The connection of a service to its Redis: a few shared connections, pipelined,
//! with time-outs, a circuit breaker, and the wait for replicas that the level of
//! durability asks for. Every request must be one that can be sent again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex};

use futures_util::future::BoxFuture;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind, Value};
use tokio::sync::Mutex;

use super::answer::{explain, into_answer, refused, unanswered};
use super::breaker::{Breaker, End, MOST_HASTE};
use super::durability::Durability;
use super::error::{RedisError, SetUpError};
use super::options::RedisOptions;
use super::permit::{Breakers, Permit};
use super::script::Script;
use super::slot::{SLOTS, slot_of};
use super::transport::{Connector, Transport};

/// Breakers of a cluster. Each is for a part of the slots, so that one node that is
/// down keeps nobody from the others.
const CLUSTER_PARTS: usize = 64;

/// A Redis. Clones share the connections. Made without connecting; the first
/// request does.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    connector: Connector,
    /// Each locked while it connects, and to take a clone.
    lanes: Vec<Mutex<PooledConnection>>,
    next: AtomicUsize,
    breakers: Breakers,
    options: RedisOptions,
}

#[derive(Default)]
struct PooledConnection {
    wire: Option<Transport>,
    /// Counts connections, so that a late failure does not end a new one.
    generation: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redis({})", self.0.options.url)
    }
}

impl Redis {
    /// Reads the files that the options name, and connects nothing yet.
    ///
    /// # Errors
    /// [`SetUpError`].
    pub fn new(options: &RedisOptions) -> Result<Self, SetUpError> {
        if options.durability == Durability::Replicated && options.replicas == 0 {
            return Err(SetUpError::NoReplicas);
        }
        if !options.namespace.as_deref().is_none_or(is_namespace) {
            return Err(SetUpError::Namespace);
        }
        let connector = Connector::new(options)?;
        let parts = if connector.is_cluster() {
            CLUSTER_PARTS
        } else {
            1
        };
        Ok(Self(Arc::new(Inner {
            connector,
            lanes: (0..options.connections.get())
                .map(|_| Mutex::default())
                .collect(),
            next: AtomicUsize::new(0),
            breakers: breakers(parts),
            options: options.clone(),
        })))
    }

    /// What it was made with.
    #[must_use]
    pub fn options(&self) -> &RedisOptions {
        &self.0.options
    }

    /// Whether keys are at several primaries.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.0.connector.is_cluster()
    }

    /// Runs a script that writes, and returns when what it found and what it wrote
    /// is as durable as promised. All keys are in one hash slot.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn write<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<T, RedisError> {
        self.script(script, keys, arguments, Kind::Write).await
    }

    /// Runs a script that only reads. All keys are in one hash slot.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn read<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<T, RedisError> {
        self.script(script, keys, arguments, Kind::Read).await
    }

    /// Sends one command where `key` is, without waiting for replicas: for reading,
    /// and for tidying up.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn command<T: FromRedisValue>(
        &self,
        command: Cmd,
        key: &[u8],
    ) -> Result<T, RedisError> {
        into_answer(self.send(command, key, Kind::Read).await?)
    }

    /// The answer of each primary to a command without a key, with its address.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn ask_all<T: FromRedisValue>(
        &self,
        command: &Cmd,
    ) -> Result<Vec<(String, T)>, RedisError> {
        let answers = self.send_to_all(command).await?.into_iter();
        answers
            .map(|(address, answer)| Ok((address, into_answer(answer)?)))
            .collect()
    }

    async fn script<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        kind: Kind,
    ) -> Result<T, RedisError> {
        let keyless = || RedisError::Form("a script names no key; please report this".to_owned());
        let key = keys.first().copied().ok_or_else(keyless)?;
        let known = self
            .send(script.by_digest(keys, arguments), key, kind)
            .await;
        let answer = match known {
            Err(RedisError::Refused(words)) if words.contains("NOSCRIPT") => {
                self.send(script.by_source(keys, arguments), key, kind)
                    .await?
            }
            answer => answer?,
        };
        into_answer(answer)
    }

    /// Boxed, as [`Self::send_to_all`]: what is awaited here is compiled once, and not for
    /// each type of answer in each crate that asks.
    fn send<'a>(
        &'a self,
        command: Cmd,
        key: &'a [u8],
        kind: Kind,
    ) -> BoxFuture<'a, Result<Value, RedisError>> {
        Box::pin(async move {
            let permit = Permit::ask(&self.0.breakers, self.part_of(key))?;
            if !permit.is_try() {
                return self.sent(command, key, kind, permit).await;
            }
            let (redis, key) = (self.clone(), key.to_vec());
            to_its_end(async move { redis.sent(command, &key, kind, permit).await }).await
        })
    }

    fn send_to_all<'a>(
        &'a self,
        command: &'a Cmd,
    ) -> BoxFuture<'a, Result<Vec<(String, Value)>, RedisError>> {
        Box::pin(async move {
            let permit = Permit::ask(&self.0.breakers, 0)?;
            if !permit.is_try() {
                return self.sent_to_all(command, permit).await;
            }
            let (redis, command) = (self.clone(), command.clone());
            to_its_end(async move { redis.sent_to_all(&command, permit).await }).await
        })
    }

    async fn sent_to_all(
        &self,
        command: &Cmd,
        permit: Permit,
    ) -> Result<Vec<(String, Value)>, RedisError> {
        let mut turn = self.take_turn(permit).await?;
        let asked = turn.wire.ask_all(command, self.deadline()).await;
        turn.end(asked).await
    }

    async fn sent(
        &self,
        command: Cmd,
        key: &[u8],
        kind: Kind,
        permit: Permit,
    ) -> Result<Value, RedisError> {
        let wanted = self.replicas(kind);
        let mut commands = vec![command];
        if wanted > 0 {
            // In one pipeline: WAIT is about what came before it on its connection.
            let patience = (self.0.options.answer / 2).as_millis();
            let patience = u64::try_from(patience).unwrap_or(u64::MAX).max(1);
            let mut wait = redis::cmd("WAIT");
            wait.arg(wanted).arg(patience);
            commands.push(wait);
        }
        let mut turn = self.take_turn(permit).await?;
        let sent = turn.wire.send(&commands, key, self.deadline()).await;
        let mut answers = turn.end(sent).await?.into_iter();
        let mut next = || answers.next().ok_or_else(unanswered);
        let answer = next()?.extract_error().map_err(|error| refused(&error))?;
        if wanted > 0 {
            let actual = into_answer(next()?)?;
            if actual < u64::from(wanted) {
                return Err(RedisError::Replicas { actual, wanted });
            }
        }
        Ok(answer)
    }

    fn deadline(&self) -> tokio::time::Instant {
        tokio::time::Instant::now() + self.0.options.answer
    }

    fn replicas(&self, kind: Kind) -> u8 {
        match (kind, self.0.options.durability) {
            (Kind::Write, Durability::Replicated) => self.0.options.replicas,
            _ => 0,
        }
    }

    fn part_of(&self, key: &[u8]) -> usize {
        if self.0.breakers.len() == 1 {
            return 0;
        }
        usize::from(slot_of(key)) * CLUSTER_PARTS / usize::from(SLOTS)
    }

    /// A connection for a request that the breaker lets go.
    async fn take_turn(&self, mut permit: Permit) -> Result<Checkout<'_>, RedisError> {
        let inner = &*self.0;
        let place = inner.next.fetch_add(1, Ordering::Relaxed) % inner.lanes.len().max(1);
        let Some(lane) = inner.lanes.get(place) else {
            return Err(RedisError::Connection("no lane".to_owned()));
        };
        let wait = inner.options.connect;
        match tokio::time::timeout(wait, connect(lane, &inner.connector)).await {
            Ok(Ok((wire, generation))) => Ok(Checkout {
                inner,
                lane,
                wire,
                generation,
                permit,
            }),
            Ok(Err(error)) => {
                permit.end(ended_by(&error));
                Err(explain(&error, wait))
            }
            Err(_) => {
                permit.end(End::Failed);
                Err(RedisError::TimedOut(wait))
            }
        }
    }
}

/// One request's use of a connection.
struct Checkout<'a> {
    inner: &'a Inner,
    lane: &'a Mutex<PooledConnection>,
    wire: Transport,
    generation: u64,
    permit: Permit,
}

impl Checkout<'_> {
    /// Tells the breaker, and gives a connection up that is of no use any more.
    async fn end<T>(mut self, outcome: RedisResult<T>) -> Result<T, RedisError> {
        let error = match outcome {
            Ok(answer) => {
                self.permit.end(End::Answered);
                return Ok(answer);
            }
            Err(error) => error,
        };
        self.permit.end(ended_by(&error));
        if must_reconnect(&error, &self.inner.connector) {
            forget(self.lane, self.generation).await;
        }
        Err(explain(&error, self.inner.options.answer))
    }
}

/// Carries a breaker's try on when nobody waits for it any more. Its end decides for all
/// other requests: if those who try gave up each time, the breaker would never close.
async fn to_its_end<T: Send + 'static>(
    outcome: impl Future<Output = Result<T, RedisError>> + Send + 'static,
) -> Result<T, RedisError> {
    let ended = tokio::spawn(outcome).await;
    ended.unwrap_or_else(|error| Err(RedisError::Connection(error.to_string())))
}

/// As many, none quite in step with those of another node.
fn breakers(count: usize) -> Breakers {
    let breaker = || Breaker::hasty(rand::random_range(0..=MOST_HASTE));
    (0..count)
        .map(|_| Arc::new(StdMutex::new(breaker())))
        .collect()
}

fn is_namespace(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() <= 32 && text.bytes().all(is_plain)
}

async fn connect(
    lane: &Mutex<PooledConnection>,
    connector: &Connector,
) -> RedisResult<(Transport, u64)> {
    let mut lane = lane.lock().await;
    if let Some(wire) = &lane.wire {
        return Ok((wire.clone(), lane.generation));
    }
    let wire = connector.connect().await?;
    lane.generation += 1;
    lane.wire = Some(wire.clone());
    Ok((wire, lane.generation))
}

async fn forget(lane: &Mutex<PooledConnection>, generation: u64) {
    let mut lane = lane.lock().await;
    if lane.generation == generation {
        lane.wire = None;
    }
}

fn must_reconnect(error: &redis::RedisError, connector: &Connector) -> bool {
    // A cluster's connection gives up its lines by itself, one by one.
    !connector.is_cluster() && is_lost(error)
}

fn is_lost(error: &redis::RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

fn ended_by(error: &redis::RedisError) -> End {
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly,
        ) => End::Failed,
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType => {
            End::Answered
        }
        _ => End::Failed,
    }
}
