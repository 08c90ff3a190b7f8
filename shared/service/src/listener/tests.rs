//! Slow, silent and greedy clients on real sockets: each is closed, and by the
//! limit that is meant for it.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

mod known_clients;
mod lasting;
mod places;
mod stopping;
mod tls;

/// The limit under test.
const SHORT: Duration = Duration::from_millis(150);
/// Every other limit, and the longest that a test waits.
const LONG: Duration = Duration::from_secs(20);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn patient() -> Limits {
    Limits {
        handshake: LONG,
        first_request: LONG,
        body_read: LONG,
        exchange: LONG,
        idle: LONG,
        keep_alive: LONG,
        drain: LONG,
        ..Limits::default()
    }
}

struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    /// What reads its certificate again.
    files: Option<Arc<dyn Reread>>,
    task: JoinHandle<()>,
}

async fn start(limits: Limits, router: Router) -> Running {
    run(
        PublicConfig {
            limits,
            ..PublicConfig::plain(loopback())
        },
        router,
    )
    .await
}

async fn run(config: PublicConfig, router: Router) -> Running {
    let listener = Listener::bind_public(&config).await.unwrap();
    let (address, files) = (listener.address(), listener.files());
    let shutdown = Shutdown::new();
    let task = tokio::spawn(listener.serve(router, shutdown.clone()));
    Running {
        address,
        shutdown,
        files,
        task,
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.address).await.unwrap()
}

/// Reads until the other side closes, in whichever way.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match timeout(LONG, stream.read_to_end(&mut all))
        .await
        .expect("never closed")
    {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => all,
    }
}

/// Sends one request on a kept-alive connection and reads its answer.
async fn one_exchange(stream: &mut TcpStream) {
    stream.write_all(REQUEST).await.unwrap();
    read_hello(stream).await;
}

