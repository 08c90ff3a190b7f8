//! A relay in front of a CPS that answers each request with what it asks, in one process.

use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bhttp::Message;
use http::{HeaderValue, StatusCode};
use ohttp::hpke::{Aead, Kdf, Kem as TheirKem};
use ohttp::{KeyConfig as TheirConfig, Server, SymmetricSuite};
use pennyblack_evidence::log_entry::Minute;
use pennyblack_evidence::oblivious_keys::{KeyConfigDigest, ObliviousKey, ObliviousKeys, Sight};
use pennyblack_hpke::{Kem, PrivateKey};
use pennyblack_ohttp::binary_http;
use pennyblack_ohttp::exchange::{OpenedRequest, open_request, seal_response};
use pennyblack_ohttp::key_config::{GatewayKey, KeyConfig};
use pennyblack_ohttp::size_class::ResponseClass;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::super::{CpsKeys, RelayAddress, TrustedKey, TrustedKeys};
use super::NOW;

/// Years before the system's clock.
const DATE: &str = "Sun, 29 Nov 2020 06:00:00 GMT";

/// Who opens requests.
enum Gateway {
    Ours(GatewayKey),
    Theirs(Box<Server>),
}

/// What a relay does with a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Relaying {
    /// Hands it to the CPS, and back what that says.
    Carries,
    /// Refuses with this status and content.
    Refuses(&'static str, &'static str),
    /// Breaks off after it has read it.
    BreaksOff,
    /// Answers 200 with something else.
    Lies,
}

/// A relay in front of a CPS that answers each request with what it asks.
pub(super) struct Scene {
    gateway: Gateway,
    /// The next of these for each request; the last one for all that follow.
    relaying: Vec<Relaying>,
    pub(super) seen: Mutex<Vec<Vec<u8>>>,
    pub(super) opened: Mutex<Vec<binary_http::Request>>,
    turn: AtomicUsize,
}

impl Scene {
    pub(super) fn new(relaying: &[Relaying]) -> Arc<Self> {
        Self::with(Kem::DhkemX25519, relaying)
    }

    pub(super) fn with(kem: Kem, relaying: &[Relaying]) -> Arc<Self> {
        let key = PrivateKey::generate(kem, &mut rand::rng());
        Self::of(Gateway::Ours(GatewayKey::new(7, key).unwrap()), relaying)
    }

    /// With a gateway that is made of the crates `ohttp` and `bhttp`.
    pub(super) fn of_others() -> Arc<Self> {
        let suite = SymmetricSuite::new(Kdf::HkdfSha256, Aead::Aes128Gcm);
        let config = TheirConfig::new(7, TheirKem::X25519Sha256, vec![suite]).unwrap();
        Self::of(
            Gateway::Theirs(Box::new(Server::new(config).unwrap())),
            &[Relaying::Carries],
        )
    }

    fn of(gateway: Gateway, relaying: &[Relaying]) -> Arc<Self> {
        Arc::new(Self {
            gateway,
            relaying: relaying.to_vec(),
            seen: Mutex::default(),
            opened: Mutex::default(),
            turn: AtomicUsize::new(0),
        })
    }

    /// Listens; the address is the relay's.
    pub(super) async fn serve(self: &Arc<Self>) -> RelayAddress {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = format!("http://{}/cps", listener.local_addr().unwrap());
        let scene = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(Arc::clone(&scene).connection(socket));
            }
        });
        relay.parse().unwrap()
    }

    async fn connection(self: Arc<Self>, mut socket: TcpStream) {
        while let Some((head, body)) = read_request(&mut socket).await {
            let is_of_a_relay = ["/cps", "/other"]
                .iter()
                .any(|path| head.starts_with(&format!("POST {path} HTTP/1.1\r\n")));
            assert!(is_of_a_relay, "{head}");
            self.seen.lock().unwrap().push(body.clone());
            let turn = self.turn.fetch_add(1, Ordering::SeqCst);
            let relaying = self.relaying.get(turn).or(self.relaying.last()).unwrap();
            let (status, media_type, content) = match *relaying {
                Relaying::Carries => ("200 OK", "message/ohttp-res", self.answer(&body)),
                Relaying::Refuses(status, content) => (
                    status,
                    "application/problem+json",
                    content.as_bytes().to_vec(),
                ),
                Relaying::Lies => ("200 OK", "message/ohttp-res", vec![7; 2_096]),
                Relaying::BreaksOff => return,
            };
            let length = content.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(&content).await.unwrap();
        }
    }

    fn answer(&self, body: &[u8]) -> Vec<u8> {
        match &self.gateway {
            Gateway::Ours(key) => self.our_answer(key, body),
            Gateway::Theirs(server) => their_answer(server, body),
        }
    }

    fn our_answer(&self, key: &GatewayKey, body: &[u8]) -> Vec<u8> {
        let opened = open_request(std::slice::from_ref(key), body).unwrap();
        let OpenedRequest { request, sealer } = opened;
        let request = request.unwrap();
        let mut response = binary_http::Response::new(StatusCode::CREATED);
        response
            .fields
            .insert("date", HeaderValue::from_static(DATE));
        response.content = request.content.clone();
        let least = ResponseClass::asked(&request.fields).unwrap();
        self.opened.lock().unwrap().push(request);
        seal_response(sealer, &response, least, &mut rand::rng()).unwrap()
    }

    /// Keys as a client has them that trusts this CPS.
    pub(super) fn keys(&self) -> TrustedKeys {
        let keys = TrustedKeys::default();
        let config = match &self.gateway {
            Gateway::Ours(key) => key.config().clone(),
            Gateway::Theirs(server) => {
                KeyConfig::parse(&server.config().encode().unwrap()).unwrap()
            }
        };
        let announced = ObliviousKey {
            key_config: KeyConfigDigest(config.digest()),
            kem_id: config.kem().id(),
            not_before: NOW.minus(Duration::from_secs(4 * 3_600)),
            not_after: NOW.plus(Duration::from_secs(60)),
        };
        let known = CpsKeys {
            announced: log_of(announced),
            keys: vec![TrustedKey::new(config, announced)],
            read: Some(NOW),
            refused: None,
        };
        keys.set(&"cps.example".parse().unwrap(), known);
        keys
    }
}

/// A log that announces one key.
pub(super) fn log_of(key: ObliviousKey) -> ObliviousKeys {
    let mut log = ObliviousKeys::default();
    let at = Minute::of(key.not_before);
    log.announce(at, key, Sight::of_log(at)).unwrap();
    log
}

/// What it was sent, as 201.
fn their_answer(server: &Server, body: &[u8]) -> Vec<u8> {
    let (request, sealer) = server.decapsulate(body).unwrap();
    let request = Message::read_bhttp(&mut Cursor::new(&request)).unwrap();
    assert_eq!(request.control().authority(), Some(&b"cps.example"[..]));
    let mut response = Message::response(bhttp::StatusCode::try_from(201_u64).unwrap());
    response.put_header("date", DATE);
    response.write_content(request.content());
    let mut message = Vec::new();
    let mode = bhttp::Mode::KnownLength;
    response.write_bhttp(mode, &mut message).unwrap();
    sealer.encapsulate(&message).unwrap()
}

/// A request with its content; `None` at the end of the connection.
async fn read_request(socket: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let fields = head.to_ascii_lowercase();
    let length = fields.split_once("content-length: ").unwrap().1;
    let length: usize = length.split_once('\r').unwrap().0.parse().unwrap();
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    Some((head, body))
}
