//! A relay and a CPS in one process: what the one sees, what the other reads, and what
//! becomes of requests that do not come through.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use pennyblack_evidence::oblivious_keys::{KeyConfigDigest, ObliviousKey};
use pennyblack_hpke::{Kem, PrivateKey};
use pennyblack_http::RetryPolicy;
use pennyblack_ohttp::exchange::{OpenedRequest, open_request, seal_response};
use pennyblack_ohttp::key_config::GatewayKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use pennyblack_http::RouteFault;

use super::*;
use crate::oblivious::CpsKeys;

const NOW: UnixTime = UnixTime(1_800_000_000);
const CPS: &str = "https://cps.example";

const QUICK: RetryPolicy = RetryPolicy {
    retries: 3,
    longest_pause: Duration::from_millis(200),
    within: None,
};

/// What a relay does with a request.
#[derive(Debug, Clone, Copy)]
enum Relaying {
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
struct Scene {
    key: GatewayKey,
    least: Option<ResponseClass>,
    /// The next of these for each request; the last one for all that follow.
    relaying: Vec<Relaying>,
    seen: Mutex<Vec<Vec<u8>>>,
    opened: Mutex<Vec<binary_http::Request>>,
    turn: AtomicUsize,
}

impl Scene {
    fn new(relaying: &[Relaying]) -> Arc<Self> {
        Self::with(Kem::DhkemX25519, relaying)
    }

    fn with(kem: Kem, relaying: &[Relaying]) -> Arc<Self> {
        let key = PrivateKey::generate(kem, &mut rand::rng());
        Arc::new(Self {
            key: GatewayKey::new(7, key).unwrap(),
            least: None,
            relaying: relaying.to_vec(),
            seen: Mutex::default(),
            opened: Mutex::default(),
            turn: AtomicUsize::new(0),
        })
    }

    /// Listens; the address is the relay's.
    async fn serve(self: &Arc<Self>) -> RelayAddress {
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
            assert!(head.starts_with("POST /cps HTTP/1.1\r\n"), "{head}");
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
        let keys = [self.key.clone()];
        let OpenedRequest { request, sealer } = open_request(&keys, body).unwrap();
        let request = request.unwrap();
        let mut response = binary_http::Response::new(StatusCode::CREATED);
        let date = HeaderValue::from_static("Sun, 29 Nov 2020 06:00:00 GMT");
        response.fields.insert("date", date);
        response.content = request.content.clone();
        let least = ResponseClass::asked(&request.fields).unwrap();
        self.opened.lock().unwrap().push(request);
        seal_response(sealer, &response, least.max(self.least), &mut rand::rng()).unwrap()
    }

    /// Keys as a client has them that trusts this CPS.
    fn keys(&self) -> TrustedKeys {
        let keys = TrustedKeys::default();
        let config = self.key.config().clone();
        let announced = ObliviousKey {
            key_config: KeyConfigDigest(config.digest()),
            not_before: NOW.minus(Duration::from_secs(60)),
            not_after: NOW.plus(Duration::from_secs(60)),
        };
        let known = CpsKeys {
            keys: vec![TrustedKey::new(config, announced)],
            refused: None,
        };
        keys.set(&"cps.example".parse().unwrap(), known);
        keys
    }
}

/// A request with its content; `None` at the end of the connection.
async fn read_request(socket: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.split_once("content-length: ").unwrap().1;
    let length: usize = length.split_once('\r').unwrap().0.parse().unwrap();
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    Some((
        head.replace("post /cps http/1.1", "POST /cps HTTP/1.1"),
        body,
    ))
}

fn route(relays: &[RelayAddress], keys: TrustedKeys) -> Arc<ObliviousRoute> {
    let cpss = [CPS.parse().unwrap()];
    let http = HttpOptions::default();
    let clock = Clock::by_hand(NOW).0;
    ObliviousRoute::new(&cpss, relays, keys, &http, Fallback::None, clock).unwrap()
}

fn client(route: &Arc<ObliviousRoute>) -> HttpClient {
    let route: Arc<dyn Route> = Arc::<ObliviousRoute>::clone(route);
    HttpOptions::default().routed(route).client().unwrap()
}

fn store() -> Request<'static> {
    let url = format!("{CPS}{STORE_PATH}");
    Request::post(url, "sealed", 4_096).header("authorization", "PrivateToken token=abc")
}

