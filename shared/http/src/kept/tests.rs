use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

use super::*;

const LIMITS: KeptLimits = KeptLimits {
    connect: Duration::from_secs(5),
    replace_after: Duration::from_secs(600),
    replace_after_bytes: 1_000_000,
    streams: 8,
};

/// What a service has of its clients.
#[derive(Debug, Default)]
struct Notes {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// Ends the connections.
    end: Notify,
}

/// A service without TLS that answers each request once it is told to, and until then holds
/// it.
async fn service(answers: bool) -> (ServiceUri, Arc<Notes>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let notes = Arc::new(Notes::default());
    let kept = Arc::clone(&notes);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            kept.connections.fetch_add(1, Ordering::SeqCst);
            let notes = Arc::clone(&kept);
            tokio::spawn(async move {
                let counted = Arc::clone(&notes);
                let service = service_fn(move |_: http::Request<Incoming>| {
                    counted.requests.fetch_add(1, Ordering::SeqCst);
                    async move {
                        if !answers {
                            std::future::pending::<()>().await;
                        }
                        Ok::<_, Infallible>(http::Response::new(Full::<Bytes>::from("ok")))
                    }
                });
                let http = http2::Builder::new(TokioExecutor::new());
                let connection = http.serve_connection(TokioIo::new(socket), service);
                tokio::select! {
                    _ = connection => {}
                    () = notes.end.notified() => {}
                }
            });
        }
    });
    (url.parse().unwrap(), notes)
}

fn kept(service: &ServiceUri, limits: KeptLimits) -> Arc<KeptConnection> {
    Arc::new(KeptConnection::new(service.clone(), || None, limits))
}

async fn ask(connection: &KeptConnection) -> Result<Bytes, KeptError> {
    ask_by(connection, Instant::now() + LIMITS.connect).await
}

async fn ask_by(connection: &KeptConnection, connect_by: Instant) -> Result<Bytes, KeptError> {
    let (media_type, body) = (HeaderValue::from_static("text/plain"), Bytes::from("body"));
    let answer = connection.post("/path", media_type, body, connect_by);
    let mut answer = answer.await?;
    assert_eq!(answer.length(), Some(2));
    Ok(answer.piece().await?.unwrap_or_default())
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn all_who_ask_at_once_have_one_connection() {
    let (service, notes) = service(true).await;
    let connection = kept(&service, LIMITS);
    let asked = (0..50).map(|_| ask(&connection));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.unwrap(), "ok");
    }
    assert_eq!(notes.connections.load(Ordering::SeqCst), 1);
    assert_eq!(connection.made(), 1);
}

#[tokio::test]
async fn a_request_that_was_begun_is_not_sent_again() {
    let (service, notes) = service(false).await;
    let connection = kept(&service, LIMITS);
    let asking = Arc::clone(&connection);
    let asked = tokio::spawn(async move { ask(&asking).await });
    until(|| notes.requests.load(Ordering::SeqCst) == 1).await;
    notes.end.notify_one();
    let error = asked.await.unwrap().unwrap_err();
    assert!(matches!(error, KeptError::Broken(_)), "{error}");
    assert_eq!(notes.requests.load(Ordering::SeqCst), 1);
    assert_eq!(notes.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_request_that_finds_an_ended_connection_has_a_new_one() {
    let (service, notes) = service(true).await;
    let connection = kept(&service, LIMITS);
    for round in 1..=5 {
        assert_eq!(ask(&connection).await.unwrap(), "ok");
        assert_eq!(notes.requests.load(Ordering::SeqCst), round);
        notes.end.notify_one();
        until(|| !connection.current().as_ref().unwrap().is_usable(0)).await;
    }
    assert_eq!(connection.made(), 5);
}

/// A service that answers each connection's requests with this frame of HTTP/2: they were not
/// processed.
async fn refusing(
    frame: impl Fn(u32) -> Vec<u8> + Send + 'static,
) -> (ServiceUri, mpsc::UnboundedReceiver<u32>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sees, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.read_exact(&mut [0; 24]).await.unwrap();
            // Settings, none of which is other than usual.
            socket
                .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
                .await
                .unwrap();
            let mut head = [0; 9];
            while socket.read_exact(&mut head).await.is_ok() {
                let [a, b, c, kind, _, s @ ..] = head;
                let size = u32::from_be_bytes([0, a, b, c]);
                let mut payload = vec![0; size as usize];
                socket.read_exact(&mut payload).await.unwrap();
                if kind == 1 {
                    let stream = u32::from_be_bytes(s);
                    sees.send(stream).unwrap();
                    socket.write_all(&frame(stream)).await.unwrap();
                }
            }
        }
    });
    (url.parse().unwrap(), seen)
}

#[tokio::test]
async fn what_the_service_has_not_taken_is_said_so_and_not_sent_again() {
    const REFUSED_STREAM: u8 = 7;
    let reset = |stream: u32| {
        let mut frame = vec![0, 0, 4, 3, 0];
        frame.extend(stream.to_be_bytes());
        frame.extend([0, 0, 0, REFUSED_STREAM]);
        frame
    };
    // The last stream that it has taken is none.
    let go_away = |_| vec![0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for frame in [&reset as &(dyn Fn(u32) -> Vec<u8> + Send + Sync), &go_away] {
        let answer = frame(1);
        let (service, mut seen) = refusing(move |_| answer.clone()).await;
        let connection = kept(&service, LIMITS);
        let error = ask(&connection).await.unwrap_err();
        assert!(matches!(error, KeptError::NotTaken), "{error:?}");
        assert_eq!(seen.recv().await, Some(1));
        assert!(seen.try_recv().is_err());
    }
}

#[tokio::test]
async fn what_is_in_flight_on_a_connection_that_is_replaced_ends_there() {
    let (service, notes) = service(false).await;
    let limits = KeptLimits {
        replace_after_bytes: 1,
        ..LIMITS
    };
    let connection = kept(&service, limits);
    let mut asked = Vec::new();
    for round in 1..=3 {
        let asking = Arc::clone(&connection);
        asked.push(tokio::spawn(async move { ask(&asking).await }));
        until(|| notes.requests.load(Ordering::SeqCst) == round).await;
    }
    assert_eq!(notes.connections.load(Ordering::SeqCst), 3);
    assert!(asked.iter().all(|asked| !asked.is_finished()));
}

#[tokio::test]
async fn a_service_that_is_away_is_named_with_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let connection = kept(&url.parse().unwrap(), LIMITS);
    let error = ask(&connection).await.unwrap_err().to_string();
    assert!(
        error.contains(&url) && error.contains("check the port"),
        "{error}"
    );
}

#[tokio::test]
async fn a_connection_that_is_not_there_in_time_is_none_and_serves_the_next() {
    let (service, notes) = service(true).await;
    let connection = kept(&service, LIMITS);
    let past = Instant::now() - Duration::from_millis(10);
    let late = ask_by(&connection, past).await;
    assert!(matches!(late, Err(KeptError::NoConnection(_))), "{late:?}");
    assert_eq!(&*ask(&connection).await.unwrap(), b"ok");
    assert_eq!(notes.requests.load(Ordering::SeqCst), 1);
    assert_eq!(notes.connections.load(Ordering::SeqCst), 1);
}
