//! Requests over TLS with an API key that no honest switch sends: bodies that are too large,
//! too slow or bombs, and line ends where they would forge a header.

mod forgeries;

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use http_body_util::StreamBody;
use hyper::body::Frame;
use pennyblack_gateway::access::api_keys::new_key;
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::gateway_scene::{Beginning, CALLED, GatewayScene, SipPorts, trunk};
use pennyblack_tests::world::World;
use reqwest::{Body, Certificate, Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::SERVICE;

const CALLER: &str = "17325551000";
const SOON: Duration = Duration::from_secs(20);
const JSON: &str = "application/json";

/// Connections that send a body byte by byte.
const SLOW: usize = 64;

/// A gateway behind TLS that wants an API key.
struct Desk {
    scene: GatewayScene,
    client: Client,
    key: String,
    address: SocketAddr,
    sip: SipPorts,
}

impl Desk {
    async fn open() -> Self {
        let world = World::new(Clock::system());
        let (tls, key) = (tls(&world), new_key("sbc-1"));
        fs::write(world.path("api-keys"), &key.1).unwrap();
        let sip = SipPorts::free();
        let mut settings = vec![
            format!("public.tls.certificate={}", world.path("tls.pem").display()),
            format!("public.tls.key={}", world.path("tls.key").display()),
            format!("http.api_keys={}", world.path("api-keys").display()),
            "public.limits.body_read=1s".to_owned(),
        ];
        settings.extend(sip.settings());
        let beginning = Beginning {
            tokens: 64,
            config: trunk(&world, "switch"),
            settings,
            ..Beginning::default()
        };
        let scene = GatewayScene::open_in(world, SERVICE, beginning).await;
        let client = Client::builder().add_root_certificate(tls).no_proxy();
        Self {
            address: scene.gateway.addresses().public,
            scene,
            client: client.build().unwrap(),
            key: key.0.to_string(),
            sip,
        }
    }

    fn post(&self, path: &str, media: &str) -> RequestBuilder {
        let url = format!("https://{}/stir/v1/{path}", self.address);
        let request = self.client.post(url).timeout(SOON);
        request
            .header("content-type", media)
            .header("x-api-key", &self.key)
    }

    fn call(&self) -> Value {
        json!({"signingRequest": {
            "orig": {"tn": CALLER}, "dest": {"tn": [CALLED]},
            "iat": self.scene.world.clock.now().0,
        }})
    }

    /// A call is signed, as if nothing was.
    async fn goes_on(&self) {
        let answer = self.post("signing", JSON).body(self.call().to_string());
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert!(body["signingResponse"]["identity"].is_string(), "{body}");
    }
}

fn tls(world: &World) -> Certificate {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(world.path("tls.pem"), made.cert.pem()).unwrap();
    fs::write(world.path("tls.key"), made.signing_key.serialize_pem()).unwrap();
    let mine = fs::Permissions::from_mode(0o600);
    fs::set_permissions(world.path("tls.key"), mine).unwrap();
    Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()
}

/// Its status and body, as text.
async fn said(answer: Response) -> (u16, String) {
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_are_refused_and_calls_go_on() {
    let desk = Desk::open().await;
    only_with_a_key(&desk).await;
    desk.goes_on().await;
    large_bodies(&desk).await;
    bombs(&desk).await;
    line_ends_in_json(&desk).await;
    forgeries::in_texts(&desk).await;
    forgeries::by_sip(&desk).await;
    slow_bodies(&desk).await;
    desk.goes_on().await;
    desk.scene.gateway.stop().await;
}

async fn only_with_a_key(desk: &Desk) {
    let url = format!("https://{}/stir/v1/signing", desk.address);
    for key in [None, Some("wrong"), Some("")] {
        let mut request = desk.client.post(&url).header("content-type", JSON);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let answer = request.body(desk.call().to_string()).send().await.unwrap();
        let (status, body) = said(answer).await;
        assert_eq!(status, 401, "{body}");
        assert!(body.contains("POL0001"), "{body}");
    }
    // Two keys are none, even if one of them is good.
    let twice = desk.post("signing", JSON).header("x-api-key", "wrong");
    let answer = twice.body(desk.call().to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    // Who speaks no TLS gets nothing.
    let plain = desk
        .client
        .post(format!("http://{}/stir/v1/signing", desk.address));
    let plain = plain.body(desk.call().to_string()).send().await;
    assert!(plain.is_err() || plain.unwrap().status() != 200);
}

async fn large_bodies(desk: &Desk) {
    let large = "x".repeat(8 << 20);
    for media in [JSON, "application/x-www-form-urlencoded", "message/sip"] {
        for path in ["signing", "verification"] {
            // It may be refused before it was sent.
            if let Ok(answer) = desk.post(path, media).body(large.clone()).send().await {
                assert_eq!(answer.status(), 413, "{media}");
            }
        }
    }
    desk.goes_on().await;
}

async fn bombs(desk: &Desk) {
    let depth = 20_000;
    let nested = format!(
        "{{\"signingRequest\":{}1{}}}",
        "{\"a\":".repeat(6_000),
        "}".repeat(6_000)
    );
    for bomb in [
        "[".repeat(depth),
        nested,
        format!("{{\"a\":[{}1]}}", "1,".repeat(30_000)),
        format!(
            "{{\"signingRequest\":{{\"orig\":{{\"tn\":[{}\"1\"]}}}}}}",
            "\"1\",".repeat(10_000)
        ),
        "{\"signingRequest\":{},\"signingRequest\":{}}".to_owned(),
        format!("{{\"signingRequest\":{{\"iat\":{}}}}}", "9".repeat(60_000)),
        format!(
            "{{\"signingRequest\":{{\"iat\":1e{}}}}}",
            "9".repeat(60_000)
        ),
        "\u{feff}{}".to_owned(),
        "{\"signingRequest\":{\"orig\":{\"tn\":\"\\ud800\"}}}".to_owned(),
    ] {
        for path in ["signing", "verification"] {
            let answer = desk
                .post(path, JSON)
                .body(bomb.clone())
                .send()
                .await
                .unwrap();
            let (status, body) = said(answer).await;
            assert_eq!(
                status,
                400,
                "{path} {}: {body}",
                &bomb[..40.min(bomb.len())]
            );
            assert!(body.contains("SVC400") && body.len() < 2_000, "{body}");
        }
    }
    let deep = format!("signingRequest{}=1", "[a]".repeat(10_000));
    let many = "signingRequest[dest][tn][]=1&".repeat(2_000);
    for form in [
        deep,
        many,
        "%".repeat(60_000),
        "signingRequest[".repeat(3_000),
    ] {
        let request = desk.post("signing", "application/x-www-form-urlencoded");
        let (status, body) = said(request.body(form).send().await.unwrap()).await;
        assert_eq!(status, 400, "{body}");
    }
}

/// What would end a line, raw and escaped.
const LINE_ENDS: [&str; 6] = ["\r\n", "\n", "\r", "%0d%0a", "%0A", "\0"];

async fn line_ends_in_json(desk: &Desk) {
    for end in LINE_ENDS {
        let forged = format!("{end}X-Forged: 1");
        for (pointer, value) in [
            ("/signingRequest/orig/tn", format!("{CALLER}{forged}")),
            ("/signingRequest/dest/tn", format!("{CALLED}{forged}")),
            ("/signingRequest/origid", format!("8a1f{forged}")),
            ("/signingRequest/attest", format!("A{forged}")),
        ] {
            let mut body = desk.call();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap()[name] = value.into();
            let answer = desk.post("signing", JSON).body(body.to_string());
            let (status, body) = said(answer.send().await.unwrap()).await;
            assert_eq!(status, 400, "{pointer} {end:?}: {body}");
            assert!(!body.contains(['\r', '\n']), "{body}");
        }
    }
    let mut body = desk.call();
    body["signingRequest"]["requestId"] = "a%0d%0aX-Forged: 1".into();
    let request = desk
        .post("signing", JSON)
        .header("x-requestid", "b%0d%0aX-Forged: 1");
    let answer = request.body(body.to_string()).send().await.unwrap();
    assert!(answer.headers().get("x-forged").is_none());
    assert_eq!(answer.headers()["x-requestid"], "b%0d%0aX-Forged: 1");
}

/// Bodies that do not come to their end are given up, and nobody waits for them.
async fn slow_bodies(desk: &Desk) {
    let connector = |_| async {
        let mut stream = TcpStream::connect(desk.address).await.unwrap();
        // Part of a TLS record: the handshake never ends.
        stream.write_all(&[22, 3, 1, 2]).await.unwrap();
        stream
    };
    let mut silent = join_all((0..SLOW).map(connector)).await;
    let slow = (0..SLOW).map(async |_| {
        let beginning = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from("{")))]);
        let body = Body::wrap(StreamBody::new(beginning.chain(stream::pending())));
        let answer = desk.post("signing", JSON).body(body).send().await;
        // The connection may end before the answer is read.
        let status = answer.map(|answer| answer.status().as_u16());
        assert!(matches!(status, Ok(408) | Err(_)), "{status:?}");
    });
    let others = async {
        for _ in 0..10 {
            desk.goes_on().await;
        }
    };
    tokio::join!(join_all(slow), others);
    desk.goes_on().await;
    let mut byte = [0];
    for stream in &mut silent {
        let end = timeout(SOON, stream.read(&mut byte)).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}
