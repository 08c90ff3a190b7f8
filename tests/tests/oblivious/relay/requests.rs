//! What of a request reaches the gateway, and which requests do not.

use std::net::SocketAddr;

use pennyblack_base::problem::ProblemType;
use pennyblack_tests::answer::Answer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::scene::{REQUEST, Scene, problem};

/// Fields by which proxies and browsers name clients, and more of no meaning.
fn forty_fields() -> Vec<(String, String)> {
    let known = [
        ("forwarded", "for=192.0.2.60"),
        ("x-forwarded-for", "192.0.2.60"),
        ("x-real-ip", "192.0.2.60"),
        ("via", "1.1 somebody"),
        ("cookie", "who=carrier-a"),
        ("user-agent", "a-switch/1.0"),
        ("referer", "https://carrier-a.example/"),
        ("authorization", "Bearer of-something"),
        ("accept-language", "de"),
        ("date", "Mon, 30 Nov 2026 00:00:00 GMT"),
    ];
    let known = known.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let others = (0..30).map(|n| (format!("x-field-{n}"), format!("value {n}")));
    known.into_iter().chain(others).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_sees_type_and_length_and_no_other_field() {
    let scene = Scene::open(&[]).await;
    for client in [scene.client([127, 0, 0, 1]), scene.world.client.clone()] {
        let mut request = client.post(format!("{}?who=carrier-a", scene.url()));
        for (name, value) in forty_fields() {
            request = request.header(name, value);
        }
        let request = request.header("content-type", "Message/OHTTP-req; who=carrier-a");
        let answer = Answer::to(request.body("hello")).await.unwrap();
        assert_eq!(answer.content(), b"answer to hello");
        let mut fields: Vec<_> = answer.headers.keys().map(|name| name.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["content-length", "content-type", "date"]);
        assert_eq!(answer.headers["content-type"], "message/ohttp-res");
    }
    let asked = scene.gateway.asked();
    assert_eq!(asked.len(), 2);
    for asked in asked {
        let fields: Vec<_> = asked.headers.iter().collect();
        let text = format!("{fields:?}");
        assert_eq!(fields.len(), 2, "{text}");
        assert_eq!(asked.headers["content-type"], REQUEST);
        assert_eq!(asked.headers["content-length"], "5");
        assert_eq!(
            (asked.method.as_str(), asked.body.as_ref()),
            ("POST", &b"hello"[..])
        );
        assert_eq!(asked.uri.to_string(), scene.gateway.url);
    }
    assert_eq!(scene.gateway.connections(), 1);
}

/// Sends these bytes and reads until the status line and the document are there.
pub(super) async fn raw(relay: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(relay).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    while !said.ends_with(b"}") {
        match socket.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(read) => said.extend_from_slice(&piece[..read]),
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sealed_request_to_a_named_gateway_reaches_nobody() {
    let scene = Scene::open(&[]).await;
    let client = scene.client([127, 0, 0, 1]);
    let base = format!("http://{}", scene.relay.addresses().public);
    let post = |path: &str, media: &str, size: usize| {
        let request = client.post(format!("{base}{path}"));
        request.header("content-type", media).body(vec![b'x'; size])
    };
    for (request, expected) in [
        (client.get(scene.url()), ProblemType::MethodNotAllowed),
        (client.put(scene.url()), ProblemType::MethodNotAllowed),
        (post("/", REQUEST, 1), ProblemType::NotFound),
        (post("/cps-b", REQUEST, 1), ProblemType::NotFound),
        (post("/cps-a/", REQUEST, 1), ProblemType::NotFound),
        (post("/cps-a/x", REQUEST, 1), ProblemType::NotFound),
        (
            post("/https:%2F%2Fevil.example%2F", REQUEST, 1),
            ProblemType::NotFound,
        ),
        (
            post("/cps-a", "message/ohttp-res", 1),
            ProblemType::UnsupportedMediaType,
        ),
        (client.post(scene.url()), ProblemType::UnsupportedMediaType),
        (post("/cps-a", REQUEST, 16_385), ProblemType::BodyTooLarge),
    ] {
        let answer = Answer::to(request).await.unwrap();
        assert_eq!(answer.problem(), expected, "{}", problem(&answer));
    }
    let relay = scene.relay.addresses().public;
    for request in [
        "POST https://evil.example/cps-a HTTP/1.1\r\nhost: evil.example\r\n",
        "POST http://relay.test/cps-a HTTP/1.1\r\nhost: relay.test\r\n",
        "CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n",
    ] {
        let body = format!("content-type: {REQUEST}\r\ncontent-length: 1\r\n\r\nx");
        let said = raw(relay, format!("{request}{body}").as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 421 "), "{request}: {said}");
        assert!(said.contains("no proxy"), "{said}");
    }
    assert_eq!(scene.gateway.asked().len(), 0);
    assert_eq!(scene.gateway.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_body_no_more_is_read_than_may_be() {
    let scene = Scene::open(&[]).await;
    let relay = scene.relay.addresses().public;
    let head = format!("POST /cps-a HTTP/1.1\r\nhost: relay.test\r\ncontent-type: {REQUEST}\r\n");
    // Announced: refused before a byte of it is sent.
    let announced = format!("{head}content-length: 1000000000\r\n\r\n");
    let said = raw(relay, announced.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    // Not announced: refused at the first byte too many, though the body has no end.
    let chunk = format!("4001\r\n{}\r\n", "x".repeat(0x4001));
    let endless = format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}");
    let said = raw(relay, endless.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    assert_eq!(scene.gateway.connections(), 0);
}
