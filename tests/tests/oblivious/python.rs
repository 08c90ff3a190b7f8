//! A client of which nothing is ours: HPKE by pyhpke, binary HTTP and the encapsulation in
//! Python (tests/python).

mod client;
mod mailbox_seal;

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderName;
use axum::routing::get;
use http::{HeaderValue, Method, StatusCode};
use pennyblack_base::service_paths::{OHTTP_KEYS_MEDIA_TYPE, OHTTP_RESPONSE_MEDIA_TYPE};
use pennyblack_hpke::{Kem, PrivateKey};
use pennyblack_ohttp::binary_http::{Request, Response};
use pennyblack_ohttp::exchange::{open_request, seal_response};
use pennyblack_ohttp::key_config::{GatewayKey, KeyConfig};
use pennyblack_protocol::key_record::KEYS_PATH;
use pennyblack_service::start::RunningService;
use pennyblack_tests::sealed::{inner_get, inner_store, padded_to};
use pennyblack_tests::world::{FIRST_NUMBER, World};
use tokio::net::TcpListener;

use self::client::{Exchange, PythonClient};
use crate::clients::scene::start_relay;
use crate::gateway_role::gateway;

/// Bytes of a sealed request and of the answers to stores and look-ups, with X25519
/// (docs/protocol.md section 8.3).
const REQUEST: usize = 4_096 + 55;
const ANSWER: usize = 9_216 + 32;

/// How it is asked to send: with all content in one piece, or in chunks.
const IN_ONE_PIECE: &[&str] = &["--pad=4096"];
const IN_CHUNKS: &[&str] = &["--pad=4096", "--indeterminate"];

/// A relay in front of the CPS, and a client that sends through it.
async fn by_a_relay(world: &World) -> (RunningService, PythonClient) {
    let cps = world.cps_name().as_str();
    let relay = start_relay(cps.parse().unwrap()).await;
    let python = PythonClient::new(cps, relay.addresses().public);
    (relay, python)
}

fn look_up(world: &World) -> Request {
    padded_to(
        inner_get(world, &format!("{KEYS_PATH}/{FIRST_NUMBER}")),
        9_216,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn it_looks_up_stores_and_polls_through_a_relay() {
    let scene = gateway(|_| ()).await;
    let world = &scene.world;
    let (relay, python) = by_a_relay(world).await;
    let mailbox = world.mailbox().await;
    let mut exchanges = Vec::new();

    let found = python.ask(&look_up(world), IN_ONE_PIECE).await;
    let direct = world.get(&format!("{KEYS_PATH}/{FIRST_NUMBER}")).await;
    assert_eq!(found[0].answer.inner.content(), direct.content());
    exchanges.extend(found);

    let forms = [("in.one.piece", IN_ONE_PIECE), ("in.two.chunks", IN_CHUNKS)];
    for (token, (passport, form)) in world.draw(2).await.iter().zip(forms) {
        let signed = world.spend(token, &mailbox, passport);
        let store = padded_to(inner_store(world, &signed), 9_216);
        let stored = python.ask(&store, form).await;
        stored[0].answer.inner.assert_created();
        exchanges.extend(stored);
    }

    let poll = inner_get(world, &format!("/v1/mailboxes/{}?slots=4", mailbox.id()));
    let polled = python.ask(&poll, IN_ONE_PIECE).await;
    let page = mailbox.open(world.cps_name(), polled[0].answer.inner.content());
    assert_eq!(
        mailbox.read(world.cps_name(), &page),
        ["in.one.piece", "in.two.chunks"]
    );
    exchanges.extend(polled);

    // The relay sees the same of each.
    let seen = |exchange: &Exchange| (exchange.request_size, exchange.answer.size);
    assert_eq!(
        exchanges.iter().map(seen).collect::<Vec<_>>(),
        [(REQUEST, ANSWER); 4]
    );
    relay.stop().await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_a_relay_sends_again_is_one_entry_and_one_spend() {
    let scene = gateway(|_| ()).await;
    let world = &scene.world;
    let (relay, python) = by_a_relay(world).await;
    let mailbox = world.mailbox().await;
    let signed = world.spend(&world.draw_one().await, &mailbox, "a.b.c");
    // Not padded, either: a gateway takes what others send.
    let answers = python
        .ask(&inner_store(world, &signed), &["--replay", "1"])
        .await;
    assert_eq!(answers.len(), 2);
    for exchange in answers {
        exchange.answer.inner.assert_created();
    }
    assert_eq!(world.read(&mailbox).await, ["a.b.c"]);
    let counted = scene.counted().await;
    let totals = &counted["totals"];
    assert_eq!(
        (&totals["stored"], &totals["replayed"]),
        (&1.into(), &1.into()),
        "{counted}"
    );
    relay.stop().await;
    scene.close().await;
}

/// A gateway of P-256, which no CPS offers: it answers with what it was sent.
async fn echo_of_p256() -> SocketAddr {
    let private = PrivateKey::generate(Kem::DhkemP256, &mut rand::rng());
    let key = GatewayKey::new(7, private).unwrap();
    let list = KeyConfig::encode_list([key.config()]);
    let content_type = |value| [(HeaderName::from_static("content-type"), value)];
    let answer = async move |sealed: Bytes| {
        let opened = open_request(&[key], &sealed).unwrap();
        let request = opened.request.unwrap();
        assert_eq!(request.method, Method::PUT);
        let mut response = Response::new(StatusCode::ACCEPTED);
        response.fields = request.fields;
        response.content = request.content;
        let sealed = seal_response(opened.sealer, &response, None, &mut rand::rng());
        (content_type(OHTTP_RESPONSE_MEDIA_TYPE), sealed.unwrap())
    };
    let router = Router::new().route(
        "/",
        get(async move || (content_type(OHTTP_KEYS_MEDIA_TYPE), list)).post(answer),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn with_p256_its_requests_are_opened_and_the_answers_to_them() {
    let gateway = echo_of_p256().await;
    let python = PythonClient::of_url(&format!("http://{gateway}/"));
    let path = "/somewhere".parse().unwrap();
    let mut request = Request::new(Method::PUT, "cps.test".parse().unwrap(), path);
    let field = HeaderValue::from_static("kept");
    request.fields.insert("x-field", field.clone());
    request.content = (0..=255).collect();
    for form in [IN_ONE_PIECE, IN_CHUNKS] {
        let answers = python
            .ask(&request, &[&["--kem=p256"], form].concat())
            .await;
        let inner = &answers[0].answer.inner;
        assert_eq!(inner.status, StatusCode::ACCEPTED);
        assert_eq!(inner.headers["x-field"], field);
        assert_eq!(inner.body, request.content);
    }
}
