//! Clients that want a service to hold much for them. They go on until they are stopped,
//! and connect again when they are closed.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::hostile::poll;
use super::http2::{frame, head, http2, post, request};

/// Streams of one connection, under the 64 that a service allows.
const STREAMS: u32 = 62;

/// How often a client takes a byte.
const PACE: Duration = Duration::from_millis(500);

/// How many times that until it sends more.
const TURN: u32 = 8;

/// What a greedy client does after it has connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greed {
    /// Polls the largest pages over HTTP/2 with a window of zero.
    ZeroWindow,
    /// The same with a window of one byte: a piece of each answer leaves.
    WindowOfOne,
    /// Polls the largest page over HTTP/1.1 and takes a byte at a time.
    SlowReader,
    /// Sends most of many bodies over HTTP/2.
    SlowBodies,
    /// Sends large header sections, each in a few bytes, for bodies that do not come.
    LargeHeads,
    /// Polls the largest pages and resets each stream at once.
    Resets,
    /// Puts paths into the table of header fields, each from a large frame, and stays.
    IndexedPaths,
    /// Sends bodies with many small trailers.
    Trailers,
}

impl Greed {
    pub(crate) const ALL: [Self; 8] = [
        Self::IndexedPaths,
        Self::Trailers,
        Self::SlowBodies,
        Self::LargeHeads,
        Self::Resets,
        Self::ZeroWindow,
        Self::WindowOfOne,
        Self::SlowReader,
    ];

    /// Whether it makes the service hold what `limits.held_bytes` counts.
    pub(crate) const fn is_counted(self) -> bool {
        !matches!(self, Self::IndexedPaths | Self::Trailers)
    }

    /// How many clients, of so many, do it.
    pub(crate) fn clients(self, of: usize) -> usize {
        match self {
            // Each sends 2 MB: the service has to be able to take them.
            Self::IndexedPaths => of / 10,
            _ => of,
        }
    }

    /// What it sends first, and what it sends at its `round`-th turn after that.
    fn sends(self, round: u32) -> Vec<u8> {
        let streams = (STREAMS * round..STREAMS * (round + 1)).map(|place| 2 * place + 1);
        let (largest, store) = (poll(256), "/v1/passports");
        let each = |one: &dyn Fn(u32) -> Vec<u8>| streams.flat_map(one).collect::<Vec<_>>();
        let begin = |settings: &[u8]| {
            if round == 0 {
                http2(settings)
            } else {
                Vec::new()
            }
        };
        match self {
            Self::ZeroWindow => [
                begin(&[0, 4, 0, 0, 0, 0]),
                each(&|one| request(one, &largest)),
            ]
            .concat(),
            Self::WindowOfOne => [
                begin(&[0, 4, 0, 0, 0, 1]),
                each(&|one| request(one, &largest)),
            ]
            .concat(),
            Self::SlowReader if round == 0 => {
                format!("GET {largest} HTTP/1.1\r\nHost: cps\r\n\r\n").into()
            }
            Self::SlowReader => Vec::new(),
            Self::SlowBodies => {
                let heads = each(&|one| post(one, store));
                // As much as the window of a connection takes.
                let first = 2 * STREAMS * round + 1;
                let parts = (0..4).map(|place| first + 2 * place);
                let bodies = parts.flat_map(|one| frame(0, 0, one, &[b'x'; 16_000]));
                [begin(&[]), heads, bodies.collect()].concat()
            }
            Self::LargeHeads => [
                begin(&[]),
                each(&|one| frame(1, 0x4, one, &large_head(one))),
            ]
            .concat(),
            Self::Resets => {
                let reset =
                    |one| [request(one, &largest), frame(3, 0, one, &[0, 0, 0, 8])].concat();
                [begin(&[]), each(&reset)].concat()
            }
            Self::IndexedPaths => {
                [begin(&[]), each(&|one| frame(1, 0x5, one, &indexed_path()))].concat()
            }
            Self::Trailers => {
                let store = |one| {
                    [
                        post(one, store),
                        frame(0, 0, one, b"x"),
                        frame(1, 0x5, one, &small_fields()),
                    ]
                    .concat()
                };
                [begin(&[]), each(&store)].concat()
            }
        }
    }
}

