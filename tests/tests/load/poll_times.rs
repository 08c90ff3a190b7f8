//! Section 4: what the time of an answer tells a stranger who polls over sockets. Each
//! poll is in a pair with one of a mailbox that does not exist.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_service::time_classifier::{Decision, Pairs};
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::world::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::alone;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
/// Polls under way at one time.
const AT_ONCE: usize = 48;
/// Entries of a mailbox whose page is full.
const MANY: usize = 40;

/// One kind of poll: its name and its path.
#[derive(Debug, Clone)]
struct Kind {
    name: String,
    path: String,
}

fn kind(name: &str, mailbox: MailboxId, after: u64) -> Kind {
    Kind {
        name: name.to_owned(),
        path: format!("/v1/mailboxes/{mailbox}?slots=16&after={after}"),
    }
}

/// A kept connection of an observer.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    async fn open(cps: SocketAddr) -> Self {
        let stream = TcpStream::connect(cps).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// Microseconds from the request to the whole answer.
    async fn time(&mut self, path: &str) -> f64 {
        let request = format!("GET {path} HTTP/1.1\r\nhost: cps\r\n\r\n");
        let begun = Instant::now();
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.received.clear();
        let head = loop {
            self.receive().await;
            let end = self.received.windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
        };
        let text = String::from_utf8(self.received[..head].to_vec()).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        let (_, length) = text.split_once("content-length: ").unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        while self.received.len() < head + length {
            self.receive().await;
        }
        begun.elapsed().as_secs_f64() * 1e6
    }

    async fn receive(&mut self) {
        let read = self.stream.read_buf(&mut self.received).await.unwrap();
        assert!(read > 0, "the connection ended");
    }
}

/// One poll of each kind, one begun after the other in random order, each on its own
/// connection.
async fn round(mut connections: Vec<Connection>, kinds: Vec<Kind>) -> (Vec<Connection>, Vec<f64>) {
    let mut polls = JoinSet::new();
    let mut order: Vec<usize> = (0..kinds.len()).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, rand::random_range(0..=last));
    }
    for at in order {
        let (mut connection, path) = (connections.pop().unwrap(), kinds[at].path.clone());
        polls.spawn(async move {
            let time = connection.time(&path).await;
            (connection, at, time)
        });
    }
    let mut times = vec![0.0; kinds.len()];
    for (connection, at, time) in polls.join_all().await {
        connections.push(connection);
        times[at] = time;
    }
    (connections, times)
}

/// Polls all kinds until each is decided upon: those that are told from the first one.
/// The second is as the first.
async fn told_apart(cps: SocketAddr, kinds: Vec<Kind>) -> Vec<String> {
    let mut pairs = vec![Pairs::default(); kinds.len()];
    let mut open: Vec<usize> = (1..kinds.len()).collect();
    let mut different = Vec::new();
    let mut rounds = JoinSet::new();
    for _ in 0..AT_ONCE / kinds.len() {
        let mut connections = Vec::new();
        for _ in &kinds {
            connections.push(Connection::open(cps).await);
        }
        rounds.spawn(round(connections, kinds.clone()));
    }
    while let Some(ended) = rounds.join_next().await {
        let (connections, times) = ended.unwrap();
        for at in 1..kinds.len() {
            pairs[at].push(times[0], times[at]);
        }
        open.retain(|at| {
            let control = &pairs[1];
            if !pairs[*at].is_due() || pairs[*at].decision(control) == Decision::Open {
                return true;
            }
            let finding = format!("{}: {}", kinds[*at].name, pairs[*at].finding(control));
            println!("{finding}");
            if pairs[*at].decision(control) == Decision::Different {
                different.push(finding);
            }
            false
        });
        if open.is_empty() {
            return different;
        }
        rounds.spawn(round(connections, kinds.clone()));
    }
    different
}

/// Polls a CPS over this store, if it is not its own.
async fn polled(store: Option<RedisOptions>) -> Vec<String> {
    let mut world = World::new(Clock::system());
    world.cps.store = store;
    world.cps.entries.lifetime = Duration::from_secs(60);
    let issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let cps = Process::start(SERVICE, Role::Cps, &world).await;
    let tokens = world.draw(MANY + 1).await;
    let [empty, one, many] = [
        world.nth_mailbox(0).await,
        world.nth_mailbox(16).await,
        world.nth_mailbox(32).await,
    ];
    let unknown = MailboxId(rand::random());
    let kinds = vec![
        kind("unknown", unknown, 0),
        kind("another unknown", MailboxId(rand::random()), 0),
        kind("empty", empty.id(), 0),
        kind("one entry, from the start", one.id(), 0),
        kind("one entry, from the end", one.id(), u64::MAX),
        kind("many entries, from the start", many.id(), 0),
        kind("many entries, from the end", many.id(), u64::MAX),
    ];
    // Stored last: entries live for a minute.
    for (number, token) in tokens.iter().enumerate() {
        let mailbox = if number == 0 { &one } else { &many };
        let request = world.spend(token, mailbox, "a.b.c");
        world.store(&request).await.unwrap().assert_created();
    }
    let address = world.cps_name().as_str().parse().unwrap();
    let different = told_apart(address, kinds).await;
    cps.kill();
    issuer.kill();
    different
}

fn runtime() -> Runtime {
    // One thread, so that the polls of a pair share what other programs do to it.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn a_poller_does_not_tell_by_time_whether_there_is_a_mailbox_or_a_call() {
    let _alone = alone();
    let different = runtime().block_on(polled(None));
    assert!(different.is_empty(), "{different:#?}");
}

#[test]
fn nor_where_entries_are_in_redis() {
    let _alone = alone();
    let different = runtime().block_on(async {
        let options = Options::durable().with("hash-max-listpack-value", "128");
        let server = RedisServer::start(options).await;
        let url = server.url().parse().unwrap();
        polled(Some(RedisOptions::new(url))).await
    });
    assert!(different.is_empty(), "{different:#?}");
}
