//! One `redis-server` process, which can be killed, paused and started again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisError};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::port::free_port;
use super::wait::until;

/// Longest wait for a start, with all of the data to load.
const START: Duration = Duration::from_secs(30);
/// Longest wait for the answer to one command.
const ANSWER: Duration = Duration::from_secs(10);
/// How often a start is tried when somebody else took the port.
const TRIES: usize = 5;

/// How a server is started: settings of `redis.conf`; a later one overrides.
#[derive(Debug, Clone)]
pub struct Options {
    settings: Vec<(String, String)>,
}

impl Default for Options {
    /// [`Self::durable`].
    fn default() -> Self {
        Self::durable()
    }
}

impl Options {
    /// An append-only file, synced before every answer; memory that never evicts.
    #[must_use]
    pub fn durable() -> Self {
        Self::in_memory()
            .with("appendonly", "yes")
            .with("appendfsync", "always")
    }

    /// Nothing on the disk: what it holds ends with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        let settings = Vec::new();
        Self { settings }
            .with("bind", "127.0.0.1")
            .with("save", "")
            .with("appendonly", "no")
            .with("maxmemory-policy", "noeviction")
            .with("enable-debug-command", "yes")
            .with("repl-diskless-sync-delay", "0")
    }

    /// With one more setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Everything a server had on its disk at one instant.
#[derive(Debug)]
pub struct Backup(TempDir);

/// A running server, unless it was killed. Killed when it is dropped.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    state: State,
    options: Options,
    ports: Ports,
    home: TempDir,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Paused,
    Dead,
}

/// For clients, and for the other nodes of a cluster.
#[derive(Debug, Clone, Copy)]
struct Ports {
    clients: u16,
    bus: u16,
}

impl RedisServer {
    /// Starts one on a free port and waits until it answers.
    ///
    /// # Panics
    /// When there is no `redis-server`, or it does not start.
    pub async fn start(options: Options) -> Self {
        for _ in 0..TRIES {
            let home = tempfile::tempdir().unwrap();
            let ports = Ports {
                clients: free_port(),
                bus: free_port(),
            };
            let mut server = Self {
                child: spawn(&options, ports, home.path()),
                state: State::Running,
                options: options.clone(),
                ports,
                home,
            };
            if server.until_it_answers().await {
                return server;
            }
        }
        panic!("redis-server found its port taken, {TRIES} times");
    }

