//! Clients that hold a connection and give nothing for it, byte by byte. What is
//! asserted about them stands in `main`.

use std::fmt;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

/// How often a slow client sends a little more.
const PACE: Duration = Duration::from_millis(400);

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

/// The beginning of an HTTP/2 connection (RFC 9113 section 3.4).
fn http2(settings: &[u8]) -> Vec<u8> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    [preface, frame(4, 0, 0, settings)].concat()
}

/// A frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn ping() -> Vec<u8> {
    frame(6, 0, 0, &[0; 8])
}

/// `GET`: HEADERS with END_STREAM and END_HEADERS.
fn request(stream: u32, path: &str) -> Vec<u8> {
    // RFC 7541: the method and the scheme are indexed, authority and path literal.
    let mut block = vec![0x82, 0x86, 0x01, 3];
    block.extend(b"cps");
    block.extend([0x04, u8::try_from(path.len()).unwrap()]);
    block.extend(path.bytes());
    frame(1, 0x5, stream, &block)
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
