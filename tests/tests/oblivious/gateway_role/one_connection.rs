//! A relay is one connection with the requests of many clients.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pennyblack_base::service_paths::{OHTTP_GATEWAY_PATH, OHTTP_REQUEST_MEDIA_TYPE};
use pennyblack_ohttp::encapsulation::ResponseOpener;
use pennyblack_ohttp::key_config::KeyConfig;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::sealed::{first_key, inner_get, inner_store, open, seal};
use pennyblack_tests::world::World;
use tokio::net::TcpStream;

use super::gateway;

/// Of calls, and of pages beside them: together fewer than a connection takes bytes for, with
/// some repetitions (docs/reliability.md).
const CALLS: usize = 6;

/// As many as a connection takes bytes for, but one.
const PAGES: usize = 14;

const RELAYS: usize = 3;

/// A relay's connection.
struct Relay {
    requests: SendRequest<Full<Bytes>>,
    url: String,
}

impl Relay {
    /// Takes so many bytes of each answer before it reads them.
    async fn connect(world: &World, window: u32) -> Self {
        let stream = TcpStream::connect(world.cps_name().as_str()).await.unwrap();
        let made = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window)
            .initial_connection_window_size(4 << 20)
            .handshake(TokioIo::new(stream))
            .await;
        let (requests, connection) = made.unwrap();
        tokio::spawn(connection);
        Self {
            requests,
            url: format!("http://{}{OHTTP_GATEWAY_PATH}", world.cps_name()),
        }
    }

    /// Passes an oblivious request on; the head of its answer. `None` if its stream was
    /// refused or ended.
    async fn begin(&self, sealed: Vec<u8>) -> Option<Response<Incoming>> {
        let request = Request::post(&self.url).header("content-type", OHTTP_REQUEST_MEDIA_TYPE);
        let request = request.body(Full::from(sealed)).unwrap();
        self.requests.clone().send_request(request).await.ok()
    }

    /// The rest of an answer.
    async fn rest(response: Response<Incoming>) -> Option<Answer> {
        let (head, body) = response.into_parts();
        Some(Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.ok()?.to_bytes().into(),
        })
    }

    async fn pass(&self, sealed: Vec<u8>) -> Option<Answer> {
        Self::rest(self.begin(sealed).await?).await
    }

    fn is_open(&self) -> bool {
        !self.requests.is_closed()
    }
}

/// A page of the most slots.
fn large_page(world: &World, key: &KeyConfig) -> (Vec<u8>, ResponseOpener) {
    let path = "/v1/mailboxes/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA?slots=256";
    seal(key, &inner_get(world, path))
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_ends_exchanges_and_not_the_relays_connection() {
    // Room for about thirty pages, of which none is taken at first.
    let scene = gateway(|world| world.cps.public.limits.held_bytes = 16 << 20).await;
    let world = &scene.world;
    let key = first_key(world).await;
    let relays = join_all((0..RELAYS).map(|_| Relay::connect(world, 65_535))).await;
    let begun = join_all((0..RELAYS * PAGES).map(async |nth| {
        let (sealed, opener) = large_page(world, &key);
        Some((relays[nth % RELAYS].begin(sealed).await?, opener))
    }));
    let mut whole = 0;
    let begun: Vec<_> = begun.await.into_iter().flatten().collect();
    for (response, opener) in begun {
        let Some(answer) = Relay::rest(response).await else {
            continue;
        };
        if answer.status == StatusCode::OK {
            let _ = open(opener, &answer);
            whole += 1;
        }
    }
    assert!((1..RELAYS * PAGES).contains(&whole), "{whole} pages came");
    for relay in relays {
        assert!(relay.is_open(), "{whole} pages came");
        let (sealed, opener) = seal(&key, &inner_get(world, "/log/key"));
        let answer = relay.pass(sealed).await.unwrap();
        assert_eq!(open(opener, &answer).inner.status, StatusCode::OK);
    }
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_a_relay_cannot_end_the_calls_of_another() {
    let scene = gateway(|world| world.cps.public.limits.held_bytes = 16 << 20).await;
    let world = &scene.world;
    let key = first_key(world).await;
    let mailbox = world.mailbox().await;
    let signed: Vec<_> = world
        .draw(CALLS)
        .await
        .iter()
        .map(|token| world.spend(token, &mailbox, "a.b.c"))
        .collect();
    let relays = join_all((0..RELAYS).map(|_| Relay::connect(world, 2 << 20))).await;
    let relay = &relays[0];
    let flood = join_all((0..RELAYS * CALLS).map(async |nth| {
        let (sealed, opener) = large_page(world, &key);
        let answer = relays[nth % RELAYS].pass(sealed).await;
        answer.map(|answer| open(opener, &answer))
    }));
    let call = async |signed| {
        let mut tries = 0;
        loop {
            let (sealed, opener) = seal(&key, &inner_store(world, signed));
            if let Some(answer) = relay.pass(sealed).await
                && answer.status == StatusCode::OK
            {
                open(opener, &answer).inner.assert_created();
                return tries;
            }
            // As the problem document says.
            tries += 1;
            assert!(tries < 20, "a call is kept out");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let calls = join_all(signed.iter().map(call));
    let (pages, tries) = tokio::join!(flood, calls);
    let whole = pages.iter().flatten().count();
    assert!(relay.is_open());
    assert_eq!(world.read(&mailbox).await.len(), CALLS);
    let first: usize = tries.iter().filter(|tries| **tries == 0).count();
    assert!(
        first >= CALLS - 1,
        "{whole} pages came; tries of calls: {tries:?}"
    );
    scene.close().await;
}
