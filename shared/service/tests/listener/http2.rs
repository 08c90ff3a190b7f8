//! What an HTTP/2 connection ends for: trailers, header sections that are too large and,
//! in peace, enough bytes.

use std::time::Duration;

use axum::routing::get;
use pennyblack_runtime::config::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::held_bytes::{END_HEADERS, END_STREAM, GET, POST, Scene, frame, headers, http2, router};

/// Sends frames, and tells whether the connection goes on: whether a PING after them is
/// answered.
async fn goes_on(stream: &mut TcpStream, frames: &[Vec<u8>]) -> bool {
    let ping = frame(6, 0, 0, b"are you?");
    if stream
        .write_all(&[frames.concat(), ping].concat())
        .await
        .is_err()
    {
        return false;
    }
    let mut seen = Vec::new();
    while !seen.windows(8).any(|part| part == b"are you?") {
        let read = timeout(Duration::from_secs(60), stream.read_buf(&mut seen)).await;
        if matches!(read.expect("an answer, or the end"), Ok(0) | Err(_)) {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn trailers_end_the_connection() {
    let scene = Scene::open(router(), Limits::default()).await;
    let mut stream = http2(&scene, &[], &[]).await;
    let post = |number| headers(POST, "/length", END_HEADERS, number);
    let begun = [post(1), frame(0, 0, 1, b"x"), post(3)];
    assert!(goes_on(&mut stream, &begun).await);
    let trailers = frame(1, END_HEADERS | END_STREAM, 1, &[0, 1, b'x', 1, b'y']);
    assert!(!goes_on(&mut stream, &[trailers]).await);
}

#[tokio::test]
async fn a_header_section_that_does_not_end_ends_the_connection() {
    let limits = Limits::default();
    let scene = Scene::open(router(), limits.clone()).await;
    let endless = [0x82, 0x86, 0x84, 0, 1, b'x', 0x7f, 0xff, 0xff, 0xff, 0x7f];
    let mut stream = http2(&scene, &[], &[frame(1, END_STREAM, 1, &endless)]).await;
    let more = vec![b'x'; limits.header_bytes as usize];
    // Were it not ended, nothing would be: it waits for the rest.
    stream.write_all(&frame(9, 0, 1, &more)).await.unwrap();
    let mut last_words = Vec::new();
    let closed = timeout(Duration::from_secs(3), stream.read_to_end(&mut last_words)).await;
    assert!(closed.is_ok(), "closed at once, not after `first_request`");
}

#[tokio::test]
async fn after_enough_bytes_open_requests_are_answered_and_new_ones_are_not_seen() {
    let router = router().route("/", get(|| async { "seen" }));
    let scene = Scene::open(router, Limits::default()).await;
    let begun = headers(POST, "/length", END_HEADERS, 1);
    let mut stream = http2(&scene, &[], &[begun]).await;
    // PINGs are bytes, too.
    let pings = frame(6, 1, 0, &[0; 8]).repeat(16_000);
    stream.write_all(&pings).await.unwrap();
    let refused = headers(GET, "/", END_HEADERS | END_STREAM, 3);
    let rest = frame(0, END_STREAM, 1, b"0123456789");
    stream.write_all(&[refused, rest].concat()).await.unwrap();
    let (mut seen, mut answered) = (Vec::new(), 0);
    // The last GOAWAY has to name stream 1 and NO_ERROR. Before it the service asks with
    // a PING whether all has arrived.
    let last = frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
    while !contains(&seen, &last) {
        let size = timeout(Duration::from_secs(60), stream.read_buf(&mut seen));
        assert_ne!(size.await.unwrap().unwrap(), 0);
        for ping in pings_in(&seen).split_off(answered) {
            stream.write_all(&frame(6, 1, 0, &ping)).await.unwrap();
            answered += 1;
        }
    }
    let _ = stream.read_to_end(&mut seen).await;
    assert!(contains(&seen, b"10"), "the answer to the first");
    assert!(!contains(&seen, b"seen"));
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

/// What is in the PING frames that ask for an answer.
fn pings_in(all: &[u8]) -> Vec<[u8; 8]> {
    let head = [0, 0, 8, 6, 0, 0, 0, 0, 0];
    let frames = all.windows(17).filter(|window| window.starts_with(&head));
    frames.map(|frame| frame[9..].try_into().unwrap()).collect()
}

#[tokio::test]
async fn a_client_with_many_requests_loses_none() {
    let limits = Limits {
        requests: 1_000,
        ..Limits::default()
    };
    let scene = Scene::open(router(), limits).await;
    let client = reqwest::Client::builder().http2_prior_knowledge();
    let client = client.build().unwrap();
    let mut senders = JoinSet::new();
    for size in 0..40 {
        let (client, url) = (client.clone(), scene.url("/length"));
        senders.spawn(async move {
            for _ in 0..20 {
                let body = vec![b'x'; 5_000 + size];
                let response = client.post(&url).body(body).send().await.unwrap();
                let text = response.text().await.unwrap();
                assert_eq!(text, (5_000 + size).to_string());
            }
        });
    }
    while let Some(sent) = senders.join_next().await {
        sent.unwrap();
    }
}