async fn read_hello(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        assert_ne!(
            stream.read_buf(&mut answer).await.unwrap(),
            0,
            "closed too early"
        );
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_is_closed() {
    let running = start(
        Limits {
            first_request: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    let began = Instant::now();
    let mut stream = connect(&running).await;
    assert_eq!(until_closed(&mut stream).await, b"");
    assert!(began.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_client_that_dribbles_its_header_is_closed() {
    for start_of_header in [&b"GET / HTTP/1.1\r\nX: "[..], b"PRI * HTTP/2.0\r\n"] {
        let running = start(
            Limits {
                first_request: SHORT,
                ..patient()
            },
            hello(),
        )
        .await;
        let mut stream = connect(&running).await;
        stream.write_all(start_of_header).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let dribble = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(10));
            let give_up = Instant::now() + LONG;
            while Instant::now() < give_up {
                pace.tick().await;
                if writer.write_all(b"\r").await.is_err() {
                    return;
                }
            }
        });
        let mut rest = Vec::new();
        let _ = timeout(LONG, reader.read_to_end(&mut rest))
            .await
            .expect("never closed");
        dribble.abort();
    }
}

#[tokio::test]
async fn an_idle_kept_alive_connection_is_closed() {
    let running = start(
        Limits {
            idle: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    let mut stream = connect(&running).await;
    one_exchange(&mut stream).await;
    assert_eq!(until_closed(&mut stream).await, b"");
}

#[tokio::test]
async fn a_connection_in_use_outlives_the_idle_limit() {
    let running = start(
        Limits {
            idle: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    let began = Instant::now();
    let mut stream = connect(&running).await;
    while began.elapsed() < SHORT * 3 {
        one_exchange(&mut stream).await;
    }
}

#[tokio::test]
async fn an_http2_connection_without_requests_is_closed() {
    let running = start(
        Limits {
            first_request: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    let mut stream = connect(&running).await;
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    stream
        .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    until_closed(&mut stream).await;
}

#[tokio::test]
async fn when_every_place_has_a_request_open_a_further_connection_is_closed_at_once() {
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (begun, release) = (Arc::clone(&begun), Arc::clone(&release));
        get(|| async move {
            begun.notify_one();
            release.notified().await;
            "hello"
        })
    };
    let running = start(
        Limits {
            connections: 1,
            ..patient()
        },
        Router::new().route("/", slow),
    )
    .await;
    let mut first = connect(&running).await;
    first.write_all(REQUEST).await.unwrap();
    begun.notified().await;
    let mut second = connect(&running).await;
    assert_eq!(until_closed(&mut second).await, b"");
    release.notify_one();
    read_hello(&mut first).await;

    // Answered, it has no request open, and gives way.
    let mut third = connect(&running).await;
    release.notify_one();
    one_exchange(&mut third).await;
    assert_eq!(until_closed(&mut first).await, b"");
}

#[tokio::test]
async fn silent_clients_on_every_place_give_way_to_one_that_asks() {
    let running = start(
        Limits {
            connections: 3,
            ..patient()
        },
        hello(),
    )
    .await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(connect(&running).await);
    }
    let mut served = Vec::new();
    for _ in 0..6 {
        let mut asking = connect(&running).await;
        one_exchange(&mut asking).await;
        served.push(asking);
    }
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_closed() {
    let endless = get(|| async {
        let chunk = bytes::Bytes::from_static(&[b'x'; 16 * 1024]);
        Body::new(Endless(chunk))
    });
    let running = start(
        Limits {
            exchange: SHORT,
            ..patient()
        },
        Router::new().route("/", endless),
    )
    .await;
    let mut stream = connect(&running).await;
    stream.write_all(REQUEST).await.unwrap();
    // An endless answer ends only because the connection is closed.
    until_closed(&mut stream).await;
}

/// A body that never ends.
struct Endless(bytes::Bytes);

impl hyper::body::Body for Endless {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(self.0.clone()))))
    }
}

#[tokio::test]
async fn a_header_section_too_large_is_refused() {
    let running = start(
        Limits {
            header_bytes: 8192,
            ..patient()
        },
        hello(),
    )
    .await;
    let mut stream = connect(&running).await;
    stream.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let sender =
        tokio::spawn(async move { while writer.write_all(&[b'x'; 4096]).await.is_ok() {} });
    let mut answer = Vec::new();
    let _ = timeout(LONG, reader.read_to_end(&mut answer))
        .await
        .expect("never closed");
    sender.abort();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"));
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_answered_408() {
    let router = Router::new().route("/", post(|| async { "read" }));
    let running = start(
        Limits {
            body_read: SHORT,
            ..patient()
        },
        router,
    )
    .await;
    let mut stream = connect(&running).await;
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
        .await
        .unwrap();
    let answer = String::from_utf8(until_closed(&mut stream).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("request-timeout"), "{answer}");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let running = start(patient(), hello()).await;
    let config = PublicConfig::plain(running.address);
    let said = Listener::bind_public(&config)
        .await
        .unwrap_err()
        .to_string();
    assert!(said.contains(&running.address.to_string()), "{said}");
}

#[tokio::test]
async fn only_a_listener_that_shows_clients_tells_handlers_where_a_request_comes_from() {
    for shows in [false, true] {
        let config = PublicConfig::plain(loopback());
        let listener = Listener::bind_public(&config).await.unwrap();
        let listener = match shows {
            true => listener.showing_clients(),
            false => listener,
        };
        let (address, shutdown) = (listener.address(), Shutdown::new());
        let router = Router::new().fallback(|request: axum::extract::Request| async move {
            let client = request.extensions().get::<ClientAddress>();
            client.map_or_else(String::new, |client| client.0.to_string())
        });
        let serving = tokio::spawn(listener.serve(router, shutdown.clone()));
        let answer = reqwest::get(format!("http://{address}/")).await.unwrap();
        let shown = answer.text().await.unwrap();
        assert_eq!(shown, if shows { "127.0.0.1" } else { "" });
        shutdown.trigger();
        serving.await.unwrap();
    }
}