    /// `redis://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.clients).into()
    }

    /// The port where it hears other nodes of a cluster.
    #[must_use]
    pub const fn bus_port(&self) -> u16 {
        self.ports.bus
    }

    /// Whether it was neither killed nor paused.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// A connection of its own, for whatever a test wants to see or do.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER));
        let client = Client::open(self.url())?;
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// Sends one command, its words separated by single spaces.
    ///
    /// # Errors
    /// What the server says, or that it does not answer.
    pub async fn try_command<T: FromRedisValue>(&self, words: &str) -> Result<T, RedisError> {
        let mut connection = self.connect().await?;
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().unwrap_or_default());
        for word in words {
            command.arg(word);
        }
        command.query_async(&mut connection).await
    }

    /// Sends one command, its words separated by single spaces.
    ///
    /// # Panics
    /// When the server refuses it or does not answer.
    pub async fn command<T: FromRedisValue>(&self, words: &str) -> T {
        let answer = self.try_command(words).await;
        answer.unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    /// `CONFIG SET`, on the running server only.
    pub async fn set_config(&self, name: &str, value: &str) {
        let mut connection = self.connect().await.unwrap();
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg(name).arg(value);
        let set: Result<(), _> = command.query_async(&mut connection).await;
        set.unwrap_or_else(|error| panic!("CONFIG SET {name} {value:?}: {error}"));
    }

    /// Lets clients and the other nodes of its cluster know it at `port`, where a proxy
    /// leads to it; after a restart too.
    pub async fn announce(&mut self, port: u16) {
        let (name, port) = ("cluster-announce-port", port.to_string());
        self.set_config(name, &port).await;
        self.options = self.options.clone().with(name, &port);
    }

    /// The fields of a section of `INFO`.
    pub async fn info(&self, section: &str) -> HashMap<String, String> {
        fields(&self.command::<String>(&format!("INFO {section}")).await)
    }

    /// How many bytes it holds now. As `maxmemory` it is a memory that is full.
    pub async fn used_memory(&self) -> u64 {
        self.info("memory").await["used_memory"].parse().unwrap()
    }

    /// Ends it at this instant (SIGKILL).
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.state = State::Dead;
    }

    /// Hangs it (SIGSTOP): connections stay, nothing is answered.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP, State::Paused);
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&mut self) {
        self.signal(Signal::CONT, State::Running);
    }

    /// Starts it again on the same port with what its disk holds, after ending it
    /// (SIGKILL) if it runs.
    pub async fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.options, self.ports, self.home.path());
        self.state = State::Running;
        assert!(
            self.until_it_answers().await,
            "somebody else took port {}",
            self.ports.clients
        );
    }

    /// A copy of its disk, to be restored later.
    #[must_use]
    pub fn back_up(&self) -> Backup {
        let copy = tempfile::tempdir().unwrap();
        copy_all(&self.home.path().join(DATA), copy.path()).unwrap();
        Backup(copy)
    }

    /// Starts it again with what its disk held when it was backed up.
    pub async fn restore(&mut self, backup: &Backup) {
        self.kill();
        let data = self.home.path().join(DATA);
        fs::remove_dir_all(&data).unwrap();
        fs::create_dir(&data).unwrap();
        copy_all(backup.0.path(), &data).unwrap();
        self.restart().await;
    }

    /// What it said.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(log_path(self.home.path())).unwrap_or_default()
    }

    /// Waits until it answers; whether it does, or found its port taken.
    async fn until_it_answers(&mut self) -> bool {
        until("redis-server to answer", START, async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                let log = self.log();
                assert!(
                    log.contains("Address already in use"),
                    "redis-server ended at its start, {status}: {log}"
                );
                return Some(false);
            }
            let directory: Vec<String> = self.try_command("CONFIG GET dir").await.ok()?;
            // Else a server of somebody else answers, and ours is about to end.
            let ours = self.home.path().join(DATA).canonicalize().unwrap();
            assert_eq!(directory.last().map(Path::new), Some(&*ours));
            self.try_command::<String>("PING").await.ok().map(|_| true)
        })
        .await
    }

    fn signal(&mut self, signal: Signal, state: State) {
        assert_ne!(self.state, State::Dead, "a dead process takes no signal");
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.state = state;
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `name:value` lines, as `INFO` and `CLUSTER INFO` answer.
pub(super) fn fields(text: &str) -> HashMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Where the data is, beside the log.
const DATA: &str = "data";

fn log_path(home: &Path) -> PathBuf {
    home.join("log")
}

fn spawn(options: &Options, ports: Ports, home: &Path) -> Child {
    let data = home.join(DATA);
    fs::create_dir_all(&data).unwrap();
    let log = File::create(log_path(home)).unwrap();
    let mut command = Command::new("redis-server");
    command.arg("--port").arg(ports.clients.to_string());
    command.arg("--cluster-port").arg(ports.bus.to_string());
    command.arg("--dir").arg(data);
    for (name, value) in &options.settings {
        command.arg(format!("--{name}")).arg(value);
    }
    let errors = log.try_clone().unwrap();
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => panic!(
            "there is no redis-server on the PATH: install Redis 7 \
             (Debian and Ubuntu: sudo apt-get install redis-server)"
        ),
        Err(error) => panic!("redis-server does not start: {error}"),
    }
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&copy)?;
            copy_all(&entry.path(), &copy)?;
        } else {
            fs::copy(entry.path(), copy)?;
        }
    }
    Ok(())
}
