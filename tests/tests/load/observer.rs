//! Somebody who takes the times of answers over sockets, in pairs with those of a first kind,
//! until it is decided which kinds can be told from that one.
//!
//! **Each request begins at a random moment of its own**, as those of clients do. Of two that
//! begin at one instant the service reads one after the other, so that the second has arrived
//! later by the work on the first: then the kind that costs more looks faster, since it is the
//! other one that waits. That is what two requests do to each other, and nothing that the time
//! of an answer tells of its request (docs/decisions/0012-answer-times.md).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use pennyblack_service::time_classifier::{Comparison, Decision};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::{JoinSet, spawn_blocking};

/// The requests of a round begin within this time. Hundreds of times what the work on one
/// takes: so seldom do the two of a pair meet.
const SPREAD: Duration = Duration::from_millis(50);

type Verify = dyn FnOnce(&[u8]) + Send;

/// A request, and what is asserted of the body of its answer.
pub(super) struct Asked {
    request: Vec<u8>,
    verify: Box<Verify>,
}

impl Asked {
    /// One whose answer is any of status 200.
    pub(super) fn of(request: Vec<u8>) -> Self {
        Self::verified(request, |_| ())
    }

    pub(super) fn verified(request: Vec<u8>, verify: impl FnOnce(&[u8]) + Send + 'static) -> Self {
        let verify = Box::new(verify);
        Self { request, verify }
    }
}

type Make = dyn Fn() -> BoxFuture<'static, Asked> + Send + Sync;

/// One kind of request.
#[derive(Clone)]
pub(super) struct Kind {
    name: String,
    make: Arc<Make>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Kind {
    pub(super) fn new(
        name: &str,
        make: impl Fn() -> BoxFuture<'static, Asked> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            make: Arc::new(make),
        }
    }
}

/// A kept connection of an observer.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    async fn open(service: SocketAddr) -> Self {
        let stream = TcpStream::connect(service).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// Microseconds from the request to the whole answer.
    async fn time(&mut self, asked: Asked) -> f64 {
        let begun = Instant::now();
        self.stream.write_all(&asked.request).await.unwrap();
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
        let time = begun.elapsed();
        (asked.verify)(&self.received[head..]);
        time.as_secs_f64() * 1e6
    }

    async fn receive(&mut self) {
        let read = self.stream.read_buf(&mut self.received).await.unwrap();
        assert!(read > 0, "the connection ended");
    }
}

/// A moment within [`SPREAD`], finer than the timer of the runtime: that has whole milliseconds
/// only, as the service's has, and the two would keep step.
async fn a_moment() {
    let wait = SPREAD.mul_f64(rand::random());
    let slept = spawn_blocking(move || std::thread::sleep(wait));
    slept.await.unwrap();
}

/// One request of each kind, each at a moment of its own and on its own connection. All are
/// made before the first one leaves.
async fn round(
    mut connections: Vec<Connection>,
    kinds: Vec<(usize, Kind)>,
) -> (Vec<Connection>, Vec<(usize, f64)>) {
    let asked = join_all(kinds.iter().map(|(_, kind)| (kind.make)())).await;
    let mut under_way = JoinSet::new();
    for ((at, _), asked) in kinds.into_iter().zip(asked) {
        let mut connection = connections.pop().unwrap();
        under_way.spawn(async move {
            a_moment().await;
            let time = connection.time(asked).await;
            (connection, (at, time))
        });
    }
    let ended = under_way.join_all().await.into_iter();
    let (used, times) = ended.unzip::<_, _, Vec<_>, Vec<_>>();
    connections.extend(used);
    (connections, times)
}

/// Asks all kinds, so many requests at one time, until each is decided upon: those that are
/// told from the first one.
pub(super) async fn told_apart(
    service: SocketAddr,
    kinds: Vec<Kind>,
    at_once: usize,
) -> Vec<String> {
    let mut comparisons = vec![Comparison::default(); kinds.len()];
    // The first one is in each round.
    let mut open: Vec<(usize, Kind)> = kinds.into_iter().enumerate().collect();
    let mut idle = Vec::new();
    for _ in 0..at_once {
        idle.push(Connection::open(service).await);
    }
    let (mut rounds, mut different) = (JoinSet::new(), Vec::new());
    while open.len() > 1 {
        while let Some(rest) = idle.len().checked_sub(open.len()) {
            rounds.spawn(round(idle.split_off(rest), open.clone()));
        }
        let (connections, times) = rounds.join_next().await.unwrap().unwrap();
        idle.extend(connections);
        let first = times.iter().find(|(at, _)| *at == 0).unwrap().1;
        open.retain(|(at, kind)| {
            let time = times.iter().find(|(of, _)| of == at && *at > 0);
            let decision = time.and_then(|(_, time)| comparisons[*at].push(first, *time));
            let Some(decision) = decision else {
                return true;
            };
            let finding = format!("{}: {decision}", kind.name);
            println!("{finding}");
            if let Decision::Different(_) = decision {
                different.push(finding);
            }
            false
        });
    }
    different
}

/// One thread for all requests; only the waits for their moments have others.
pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