async fn fault_of(route: &Arc<ObliviousRoute>) -> RouteError {
    match client(route).send(&store(), QUICK).await {
        Err(HttpError::Route(error)) => *error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_store_comes_through_as_it_would_directly_and_its_answer_too() {
    let scene = Scene::new(&[Relaying::Carries]);
    let route = route(&[scene.serve().await], scene.keys());
    let client = client(&route);
    let answer = client.send(&store(), QUICK).await.unwrap();
    assert_eq!(
        (answer.status, &*answer.body),
        (StatusCode::CREATED, &b"sealed"[..])
    );
    assert!(client.clock_gap().is_some(), "by the inner date");
    let opened = scene.opened.lock().unwrap();
    let inner = opened.first().unwrap();
    assert_eq!(
        (&inner.method, inner.path.as_str()),
        (&Method::POST, STORE_PATH)
    );
    assert_eq!(
        (inner.scheme.as_str(), inner.authority()),
        ("https", Some("cps.example"))
    );
    let fields: Vec<_> = inner.fields.keys().map(|name| name.as_str()).collect();
    assert_eq!(fields, ["authorization", "pennyblack-pad"]);
    let seen = scene.seen.lock().unwrap();
    let token = b"token=abc";
    assert!(!seen[0].windows(token.len()).any(|window| window == token));
}

#[tokio::test]
async fn the_relay_sees_one_length_of_stores_and_look_ups_and_of_their_answers() {
    for (kem, request) in [(Kem::DhkemX25519, 4_096 + 55), (Kem::XWing, 8_192 + 1_143)] {
        let scene = Scene::with(kem, &[Relaying::Carries]);
        let route = route(&[scene.serve().await], scene.keys());
        let look_up = Request::get(format!("{CPS}{KEYS_PATH}/12155550100"), 4_096);
        let block = Request::get(format!("{CPS}{KEYS_PATH}?prefix=1215555"), 4_096);
        for request in [store(), look_up, block] {
            client(&route).send(&request, QUICK).await.unwrap();
        }
        let seen = scene.seen.lock().unwrap();
        let lengths: Vec<_> = seen.iter().map(Vec::len).collect();
        assert_eq!(lengths, [request; 3]);
        let opened = scene.opened.lock().unwrap();
        let pads: Vec<_> = opened
            .iter()
            .map(|one| one.fields.contains_key(PAD_FIELD))
            .collect();
        assert_eq!(pads, [true, true, false]);
    }
}

#[tokio::test]
async fn what_is_sent_again_is_sealed_again() {
    let busy = Relaying::Refuses("503 Service Unavailable", "{}");
    let scene = Scene::new(&[busy, Relaying::BreaksOff, Relaying::Lies, Relaying::Carries]);
    let route = route(&[scene.serve().await], scene.keys());
    client(&route).send(&store(), QUICK).await.unwrap();
    let seen = scene.seen.lock().unwrap();
    assert_eq!(seen.len(), 4);
    for (number, one) in seen.iter().enumerate() {
        for other in &seen[..number] {
            // Behind key, KEM, KDF and AEAD nothing is the same.
            assert_ne!(one[7..39], other[7..39]);
            let same = one
                .iter()
                .zip(other)
                .skip(39)
                .filter(|(a, b)| a == b)
                .count();
            assert!(same < 200, "{same} bytes of {}", one.len());
        }
    }
}

#[tokio::test]
async fn a_relay_that_is_away_does_not_keep_a_request_from_another() {
    let scene = Scene::new(&[Relaying::Carries]);
    let nobody = "http://127.0.0.1:1/cps".parse().unwrap();
    let relays = [nobody, scene.serve().await];
    for _ in 0..8 {
        let route = route(&relays, scene.keys());
        client(&route)
            .send(&store(), RetryPolicy::NONE)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn without_a_relay_or_a_key_nothing_is_sent() {
    let scene = Scene::new(&[Relaying::Carries]);
    let relay = scene.serve().await;
    let nobody = route(&["http://127.0.0.1:1/cps".parse().unwrap()], scene.keys());
    let error = fault_of(&nobody).await;
    assert_eq!(error.fault, RouteFault::NoRelay);
    assert!(error.sentence.contains("nothing goes directly"), "{error}");
    let named = route(&[], scene.keys());
    let unknown = route(std::slice::from_ref(&relay), TrustedKeys::default());
    let late = scene.keys();
    let known = late.of(&"cps.example".parse().unwrap()).unwrap();
    let config = known.newest(NOW).unwrap().config().clone();
    let ended = ObliviousKey {
        not_after: NOW,
        ..*known.newest(NOW).unwrap().announced()
    };
    let ended = CpsKeys {
        keys: vec![TrustedKey::new(config, ended)],
        refused: None,
    };
    late.set(&"cps.example".parse().unwrap(), ended);
    let late = route(std::slice::from_ref(&relay), late);
    let refused = TrustedKeys::default();
    let contradicted = CpsKeys {
        refused: Some("its log does not have it".to_owned()),
        ..CpsKeys::default()
    };
    refused.set(&"cps.example".parse().unwrap(), contradicted);
    let refused = route(std::slice::from_ref(&relay), refused);
    for (route, fault, said) in [
        (named, RouteFault::NoWay, "no relay is named"),
        (
            unknown,
            RouteFault::NoWay,
            "no key configuration of cps.example is known",
        ),
        (late, RouteFault::NoWay, "ended at"),
        (refused, RouteFault::Untrusted, "its log does not have it"),
    ] {
        let error = fault_of(&route).await;
        assert_eq!(error.fault, fault, "{error}");
        assert!(error.sentence.contains(said), "{error}");
        assert_eq!(route.check(&store().url).unwrap_err().fault, fault);
    }
    assert!(scene.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_key_that_the_cps_does_not_have_ends_the_trying() {
    let problem = r#"{"type":"https://iana.org/assignments/http-problem-types#ohttp-key","title":"key","status":400,"detail":"unknown"}"#;
    for status in ["400 Bad Request", "422 Unprocessable Content"] {
        let scene = Scene::new(&[Relaying::Refuses(status, problem)]);
        let route = route(&[scene.serve().await], scene.keys());
        let error = fault_of(&route).await;
        assert!(
            error.fault.is_unread() && !error.fault.is_closed(),
            "{error}"
        );
        assert!(error.sentence.contains("does not have the key"), "{error}");
        assert_eq!(scene.seen.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_a_relay_refuses_was_not_read_and_what_it_lost_may_have_been() {
    for (relaying, is_unread, tries) in [
        (Relaying::Refuses("404 Not Found", ""), true, 1),
        (Relaying::Refuses("413 Content Too Large", ""), true, 1),
        (Relaying::Refuses("429 Too Many Requests", ""), true, 4),
        (Relaying::Refuses("503 Service Unavailable", ""), true, 4),
        (Relaying::Refuses("502 Bad Gateway", ""), false, 4),
        (Relaying::Refuses("504 Gateway Timeout", ""), false, 4),
        (Relaying::Refuses("200 OK", ""), false, 4),
        (Relaying::Refuses("307 Temporary Redirect", ""), true, 1),
        (Relaying::BreaksOff, false, 4),
        (Relaying::Lies, false, 4),
    ] {
        let scene = Scene::new(&[relaying]);
        let route = route(&[scene.serve().await], scene.keys());
        let error = fault_of(&route).await;
        assert_eq!(error.fault.is_unread(), is_unread, "{relaying:?}: {error}");
        assert_eq!(scene.seen.lock().unwrap().len(), tries, "{relaying:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_too_long_is_not_sent() {
    let scene = Scene::new(&[Relaying::Carries]);
    let route = route(&[scene.serve().await], scene.keys());
    let long = Request::put(format!("{CPS}/v1/keys"), vec![0; 9_000], 4_096);
    let error = client(&route).send(&long, QUICK).await.unwrap_err();
    assert!(error.has_not_left(), "{error}");
    assert!(
        error.to_string().contains("too long for Oblivious HTTP"),
        "{error}"
    );
    assert!(scene.seen.lock().unwrap().is_empty());
}
