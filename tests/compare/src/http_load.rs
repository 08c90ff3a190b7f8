//! Sends prepared requests over kept-alive connections, as cheaply as can be, so
//! that the sender is never what is measured.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Connections that send at the same time, unless a row says otherwise.
pub const CONNECTIONS: usize = 64;

/// Where to send, and what must come back.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The service.
    pub address: SocketAddr,
    /// The status of every answer.
    pub expected: StatusCode,
}

/// The bytes of one HTTP/1.1 request.
#[must_use]
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        bytes.push_str(&format!("{name}: {value}\r\n"));
    }
    bytes.push_str("\r\n");
    [bytes.as_bytes(), body].concat()
}

/// Sends every request once, each connection the next as soon as it has its
/// answer. Returns how long each took.
pub async fn closed_loop(
    target: Target,
    connections: usize,
    requests: &[Vec<u8>],
) -> Vec<Duration> {
    let next = AtomicUsize::new(0);
    let sender = async || {
        let mut connection = Connection::open(target).await;
        let mut took = Vec::new();
        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
            took.push(connection.exchange(request).await);
        }
        took
    };
    all((0..connections).map(|_| sender())).await
}

/// Sends a request every `interval`, on the connections in turn. Returns how long
/// each took from the moment it was due: one that is held up holds up the next
/// ones, and that counts.
pub async fn paced(
    target: Target,
    requests: &[Vec<u8>],
    interval: Duration,
    connections: usize,
) -> Vec<Duration> {
    let beats = metronome(requests.len(), interval, connections);
    let sender = async |(first, mut beats): (usize, UnboundedReceiver<Instant>)| {
        let mut connection = Connection::open(target).await;
        let mut took = Vec::new();
        for request in requests.iter().skip(first).step_by(connections) {
            let Some(due) = beats.recv().await else { break };
            connection.exchange(request).await;
            took.push(due.elapsed());
        }
        took
    };
    all(beats.into_iter().enumerate().map(sender)).await
}

/// Tells each of `receivers` in turn that it is time, `beats` times in all, one every
/// `interval`. A thread of its own, since the runtime's timers are a millisecond
/// coarse, and who waits for the time in a loop takes a core from what is measured.
fn metronome(
    beats: usize,
    interval: Duration,
    receivers: usize,
) -> Vec<UnboundedReceiver<Instant>> {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..receivers).map(|_| unbounded_channel()).unzip();
    thread::spawn(move || {
        let start = Instant::now();
        for (beat, sender) in (0..beats).zip(senders.iter().cycle()) {
            let due = start + interval * u32::try_from(beat).unwrap();
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if sender.send(due).is_err() {
                return;
            }
        }
    });
    receivers
}

async fn all(senders: impl Iterator<Item = impl Future<Output = Vec<Duration>>>) -> Vec<Duration> {
    futures_util::future::join_all(senders).await.concat()
}

/// Opens `count` connections that have had an answer to `request`, and are kept
/// alive without another one.
pub async fn idle(target: Target, count: usize, request: &[u8]) -> Vec<Idle> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = Connection::open(target).await;
        connection.exchange(request).await;
        connection.buffer = Vec::new();
        connections.push(Idle(connection));
    }
    connections
}

/// A connection that is open and idle until it is dropped.
pub struct Idle(Connection);

impl Idle {
    /// Sends a request: it was not closed meanwhile.
    ///
    /// # Panics
    /// When it was.
    pub async fn exchange(&mut self, request: &[u8]) {
        self.0.exchange(request).await;
    }
}

struct Connection {
    stream: TcpStream,
    expected: StatusCode,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(target: Target) -> Self {
        let stream = TcpStream::connect(target.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            expected: target.expected,
            buffer: Vec::with_capacity(256 * 1024),
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> Duration {
        let start = Instant::now();
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        while !self.is_whole() {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the service closed the connection");
        }
        start.elapsed()
    }

    /// Whether the answer is there with its whole body.
    fn is_whole(&self) -> bool {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut answer = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = answer.parse(&self.buffer).unwrap() else {
            return false;
        };
        let body = length(answer.headers);
        if self.buffer.len() < head + body {
            return false;
        }
        let text = String::from_utf8_lossy(&self.buffer[head..]);
        assert_eq!(answer.code, Some(self.expected.as_u16()), "{text}");
        true
    }
}

fn length(headers: &[httparse::Header<'_>]) -> usize {
    let length = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"));
    length.map_or(0, |header| {
        std::str::from_utf8(header.value).unwrap().parse().unwrap()
    })
}
