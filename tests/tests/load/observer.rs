//! Somebody who takes the times of answers over sockets, in pairs with those of a first kind,
//! until it is decided which kinds can be told from that one.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{BoxFuture, join_all};
use pennyblack_service::time_classifier::{Decision, Pairs};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

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

/// One request of each kind, one begun after the other in random order, each on its own
/// connection. All are made before the first one leaves.
async fn round(mut connections: Vec<Connection>, kinds: Vec<Kind>) -> (Vec<Connection>, Vec<f64>) {
    let mut requests: Vec<_> = join_all(kinds.iter().map(|kind| (kind.make)()))
        .await
        .into_iter()
        .enumerate()
        .collect();
    for last in (1..requests.len()).rev() {
        requests.swap(last, rand::random_range(0..=last));
    }
    let mut under_way = JoinSet::new();
    for (at, asked) in requests {
        let mut connection = connections.pop().unwrap();
        under_way.spawn(async move {
            let time = connection.time(asked).await;
            (connection, at, time)
        });
    }
    let mut times = vec![0.0; kinds.len()];
    for (connection, at, time) in under_way.join_all().await {
        connections.push(connection);
        times[at] = time;
    }
    (connections, times)
}

/// Asks all kinds, so many requests at one time, until each is decided upon: those that are
/// told from the first one. The second is as the first.
pub(super) async fn told_apart(
    service: SocketAddr,
    kinds: Vec<Kind>,
    at_once: usize,
) -> Vec<String> {
    let mut pairs = vec![Pairs::default(); kinds.len()];
    let mut open: Vec<usize> = (1..kinds.len()).collect();
    let mut different = Vec::new();
    let mut rounds = JoinSet::new();
    for _ in 0..at_once / kinds.len() {
        let mut connections = Vec::new();
        for _ in &kinds {
            connections.push(Connection::open(service).await);
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

/// One thread, so that the requests of a pair share what other programs do to it.
pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
