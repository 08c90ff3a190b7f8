//! The floor of a relay: takes requests by the same listener, passes their bodies on by the
//! same kept connection, and answers what comes back. It has no shares for clients, no
//! deadline, no count and no word of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::any;
use http::{HeaderValue, StatusCode};
use pennyblack_base::service_paths::{OHTTP_GATEWAY_PATH, OHTTP_REQUEST_MEDIA_TYPE};
use pennyblack_http::{ClientCertificate, KeptConnection, TlsClient, TrustRoots};
use pennyblack_relay::Config;
use pennyblack_relay::config::GatewaySection;
use pennyblack_runtime::config::{Sources, TlsConfig, load};
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::listener::Listener;
use pennyblack_service::tls::{TlsSettings, read};
use tokio::time::Instant;

use crate::floor_process::announce;
use crate::machine;

/// The argument that makes this program pass requests through.
pub const ARGUMENT: &str = "pass-through";

/// Passes through until it is killed. `arguments` are those after [`ARGUMENT`].
pub fn serve(arguments: &[String]) {
    let [core, config] = arguments else {
        panic!("{ARGUMENT} CORE CONFIGURATION-OF-A-RELAY");
    };
    machine::pin(core.parse().unwrap());
    let config: Config = load(Sources {
        file: Some(Path::new(config)),
        environment: &[],
        settings: &[],
    })
    .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = Listener::bind_public(&config.public).await.unwrap();
        announce(listener.address());
        let router = Router::new()
            .fallback(any(pass))
            .with_state(Arc::new(way_to_gateway(&config)));
        listener.serve(router, Shutdown::new()).await;
    });
}

fn way_to_gateway(config: &Config) -> KeptConnection {
    let gateway = &config.gateway[0];
    let tls = tls_client(gateway);
    let service = gateway.url.service().clone();
    KeptConnection::new(
        service,
        move || Some(tls.clone()),
        config.forward.kept(gateway),
    )
}

fn tls_client(gateway: &GatewaySection) -> TlsClient {
    let files = TlsConfig {
        certificate: gateway.client_certificate.clone().unwrap(),
        key: gateway.client_key.clone().unwrap(),
    };
    let (chain, key) = read(&files, TlsSettings::CONFIGURED).unwrap();
    let roots = TrustRoots::only_or_system(gateway.tls_roots.clone());
    TlsClient::http2(&roots, Some(ClientCertificate { chain, key })).unwrap()
}

async fn pass(State(gateway): State<Arc<KeptConnection>>, body: Bytes) -> (StatusCode, Vec<u8>) {
    let media_type = HeaderValue::from_static(OHTTP_REQUEST_MEDIA_TYPE);
    let connect_by = Instant::now() + Duration::from_secs(5);
    let answer = gateway.post(OHTTP_GATEWAY_PATH, media_type, body, connect_by);
    let answer = answer.await;
    let mut answer = answer.unwrap();
    let mut content = Vec::new();
    while let Some(piece) = answer.piece().await.unwrap() {
        content.extend_from_slice(&piece);
    }
    (answer.status, content)
}
