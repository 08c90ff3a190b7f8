//! Clients that hold a connection and give nothing for it, byte by byte. What is
//! asserted about them stands in `main`.

use std::fmt;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::http2::{frame, http2, ping, post, request};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

/// How often a slow client sends a little more.
const PACE: Duration = Duration::from_millis(400);

const NO_BODY: &[u8] = b"POST /v1/passports HTTP/1.1\r\nHost: cps\r\nContent-Length: 99\r\n\r\n";

/// After so long a connection counts as never closed.
const NEVER: Duration = Duration::from_secs(40);

/// Where all clients poll: an empty mailbox that nobody registered, which is as
/// much work as any, in pages of `slots`.
pub(crate) fn poll(slots: u32) -> String {
    format!("/v1/mailboxes/{}?slots={slots}", "A".repeat(43))
}

/// What a hostile client does after it has connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Nothing.
    SilentTcp,
    /// Begins a TLS record and says no more.
    SilentTls,
    /// Sends its first header section byte by byte, without end.
    DribbledHeader,
    /// Speaks HTTP/2, asks for nothing, and proves with PINGs that it is alive.
    IdleHttp2,
    /// Opens HTTP/2 streams and resets each at once, as fast as it can.
    RapidReset,
    /// Sends a header section without end, as fast as it can, in HTTP/1.1.
    HugeHeader,
    /// The same in CONTINUATION frames of HTTP/2.
    Continuations,
    /// Sends the head of a request over HTTP/1.1 and nothing of its body.
    NoBody,
    /// The same on many streams of HTTP/2.
    NoBodies,
    /// Asks over HTTP/2 with a window of zero, and reads nothing. What it gets is a
    /// refusal, so that it is not the work that delays others.
    ZeroWindow,
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SilentTcp => "silent TCP",
            Self::SilentTls => "silent TLS",
            Self::DribbledHeader => "dribbled header",
            Self::IdleHttp2 => "idle HTTP/2",
            Self::RapidReset => "rapid reset",
            Self::HugeHeader => "huge header",
            Self::Continuations => "endless CONTINUATION",
            Self::NoBody => "no body",
            Self::NoBodies => "no body, HTTP/2",
            Self::ZeroWindow => "zero window",
        })
    }
}

/// So many clients at once; how long the service kept each. They run on a thread
/// that stands back behind a healthy client's, which is on the same core.
///
/// # Panics
/// When it does not close one of them.
pub(crate) fn attack(behaviour: Behaviour, clients: usize, service: SocketAddr) -> Vec<Duration> {
    let attackers = thread::spawn(move || {
        rustix::process::nice(10).unwrap();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(all_attack(behaviour, clients, service))
    });
    attackers.join().expect("hostile clients that are closed")
}

async fn all_attack(behaviour: Behaviour, clients: usize, service: SocketAddr) -> Vec<Duration> {
    let mut attackers = JoinSet::new();
    for _ in 0..clients {
        attackers.spawn(async move {
            let mut stream = behaviour.connect(service).await;
            let began = Instant::now();
            let closed = timeout(NEVER, behaviour.until_closed(&mut stream)).await;
            assert!(closed.is_ok(), "{behaviour}: never closed");
            began.elapsed()
        });
    }
    attackers.join_all().await
}

impl Behaviour {
    async fn connect(self, service: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        if self == Self::ZeroWindow {
            // Small, so that it is soon full.
            socket.set_recv_buffer_size(4096).unwrap();
        }
        socket.connect(service).await.unwrap()
    }

    /// Returns when the service has closed the connection, in whichever way.
    async fn until_closed(self, stream: &mut TcpStream) {
        match self {
            Self::SilentTcp => discard(stream).await,
            Self::SilentTls => {
                let _ = stream.write_all(&[0x16, 0x03, 0x01]).await;
                discard(stream).await;
            }
            Self::DribbledHeader => insist(stream, b"GET / HTTP/1.1\r\nX: ", b"x").await,
            Self::IdleHttp2 => insist(stream, &http2(&[]), &ping()).await,
            Self::RapidReset => flood(stream, http2(&[]), opened_and_reset).await,
            Self::HugeHeader => {
                let begin = b"GET / HTTP/1.1\r\nX: ".to_vec();
                flood(stream, begin, |_| vec![b'x'; 8192]).await;
            }
            Self::Continuations => {
                let begin = [http2(&[]), frame(1, 0x1, 1, &endless_header())].concat();
                flood(stream, begin, |_| frame(9, 0, 1, &[b'x'; 8192])).await;
            }
            Self::NoBody => {
                let _ = stream.write_all(NO_BODY).await;
                discard(stream).await;
            }
            Self::NoBodies => {
                let posts = (0..20).map(|place| post(2 * place + 1, "/v1/passports"));
                let begin = [http2(&[]), posts.collect::<Vec<_>>().concat()].concat();
                insist(stream, &begin, &ping()).await;
            }
            Self::ZeroWindow => {
                let window_of_zero = [0, 4, 0, 0, 0, 0];
                let begin = [http2(&window_of_zero), request(1, "/"), request(3, "/")];
                repeat(stream, &begin.concat(), &ping()).await;
            }
        }
    }
}

/// Reads, and looks at nothing, until the other side closes.
async fn discard(mut stream: impl AsyncRead + Unpin) {
    let mut bytes = [0; 4096];
    while !matches!(stream.read(&mut bytes).await, Ok(0) | Err(_)) {}
}

/// Sends `begin`, and then `again` each [`PACE`], until the other side closes.
async fn insist(stream: &mut TcpStream, begin: &[u8], again: &[u8]) {
    let (reader, mut writer) = stream.split();
    tokio::select! {
        () = discard(reader) => {}
        () = repeat(&mut writer, begin, again) => {}
    }
}

/// The same without ever reading.
async fn repeat(writer: &mut (impl AsyncWrite + Unpin), begin: &[u8], again: &[u8]) {
    let mut sent = writer.write_all(begin).await;
    let mut pace = interval(PACE);
    while sent.is_ok() {
        pace.tick().await;
        sent = writer.write_all(again).await;
    }
}

/// Sends `begin`, and then without a pause what `more` makes of 0, 1, 2 and so on,
/// until the other side closes.
async fn flood(stream: &mut TcpStream, begin: Vec<u8>, more: impl Fn(u32) -> Vec<u8>) {
    let (reader, mut writer) = stream.split();
    let send = async {
        let mut sent = writer.write_all(&begin).await;
        for round in 0.. {
            if sent.is_err() {
                return;
            }
            sent = writer.write_all(&more(round)).await;
        }
    };
    tokio::select! {
        () = discard(reader) => {}
        () = send => {}
    }
}

/// A hundred requests, each reset at once (RST_STREAM, CANCEL).
fn opened_and_reset(round: u32) -> Vec<u8> {
    let path = poll(64);
    let streams = (100 * round..100 * (round + 1)).map(|place| 2 * place + 1);
    streams
        .flat_map(|stream| [request(stream, &path), frame(3, 0, stream, &[0, 0, 0, 8])].concat())
        .collect()
}

/// A header field `x` of many megabytes; its value is still to come.
fn endless_header() -> Vec<u8> {
    vec![
        0x82, 0x86, 0x84, 0x00, 1, b'x', 0x7f, 0xff, 0xff, 0xff, 0x7f,
    ]
}
