use axum::Router;
use axum::http::header::DATE;
use axum::routing::get;
use pennyblack_http::{HttpClient, HttpOptions, Request};
use pennyblack_privacypass::directory::WELL_KNOWN_PATH;
use tokio::net::TcpListener;

use super::*;
use crate::config::IssuerConfig;

/// An issuer whose clock reads this, and which has nothing else to say.
async fn issuer(date: &'static str) -> IssuerConfig {
    let answer = get(move || async move { ([(DATE, date)], "") });
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let router = Router::new().route(WELL_KNOWN_PATH, answer);
    tokio::spawn(axum::serve(socket, router).into_future());
    IssuerConfig {
        authority: format!("localhost:{}", address.port()).parse().unwrap(),
        url: Some(format!("http://{address}")),
        tls_roots: None,
        voprf_keys: None,
        log: Default::default(),
        log_key: None,
        tokens: Default::default(),
    }
}

async fn readiness_at(client: &HttpClient, url: &str) -> String {
    let answer = client.exchange(&Request::get(url.to_owned(), 65_536)).await;
    String::from_utf8(answer.unwrap().body.into()).unwrap()
}

#[tokio::test]
async fn a_cps_whose_clock_no_issuer_shares_says_that_it_is_not_ready() {
    let home = tempfile::tempdir().unwrap();
    let issuer = issuer("Sun, 29 Nov 2020 06:00:00 GMT").await;
    let (data, roots) = (home.path().join("data"), home.path().join("roots"));
    let config = Config::local("cps.example".parse().unwrap(), data, roots, issuer);
    let running = Cps::start(config, Clock::system()).await.unwrap();
    let url = format!("http://{}/readyz", running.addresses().admin);
    let client = HttpOptions::default().client().unwrap();
    let mut said = String::new();
    while !said.contains("clock: this machine's clock is") {
        said = readiness_at(&client, &url).await;
    }
    assert!(
        said.contains("ahead of that of the issuer localhost:"),
        "{said}"
    );
    running.stop().await;
}
