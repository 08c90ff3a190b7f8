//! One connection to a cluster: a line to each of its servers, the map of its slots,
//! and following both where they change. When a request is given up for good, and
//! what that means for the next ones, is decided by the connection above.
//!
//! The client library has a connection to a cluster too. It does all its work in one
//! task and behind one lock, and after failovers that task stood still at times and
//! never answered anybody again. Here requests share only what is looked at and left
//! again at once, and no step is without an end in time.

use std::collections::HashMap;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::ConnectionLike as _;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::sync::Mutex as Turns;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::server_connection::{Dialer, Server, within};
use super::slot::slot_of;
use super::slot_map::{Address, SlotMap};

/// How often a request is sent before its failure is told: through a slot that
/// moves, or to a server that takes another's place.
const TRIES: u32 = 8;
/// Tries that may follow a slot to its new place without a pause.
const UNPAUSED: u32 = 3;
/// The pause before the second try after a failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How long the other servers have to tell their maps, once one has told its.
const GRACE: Duration = Duration::from_millis(200);
/// Shortest time between two looks at the map.
const PACE: Duration = Duration::from_millis(100);

/// A connection to all servers of a cluster; clones share it.
#[derive(Clone)]
pub(super) struct Cluster(Arc<Inner>);

struct Inner {
    door: Arc<Dialer>,
    /// Servers that the operator named.
    seeds: Vec<Address>,
    map: Mutex<Map>,
    /// Counts what was seen that the map does not explain.
    doubts: AtomicU64,
    /// Held by who looks at the map.
    refreshing: Turns<()>,
    servers: Mutex<HashMap<Address, Arc<Server>>>,
}

struct Map {
    slots: SlotMap,
    /// How many doubts there were before it was made.
    settled: u64,
    /// When servers were last asked for it.
    refreshed: Instant,
}

/// What to do about a request that was not answered in the end.
enum Step {
    /// Send it again, to the slot's new primary.
    Again,
    /// Send it again, and this time to a server that takes the slot over.
    Ask(Address),
    /// Send it again a little later.
    Later,
    /// Tell it.
    Tell,
}

impl Cluster {
    /// Asks the seeds, all at once, for the map.
    ///
    /// # Errors
    /// None of them told it in time.
    pub(super) async fn connect(door: Arc<Dialer>, seeds: Vec<Address>) -> RedisResult<Self> {
        let map = Map {
            slots: SlotMap::default(),
            settled: 0,
            refreshed: Instant::now(),
        };
        let cluster = Self(Arc::new(Inner {
            door,
            seeds,
            map: Mutex::new(map),
            doubts: AtomicU64::new(0),
            refreshing: Turns::default(),
            servers: Mutex::default(),
        }));
        cluster.refresh().await?;
        Ok(cluster)
    }

    /// Sends commands to the primary that has `key`; one answer for each. All of this
    /// ends at `deadline`.
    pub(super) async fn send(
        &self,
        commands: &[Cmd],
        key: &[u8],
        deadline: Instant,
    ) -> RedisResult<Vec<Value>> {
        let slot = slot_of(key);
        let mut pause = FIRST_PAUSE;
        let mut asking = None;
        let mut tries = 0;
        loop {
            tries += 1;
            self.refresh_if_doubtful(deadline).await;
            let (error, step) = match self
                .send_once(commands, slot, asking.take(), deadline)
                .await
            {
                Ok(answers) => return Ok(answers),
                Err(failed) => failed,
            };
            if tries >= TRIES {
                return Err(error);
            }
            match step {
                Step::Again if tries < UNPAUSED => {}
                Step::Ask(address) => asking = Some(address),
                Step::Again | Step::Later if Instant::now() + pause < deadline => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Step::Again | Step::Later | Step::Tell => return Err(error),
            }
        }
    }

    /// Asks every primary; its address and its answer.
    pub(super) async fn ask_all(
        &self,
        command: &Cmd,
        deadline: Instant,
    ) -> RedisResult<Vec<(String, Value)>> {
        within(deadline, self.refresh()).await?;
        let primaries = lock(&self.0.map).slots.primaries();
        let mut asked = JoinSet::new();
        for address in primaries {
            let (cluster, pipeline) = (self.clone(), pipeline(slice::from_ref(command), false));
            asked.spawn(async move {
                let server = cluster.server(&address);
                let answer = cluster.exchange(&server, &pipeline, 0, 1, deadline).await;
                let answer = answer.and_then(one);
                (address.to_string(), answer)
            });
        }
        let mut answers = Vec::new();
        while let Some(asked) = asked.join_next().await {
            let (address, answer) = asked.map_err(std::io::Error::other)?;
            if answer.is_err() {
                self.doubt();
            }
            answers.push((address, answer?));
        }
        Ok(answers)
    }

    async fn send_once(
        &self,
        commands: &[Cmd],
        slot: u16,
        asking: Option<Address>,
        deadline: Instant,
    ) -> Result<Vec<Value>, (RedisError, Step)> {
        let is_asking = asking.is_some();
        let address = asking.or_else(|| lock(&self.0.map).slots.primary_of(slot).cloned());
        let Some(address) = address else {
            self.doubt();
            let words = format!("no server of the cluster has slot {slot}");
            return Err((std::io::Error::other(words).into(), Step::Later));
        };
        let server = self.server(&address);
        let pipeline = pipeline(commands, is_asking);
        let skipped = usize::from(is_asking);
        let sent = self.exchange(&server, &pipeline, skipped, commands.len(), deadline);
        let error = match sent.await.map(|answers| (first_error(&answers), answers)) {
            Ok((None, answers)) => return Ok(answers),
            Ok((Some(error), answers)) => match self.step_after(&error, slot, &address) {
                // The words of the server: what they mean is not our business.
                Step::Tell => return Ok(answers),
                step => return Err((error, step)),
            },
            Err(error) => error,
        };
        let step = self.step_after(&error, slot, &address);
        Err((error, step))
    }

