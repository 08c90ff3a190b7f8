//! Clients that hold what they have been given: bodies half sent, answers not
//! taken. Others are served meanwhile, and memory stays bounded.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use pennyblack_runtime::config::{AdminConfig, Limits, PublicConfig};
use pennyblack_service::admin::{Metrics, Readiness};
use pennyblack_service::server::{RunningServer, Server, ShutdownStages};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub(super) struct Scene {
    server: RunningServer,
}

impl Scene {
    pub(super) async fn open(router: Router, limits: Limits) -> Self {
        let mut public = PublicConfig::plain("127.0.0.1:0".parse().unwrap());
        public.limits = limits;
        let server = Server::bind(&public, &AdminConfig::default()).await;
        let metrics = Metrics::of_this_process().unwrap();
        let server = server.unwrap().start(
            router,
            Router::new(),
            metrics,
            Readiness::new(),
            ShutdownStages::default(),
        );
        Self { server }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        let address = self.server.addresses().public;
        TcpStream::connect(address).await.unwrap()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.addresses().public)
    }
}

pub(super) fn router() -> Router {
    Router::new().route(
        "/length",
        post(|body: Bytes| async move { body.len().to_string() }),
    )
}

/// A client that speaks HTTP/2 by hand, frame by frame.
pub(super) async fn http2(scene: &Scene, settings: &[u8], frames: &[Vec<u8>]) -> TcpStream {
    let mut stream = scene.connect().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let begin = [preface, frame(4, 0, 0, settings), frames.concat()].concat();
    stream.write_all(&begin).await.unwrap();
    stream
}

/// A frame (RFC 9113 section 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [head.as_slice(), payload].concat()
}

/// HEADERS: the method by its index (RFC 7541 appendix A), and a literal path.
pub(super) fn headers(method: u8, path: &str, flags: u8, stream: u32) -> Vec<u8> {
    let mut block = vec![method, 0x86, 0x01, 1, b'a', 0x04];
    block.push(u8::try_from(path.len()).unwrap());
    block.extend(path.bytes());
    frame(1, flags, stream, &block)
}

pub(super) const GET: u8 = 0x82;
pub(super) const POST: u8 = 0x83;
pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;

/// `GET` of many large answers, for which there is a window of so many bytes.
async fn asks_and_takes(scene: &Scene, window: u32, streams: u32) -> TcpStream {
    let setting = [&[0, 4], window.to_be_bytes().as_slice()].concat();
    let numbers = (0..streams).map(|place| 2 * place + 1);
    let frames: Vec<_> = numbers
        .map(|number| headers(GET, "/large", END_STREAM | END_HEADERS, number))
        .collect();
    http2(scene, &setting, &frames).await
}

/// Reads until these bytes have come.
pub(super) async fn until_seen(stream: &mut TcpStream, bytes: [u8; 8]) {
    let mut seen = Vec::new();
    while !seen.windows(8).any(|part| part == bytes) {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
    }
}

/// Waits until the service ends a stream (RST_STREAM), and only that: the connection
/// goes on.
async fn stream_ended(stream: &mut TcpStream) {
    loop {
        let mut head = [0; 9];
        stream
            .read_exact(&mut head)
            .await
            .expect("the connection goes on");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == 3 {
            return;
        }
    }
}

#[tokio::test]
async fn answers_that_nobody_takes_give_way_to_newer_ones_and_hold_no_place() {
    for window in [0, 1] {
        let worked = Arc::new(Semaphore::new(0));
        let router = Router::new().route(
            "/large",
            get({
                let worked = Arc::clone(&worked);
                || async move {
                    worked.add_permits(1);
                    vec![b'x'; 100_000]
                }
            }),
        );
        let limits = Limits {
            requests: 1,
            held_bytes: 1_000_000,
            exchange: Duration::from_secs(3600),
            idle: Duration::from_secs(3600),
            keep_alive: Duration::from_secs(3600),
            ..Limits::default()
        };
        let scene = Scene::open(router, limits).await;
        let mut first = asks_and_takes(&scene, window, 9).await;
        worked.acquire_many(9).await.unwrap().forget();
        // The one place is free, and nine answers wait.
        let taken = reqwest::get(scene.url("/large")).await.unwrap();
        assert_eq!(taken.bytes().await.unwrap().len(), 100_000);
        let _second = asks_and_takes(&scene, window, 9).await;
        worked.acquire_many(10).await.unwrap().forget();
        timeout(Duration::from_secs(60), stream_ended(&mut first))
            .await
            .expect("the oldest answers give way");
        let taken = reqwest::get(scene.url("/large")).await.unwrap();
        assert_eq!(taken.bytes().await.unwrap().len(), 100_000);
    }
}

