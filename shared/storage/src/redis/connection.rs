//! The connection of a service to its Redis: a few shared connections, pipelined,
//! with time-outs, a circuit breaker, and the wait for replicas that the level of
//! durability asks for. Every request must be one that can be sent again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, ServerErrorKind, Value};
use tokio::sync::Mutex;

use super::breaker::{Admission, Breaker, End};
use super::durability::Durability;
use super::error::{RedisError, SetUpError};
use super::options::RedisOptions;
use super::script::Script;
use super::wire::{Connector, Wire};

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
    lanes: Vec<Mutex<Lane>>,
    next: AtomicUsize,
    breakers: Vec<StdMutex<Breaker>>,
    options: RedisOptions,
}

#[derive(Default)]
struct Lane {
    wire: Option<Wire>,
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
            breakers: (0..parts).map(|_| StdMutex::default()).collect(),
            options: options.clone(),
        })))
    }

    /// What it was made with.
    #[must_use]
    pub fn options(&self) -> &RedisOptions {
        &self.0.options
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
        let answers = self
            .with_wire(
                0,
                |mut wire| async move { wire.ask_all(command.clone()).await },
            )
            .await?;
        let answers = answers.into_iter();
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
        let key = keys.first().copied().unwrap_or_default();
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

    async fn send(&self, command: Cmd, key: &[u8], kind: Kind) -> Result<Value, RedisError> {
        let wanted = self.replicas(kind);
        let mut commands = Pipeline::with_capacity(2);
        commands.add_command(command);
        if wanted > 0 {
            // In one pipeline: WAIT is about what came before it on its connection.
            let patience = (self.0.options.answer / 2).as_millis();
            let patience = u64::try_from(patience).unwrap_or(u64::MAX).max(1);
            commands.cmd("WAIT").arg(wanted).arg(patience);
        }
        let part = self.part_of(key);
        let sent = |mut wire: Wire| async move { wire.send(commands, key).await };
        let mut answers = self.with_wire(part, sent).await?.into_iter();
        let answer = answers.next().unwrap_or(Value::Nil);
        let answer = answer.extract_error().map_err(|error| refused(&error))?;
        if wanted > 0 {
            let actual = into_answer(answers.next().unwrap_or(Value::Nil))?;
            if actual < u64::from(wanted) {
                return Err(RedisError::Replicas { actual, wanted });
            }
        }
        Ok(answer)
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

    /// Does something with a connection, within the time for an answer, if the
    /// breaker lets it.
    async fn with_wire<T, A: Future<Output = redis::RedisResult<T>>>(
        &self,
        part: usize,
        act: impl FnOnce(Wire) -> A,
    ) -> Result<T, RedisError> {
        let mut permit = Permit::ask(&self.0, part)?;
        let place = self.0.next.fetch_add(1, Ordering::Relaxed) % self.0.lanes.len().max(1);
        let Some(lane) = self.0.lanes.get(place) else {
            return Err(RedisError::Connection("no lane".to_owned()));
        };
        let (options, connector) = (&self.0.options, &self.0.connector);
        let connected = tokio::time::timeout(options.connect, connect(lane, connector)).await;
        let (wire, generation) = match connected {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => {
                permit.end(ended_by(&error));
                return Err(explain(&error, options.connect));
            }
            Err(_) => {
                permit.end(End::Failed);
                return Err(RedisError::TimedOut(options.connect));
            }
        };
        match tokio::time::timeout(options.answer, act(wire)).await {
            Ok(Ok(answer)) => {
                permit.end(End::Answered);
                Ok(answer)
            }
            Ok(Err(error)) => {
                permit.end(ended_by(&error));
                if must_reconnect(&error, connector) {
                    forget(lane, generation).await;
                }
                Err(explain(&error, options.answer))
            }
            Err(_) => {
                permit.end(End::Failed);
                if !connector.is_cluster() {
                    forget(lane, generation).await;
                }
                Err(RedisError::TimedOut(options.answer))
            }
        }
    }
}

const SLOTS: u16 = 16_384;

/// The hash slot of a key (Redis Cluster specification, "Key distribution model").
#[must_use]
pub(super) fn slot_of(key: &[u8]) -> u16 {
    let tag = hash_tag(key).unwrap_or(key);
    let crc = tag.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    });
    crc % SLOTS
}

fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|byte| *byte == b'{')?;
    let rest = key.get(open + 1..)?;
    let close = rest.iter().position(|byte| *byte == b'}')?;
    rest.get(..close).filter(|tag| !tag.is_empty())
}

async fn connect(lane: &Mutex<Lane>, connector: &Connector) -> redis::RedisResult<(Wire, u64)> {
    let mut lane = lane.lock().await;
    if let Some(wire) = &lane.wire {
        return Ok((wire.clone(), lane.generation));
    }
    let wire = connector.connect().await?;
    lane.generation += 1;
    lane.wire = Some(wire.clone());
    Ok((wire, lane.generation))
}

async fn forget(lane: &Mutex<Lane>, generation: u64) {
    let mut lane = lane.lock().await;
    if lane.generation == generation {
        lane.wire = None;
    }
}

fn must_reconnect(error: &redis::RedisError, connector: &Connector) -> bool {
    if connector.is_cluster() {
        // It follows its nodes by itself, as long as it knows one.
        return error.kind() == ErrorKind::ClusterConnectionNotFound
            || error.is_unrecoverable_error();
    }
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

fn explain(error: &redis::RedisError, time: Duration) -> RedisError {
    if error.is_timeout() {
        return RedisError::TimedOut(time);
    }
    match error.kind() {
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed => {
            refused(error)
        }
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => RedisError::Form(error.to_string()),
        _ => RedisError::Connection(error.to_string()),
    }
}

fn refused(error: &redis::RedisError) -> RedisError {
    let code = error.code().unwrap_or_default();
    let detail = error.detail().unwrap_or_default();
    RedisError::Refused(format!("{code} {detail}").trim().to_owned())
}

fn into_answer<T: FromRedisValue>(value: Value) -> Result<T, RedisError> {
    let value = value.extract_error().map_err(|error| refused(&error))?;
    redis::from_redis_value(value).map_err(|error| RedisError::Form(error.to_string()))
}

/// Leave of the breaker; its end is told even when the future is dropped.
struct Permit<'a> {
    breaker: &'a StdMutex<Breaker>,
    admission: Admission,
    end: End,
}

impl<'a> Permit<'a> {
    fn ask(inner: &'a Inner, part: usize) -> Result<Self, RedisError> {
        let Some(breaker) = inner.breakers.get(part).or_else(|| inner.breakers.first()) else {
            return Err(RedisError::Away(Duration::ZERO));
        };
        match lock(breaker).admit(Instant::now()) {
            Admission::Wait(pause) => Err(RedisError::Away(pause)),
            admission => Ok(Self {
                breaker,
                admission,
                end: End::Abandoned,
            }),
        }
    }

    const fn end(&mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut breaker = lock(self.breaker);
        let was_open = breaker.is_open();
        breaker.ended(self.admission, self.end, Instant::now());
        match (was_open, breaker.is_open()) {
            (false, true) => {
                metrics::counter!("pennyblack_redis_breaker_opened_total").increment(1);
                tracing::warn!("Redis does not answer: requests are turned away for now");
            }
            (true, false) => tracing::info!("Redis answers again"),
            _ => {}
        }
    }
}

fn lock(breaker: &StdMutex<Breaker>) -> MutexGuard<'_, Breaker> {
    breaker.lock().unwrap_or_else(PoisonError::into_inner)
}