    fn step_after(&self, error: &RedisError, slot: u16, asked: &Address) -> Step {
        let kind = match error.kind() {
            ErrorKind::Server(kind) => kind,
            ErrorKind::Io => {
                // Cut off, refused or too late: another may have its place.
                self.doubt();
                return Step::Later;
            }
            _ => return Step::Tell,
        };
        match kind {
            ServerErrorKind::Moved => {
                self.doubt();
                let Some(to) = Address::of_redirect(error, asked) else {
                    return Step::Later;
                };
                lock(&self.0.map).slots.record_moved(slot, to);
                Step::Again
            }
            ServerErrorKind::Ask => {
                Address::of_redirect(error, asked).map_or(Step::Later, Step::Ask)
            }
            ServerErrorKind::ReadOnly
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::BusyLoading => {
                self.doubt();
                Step::Later
            }
            ServerErrorKind::TryAgain => Step::Later,
            _ => Step::Tell,
        }
    }

    fn doubt(&self) {
        self.0.doubts.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads the map again if it is doubtful and no other task does so.
    async fn refresh_if_doubtful(&self, deadline: Instant) {
        if !self.must_refresh() {
            return;
        }
        let Ok(_alone) = self.0.refreshing.try_lock() else {
            return;
        };
        if let Err(error) = within(deadline, self.refresh()).await {
            tracing::debug!(%error, "no server of the cluster tells its slots");
        }
    }

    fn must_refresh(&self) -> bool {
        let map = lock(&self.0.map);
        map.settled != self.0.doubts.load(Ordering::Relaxed) && map.refreshed.elapsed() >= PACE
    }

    /// Asks all servers that are known for the map, and takes what most say of those
    /// that answer soon.
    async fn refresh(&self) -> RedisResult<()> {
        // Whatever is seen from here on may be newer than what is told.
        let doubts = self.0.doubts.load(Ordering::Relaxed);
        let told = self.told().await;
        let mut map = lock(&self.0.map);
        map.refreshed = Instant::now();
        map.slots = told?;
        map.settled = doubts;
        let mut known = map.slots.servers();
        drop(map);
        known.extend(self.0.seeds.iter().cloned());
        lock(&self.0.servers).retain(|address, _| known.contains(address));
        Ok(())
    }

    async fn told(&self) -> RedisResult<SlotMap> {
        let mut servers = lock(&self.0.map).slots.servers();
        servers.extend(self.0.seeds.iter().cloned());
        let mut end = Instant::now() + self.0.door.patience();
        let mut asked = JoinSet::new();
        for address in servers {
            let cluster = self.clone();
            asked.spawn(async move { cluster.told_by(&address, end).await });
        }
        let (mut told, mut error) = (Vec::new(), None);
        while let Ok(Some(answer)) = tokio::time::timeout_at(end, asked.join_next()).await {
            match answer {
                Ok(Ok(map)) => {
                    end = end.min(Instant::now() + GRACE);
                    told.push(map);
                }
                Ok(Err(failed)) => error = Some(failed),
                Err(failed) => error = Some(std::io::Error::other(failed).into()),
            }
        }
        let too_late = || std::io::Error::from(std::io::ErrorKind::TimedOut).into();
        SlotMap::of_most(&told).ok_or_else(|| error.unwrap_or_else(too_late))
    }

    async fn told_by(&self, address: &Address, deadline: Instant) -> RedisResult<SlotMap> {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let server = self.server(address);
        let asked = pipeline(&[command], false);
        let answers = self.exchange(&server, &asked, 0, 1, deadline).await?;
        let answer = one(answers)?;
        let no_map = || format!("{address} tells of no slots");
        SlotMap::parse(&answer, address).ok_or_else(|| std::io::Error::other(no_map()).into())
    }

    fn server(&self, address: &Address) -> Arc<Server> {
        let mut servers = lock(&self.0.servers);
        let server = servers
            .entry(address.clone())
            .or_insert_with(|| Arc::new(Server::new(address.clone())));
        server.clone()
    }

    /// Sends once, and gives the line up if nothing came back on it.
    async fn exchange(
        &self,
        server: &Server,
        pipeline: &Pipeline,
        skipped: usize,
        count: usize,
        deadline: Instant,
    ) -> RedisResult<Vec<Value>> {
        let line = within(deadline, server.connect(&self.0.door)).await;
        let (mut connection, generation) = line?;
        let sent = connection.req_packed_commands(pipeline, skipped, count);
        let answers = within(deadline, sent).await;
        if answers.as_ref().is_err_and(is_lost) {
            server.forget(generation);
        }
        answers
    }
}

fn pipeline(commands: &[Cmd], is_asking: bool) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(commands.len() + 1);
    if is_asking {
        // Is about the command after it, and no other.
        pipeline.add_command(redis::cmd("ASKING"));
    }
    for command in commands {
        pipeline.add_command(command.clone());
    }
    pipeline
}

/// Whether the first command was refused: the others are about it.
fn first_error(answers: &[Value]) -> Option<RedisError> {
    match answers.first()? {
        Value::ServerError(error) => Some(error.clone().into()),
        _ => None,
    }
}

/// The answer to a command alone. No answer is not one of nothing: that is what a key
/// that is not there has.
fn one(answers: Vec<Value>) -> RedisResult<Value> {
    let none = || std::io::Error::other("no answer to a command");
    answers.into_iter().next().ok_or_else(none)?.extract_error()
}

fn is_lost(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