impl fmt::Display for Greed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroWindow => "large polls, zero window",
            Self::WindowOfOne => "large polls, window of one",
            Self::SlowReader => "large polls, a byte at a time",
            Self::SlowBodies => "most of many bodies",
            Self::LargeHeads => "large heads in few bytes",
            Self::Resets => "large polls, reset at once",
            Self::IndexedPaths => "indexed paths in large frames",
            Self::Trailers => "small trailers",
        })
    }
}

/// A header section of 37 kB: the first of a connection puts a field of 4 kB into the
/// table (RFC 7541 section 2.3.2), and all name it nine times.
fn large_head(stream: u32) -> Vec<u8> {
    let mut block = head(0x83, "/v1/passports");
    if stream == 1 {
        block.extend([0x40, 1, b'x', 0x7f]);
        // 4,000 less 127, in groups of seven bits (RFC 7541 section 5.1).
        block.extend([0xa1, 0x1e]);
        block.extend([b'y'; 4_000]);
    }
    block.extend([0x80 | 62; 9]);
    block
}

/// A header section of which four bytes are for the table (RFC 7541 section 6.2.1): a
/// path. A frame can hardly be larger.
fn indexed_path() -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x44, 1, b'/', 0, 1, b'x', 0x7f];
    // 16,300 less 127.
    block.extend([0xad, 0x7e]);
    block.extend([b'y'; 16_300]);
    block
}

/// Some 400 fields without values: 5 bytes each as they are sent.
fn small_fields() -> Vec<u8> {
    let letters = b'a'..=b't';
    let names = letters.flat_map(|first| (b'0'..=b'9').map(move |second| [first, second]));
    names
        .flat_map(|[first, second]| [0, 2, first, second, 0])
        .collect()
}

/// Greedy clients at work.
pub(crate) struct Attack {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Attack {
    /// So many at once, on a thread that stands back behind a healthy client's.
    pub(crate) fn begin(greed: Greed, clients: usize, service: SocketAddr) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let enough = Arc::clone(&enough);
            move || {
                rustix::process::nice(10).unwrap();
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_all().build().unwrap();
                runtime.block_on(all(greed, clients, service, enough));
            }
        });
        Self { enough, thread }
    }

    pub(crate) fn end(self) {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.join().expect("greedy clients");
    }
}

async fn all(greed: Greed, clients: usize, service: SocketAddr, enough: Arc<AtomicBool>) {
    let mut attackers = JoinSet::new();
    for _ in 0..clients {
        let enough = Arc::clone(&enough);
        attackers.spawn(async move {
            while !enough.load(Ordering::Relaxed) {
                if let Ok(stream) = connect(service).await {
                    attack(greed, stream, &enough).await;
                }
                sleep(PACE).await;
            }
        });
    }
    attackers.join_all().await;
}

async fn connect(service: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // Small, so that it is soon full.
    socket.set_recv_buffer_size(4096)?;
    socket.connect(service).await
}

/// Until the service closes the connection, or it is enough.
async fn attack(greed: Greed, mut stream: TcpStream, enough: &AtomicBool) {
    for turn in 0.. {
        let more = turn % TURN == 0;
        if more && send(&mut stream, &greed.sends(turn / TURN)).await.is_err() {
            return;
        }
        sleep(PACE).await;
        let enough = enough.load(Ordering::Relaxed);
        if enough || greed == Greed::SlowReader && stream.read_u8().await.is_err() {
            return;
        }
    }
}

/// A service that no longer reads has closed, or will: it is not waited for.
async fn send(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    tokio::time::timeout(4 * PACE, stream.write_all(bytes)).await?
}
