use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use http::{Method, StatusCode};
use pennyblack_ohttp::binary_http;
use pennyblack_ohttp::encapsulation::encapsulated_response_size;
use pennyblack_ohttp::exchange::{open_response, seal_request};
use pennyblack_ohttp::key_config::{GatewayKey, KeyConfig};
use pennyblack_ohttp::key_ratchet::{Epochs, KeyRatchet, OfferedKem};
use pennyblack_ohttp::size_class::PAD_FIELD;
use pennyblack_runtime::config::{Limits, PublicConfig};
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::listener::Listener;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::large_answers::testing::while_full;

const SERVICE: &str = "cps.example";

/// Bytes of what a request gets that is answered.
const LENGTHS: [usize; 3] = [30_000, 120_000, 500_000];

/// A gateway behind a listener that holds so many bytes.
struct Running {
    address: SocketAddr,
    key: KeyConfig,
    large: Arc<LargeAnswers>,
    stop: Shutdown,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.trigger();
    }
}

/// Answers `/N` with so many bytes, for which nobody has reserved room.
fn unreserved() -> InnerRouter {
    async fn answer(Path(bytes): Path<usize>) -> Vec<u8> {
        vec![7; bytes]
    }
    InnerRouter::new(Router::new().route("/{bytes}", get(answer)))
}

fn key() -> GatewayKey {
    let now = Clock::system().now();
    let epoch = Epochs::DEFAULT.at(now);
    let ratchet = KeyRatchet::generate(Epochs::DEFAULT, epoch, &mut rand::rng());
    let service = SERVICE.parse().unwrap();
    ratchet.key(&service, OfferedKem::X25519, epoch).unwrap()
}

async fn running(held_bytes: usize) -> Running {
    let keys = Arc::new(OfferedKeys::default());
    let key = key();
    let config = key.config().clone();
    keys.replace(vec![key], Duration::from_secs(1));
    let large = Arc::new(LargeAnswers::start().unwrap());
    let gateway = Gateway {
        service: SERVICE.parse().unwrap(),
        keys,
        inner: unreserved(),
        large: Arc::clone(&large),
        clock: Clock::system(),
        answer_times: AnswerTimes::new(AnswerTimes::SHORTEST),
    };
    let limits = Limits {
        held_bytes,
        ..Limits::default()
    };
    let public = PublicConfig {
        limits,
        ..PublicConfig::plain(([127, 0, 0, 1], 0).into())
    };
    let listener = Listener::bind_public(&public).await.unwrap();
    let (address, stop) = (listener.address(), Shutdown::new());
    tokio::spawn(listener.serve(router(gateway).into_router(), stop.clone()));
    Running {
        address,
        key: config,
        large,
        stop,
    }
}

impl Running {
    /// Asks for so many bytes. The inner status, and the size of the sealed answer.
    async fn ask(&self, bytes: usize, least: Option<&'static str>) -> (StatusCode, usize) {
        let path = format!("/{bytes}").parse().unwrap();
        let mut request = binary_http::Request::new(Method::GET, SERVICE.parse().unwrap(), path);
        if let Some(least) = least {
            let least = HeaderValue::from_static(least);
            request.fields.insert(PAD_FIELD, least);
        }
        let (sealed, opener) = seal_request(&self.key, &request, &mut rand::rng()).unwrap();
        let head = format!(
            "POST {OHTTP_GATEWAY_PATH} HTTP/1.1\r\nhost: {SERVICE}\r\nconnection: close\r\n\
             content-type: {OHTTP_REQUEST_MEDIA_TYPE}\r\ncontent-length: {}\r\n\r\n",
            sealed.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&sealed).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let (head, body) = answer.split_at(end + 4);
        assert!(
            head.starts_with(b"HTTP/1.1 200 "),
            "{}",
            head.escape_ascii()
        );
        let opened = open_response(opener, body).unwrap();
        (opened.status, body.len())
    }

    /// Whatever is asked for is refused inside, in the class that was asked for.
    async fn assert_refused_inside(&self, lengths: &[usize]) {
        for bytes in lengths {
            for (least, class) in [
                (None, 2_048),
                (Some("2048"), 2_048),
                (Some("9216"), 9_216),
                (Some("34816"), 34_816),
            ] {
                let (status, size) = self.ask(*bytes, least).await;
                let name = format!("{bytes} bytes, {least:?}");
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{name}");
                let expected = encapsulated_response_size(self.key.kem(), class);
                assert_eq!(size, expected, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn what_there_is_no_room_to_answer_is_refused_inside() {
    // For one request, and no more.
    let full = running(100 * 1024).await;
    assert_eq!(full.ask(10, None).await.0, StatusCode::OK);
    full.assert_refused_inside(&LENGTHS).await;
}

#[tokio::test]
async fn what_there_is_no_thread_to_seal_is_refused_inside() {
    let running = running(64 << 20).await;
    while_full(&running.large, &AnswerRoom::uncounted(), async || {
        running.assert_refused_inside(&LENGTHS[2..]).await;
    })
    .await;
    let (status, size) = running.ask(LENGTHS[2], None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(size > LENGTHS[2]);
}