#[tokio::test]
async fn bodies_that_never_arrive_hold_no_place() {
    let limits = Limits {
        requests: 1,
        body_read: Duration::from_secs(3600),
        exchange: Duration::from_secs(3600),
        ..Limits::default()
    };
    let scene = Scene::open(router(), limits).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        let frames: Vec<_> = (0..20)
            .map(|place| headers(POST, "/length", END_HEADERS, 2 * place + 1))
            .collect();
        // The answer to a PING says that it has read what was before.
        let ping = frame(6, 0, 0, &[7; 8]);
        let mut stream = http2(&scene, &[], &[frames.concat(), ping]).await;
        until_seen(&mut stream, [7; 8]).await;
        silent.push(stream);
    }
    for _ in 0..50 {
        let client = reqwest::Client::new();
        let post = client.post(scene.url("/length")).body("0123456789");
        let response = post.send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "10");
    }
}

#[tokio::test]
async fn bodies_that_never_end_give_way_to_newer_ones() {
    let limits = Limits {
        held_bytes: 100_000,
        body_read: Duration::from_secs(3600),
        exchange: Duration::from_secs(3600),
        ..Limits::default()
    };
    let scene = Scene::open(router(), limits).await;
    let body = [
        headers(POST, "/length", END_HEADERS, 1),
        frame(0, 0, 1, &[b'x'; 16_000]).repeat(3),
    ]
    .concat();
    // Whichever of the two arrived first is ended.
    let mut one = http2(&scene, &[], std::slice::from_ref(&body)).await;
    let mut other = http2(&scene, &[], &[body]).await;
    timeout(Duration::from_secs(60), async {
        tokio::select! {
            () = stream_ended(&mut one) => {}
            () = stream_ended(&mut other) => {}
        }
    })
    .await
    .expect("the oldest bodies give way");
    let client = reqwest::Client::new();
    let post = client.post(scene.url("/length")).body("0123456789");
    let response = post.send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "10");
}

#[tokio::test]
async fn what_a_closed_connection_asked_for_is_not_worked_on() {
    /// Says when the work on a request has ended.
    struct Over(Arc<Semaphore>);
    impl Drop for Over {
        fn drop(&mut self) {
            self.0.add_permits(1);
        }
    }
    let (begun, over) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (begins, ends) = (Arc::clone(&begun), Arc::clone(&over));
    let without_end = get(|| async move {
        let _over = Over(ends);
        begins.add_permits(1);
        std::future::pending::<()>().await;
    });
    let limits = Limits {
        exchange: Duration::from_millis(100),
        ..Limits::default()
    };
    let scene = Scene::open(Router::new().route("/large", without_end), limits).await;
    let mut stream = asks_and_takes(&scene, 0, 2).await;
    begun.acquire_many(2).await.unwrap().forget();
    let over = timeout(Duration::from_secs(60), over.acquire_many(2)).await;
    over.expect("the work ends").unwrap().forget();
    // Nothing else is open: the connection ends as well.
    let mut rest = Vec::new();
    let _ = timeout(Duration::from_secs(60), stream.read_to_end(&mut rest))
        .await
        .expect("never closed");
}

#[tokio::test]
async fn a_connection_works_on_some_of_its_requests_at_a_time() {
    let of_few_places = Limits {
        requests: 256,
        ..Limits::default()
    };
    for (limits, turns) in [(Limits::default(), 16), (of_few_places, 4)] {
        work_on_some_at_a_time(limits, turns).await;
    }
}

async fn work_on_some_at_a_time(limits: Limits, turns: u32) {
    let working = Arc::new(Semaphore::new(0));
    let release = Arc::new(Semaphore::new(0));
    let (begins, waits) = (Arc::clone(&working), Arc::clone(&release));
    let slow = get(|| async move {
        begins.add_permits(1);
        waits.acquire().await.unwrap().forget();
    });
    let scene = Scene::open(Router::new().route("/large", slow), limits).await;
    let _many = asks_and_takes(&scene, 65_535, 40).await;
    working.acquire_many(turns).await.unwrap().forget();
    // Others are worked on meanwhile, and the rest of the many when some are done.
    let other = tokio::spawn(reqwest::get(scene.url("/large")));
    working.acquire().await.unwrap().forget();
    assert_eq!(working.available_permits(), 0);
    release.add_permits(41);
    working.acquire_many(40 - turns).await.unwrap().forget();
    other.await.unwrap().unwrap();
}

/// Asks with a body in so many chunks (RFC 9112 section 7.1) of such a size.
async fn in_chunks(scene: &Scene, count: usize, size: usize) -> String {
    let head = "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("{size:x}\r\n{}\r\n", "x".repeat(size));
    let mut stream = scene.connect().await;
    let request = [head, &chunk.repeat(count), "0\r\n\r\n"].concat();
    // The service may answer before it has all.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "closed");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_in_a_thousand_pieces_is_read_and_one_of_single_bytes_is_not() {
    let scene = Scene::open(router(), Limits::default()).await;
    let answer = in_chunks(&scene, 1_000, 200).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = in_chunks(&scene, 1_025, 1).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}
