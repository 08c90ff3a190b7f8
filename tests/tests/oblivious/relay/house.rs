//! A gateway behind the listener of this project's services, which ends a connection without TLS
//! after 128 KiB: no request is lost to that.

use axum::Router;
use axum::routing::post;
use futures_util::future::join_all;
use http::header::CONTENT_TYPE;
use pennyblack_base::service_paths::{OHTTP_GATEWAY_PATH, OHTTP_RESPONSE_MEDIA_TYPE};
use pennyblack_runtime::config::PublicConfig;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::listener::Listener;

use super::scene::Scene;

/// As long as a store that is sealed.
const BODY: usize = 4_151;

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_when_connections_are_replaced() {
    let public = PublicConfig::plain("127.0.0.1:0".parse().unwrap());
    let listener = Listener::bind_public(&public).await.unwrap();
    let url = format!("http://{}", listener.address());
    let answer = async || ([(CONTENT_TYPE, OHTTP_RESPONSE_MEDIA_TYPE)], "sealed");
    let router = Router::new().route(OHTTP_GATEWAY_PATH, post(answer));
    let shutdown = Shutdown::new();
    let serving = tokio::spawn(listener.serve(router, shutdown.clone()));

    let gateway = format!("gateway=[{{name=\"cps-a\", url=\"{url}\"}}]");
    let settings = [&gateway, "clients.requests_a_second=100000"];
    let scene = Scene::open(&settings).await;
    let body = "x".repeat(BODY);
    let clients = [1, 2, 3, 4].map(|n| scene.client([127, 0, 0, n]));
    for _ in 0..50 {
        // Twelve of each of four clients at once.
        let at_once = clients.iter().flat_map(|client| [client; 12]);
        let answers = join_all(at_once.map(|client| scene.ask(client, &body))).await;
        for answer in answers {
            assert_eq!(answer.content(), b"sealed");
        }
    }
    let connections = r#"pennyblack_relay_connections_total{gateway="cps-a"} "#;
    let metrics = scene.admin("/metrics").await;
    let connections = metrics
        .lines()
        .find_map(|line| line.strip_prefix(connections));
    let connections: usize = connections.unwrap().parse().unwrap();
    // As few as can take so many bytes.
    let fewest = (50 * 48 * BODY).div_ceil(120 * 1024);
    assert!(
        (fewest..fewest + fewest / 4).contains(&connections),
        "{connections}"
    );
    shutdown.trigger();
    scene.relay.stop().await;
    serving.await.unwrap();
}
