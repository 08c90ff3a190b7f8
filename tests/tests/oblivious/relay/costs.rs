//! How much memory a relay has: no more for ten thousand clients than for one thousand, and
//! no more than it says for answers that nobody takes. And its processor time.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::wait::until;
use reqwest::Certificate;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::scene::{REQUEST, Scene};

const SOON: Duration = Duration::from_secs(30);

/// KiB that a process has now (`VmRSS`), or has had at most (`VmHWM`).
fn kib(process: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let text = line.unwrap().trim_start_matches(':').trim_end_matches("kB");
    text.trim().parse().unwrap()
}

/// Requests of so many clients, 50 at a time, each on a connection of its own and from an
/// address of its own.
async fn serve_clients(scene: &Scene, numbers: std::ops::Range<u16>) {
    let body = format!("size 9264\n{}", "x".repeat(4_140));
    let numbers: Vec<_> = numbers.collect();
    for some in numbers.chunks(50) {
        join_all(some.iter().map(async |number| {
            let [high, low] = number.to_be_bytes();
            let client = scene.client([127, 1, high, low]);
            assert_eq!(scene.ask(&client, &body).await.content().len(), 9_264);
        }))
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of a minute"]
async fn ten_thousand_clients_need_no_more_memory_than_one_thousand() {
    let scene = Scene::open(&[]).await;
    let relay = scene.relay.id();
    let at_start = kib(relay, "VmRSS");
    serve_clients(&scene, 1..1_000).await;
    let thousand = kib(relay, "VmRSS");
    serve_clients(&scene, 1_000..10_000).await;
    let all = kib(relay, "VmRSS");
    println!("KiB: {at_start} at the start, {thousand} after 1,000 clients, {all} after 10,000");
    assert!(all < thousand + 2_048);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_takes_need_no_more_memory_than_is_stated() {
    let limits = [
        "public.limits.held_bytes=16777216",
        "clients.requests_a_second=100000",
        "clients.at_once=1000",
    ];
    let scene = Scene::open(&limits).await;
    let relay = scene.relay.addresses().public;
    let before = kib(scene.relay.id(), "VmRSS");
    let body = "size 1056816";
    let request = format!(
        "POST /cps-a HTTP/1.1\r\nhost: relay.test\r\ncontent-type: {REQUEST}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut socket = TcpStream::connect(relay).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        silent.push(socket);
    }
    // One that takes its answers still has them; a busy gateway may be too late for some.
    let client = scene.client([127, 0, 0, 2]);
    for _ in 0..20 {
        let status = scene.ask(&client, "hello").await.status.as_u16();
        assert!(matches!(status, 200 | 503 | 504), "{status}");
    }
    until("answers to most", SOON, async || {
        (scene.gateway.asked_for(body) >= 150).then_some(())
    })
    .await;
    let most = kib(scene.relay.id(), "VmHWM");
    println!("KiB: {before} at the start, {most} at most");
    assert!(
        most < before + 64 * 1024,
        "{before} at the start, {most} at most"
    );
}

/// Hundredths of a second that a process has had of processors.
fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = after_name.split_whitespace().collect();
    let number = |field: usize| fields[field].parse::<u64>().unwrap();
    number(11) + number(12)
}

/// Certificate and key of the relay at `localhost`, and clients that trust it.
fn tls(home: &Path) -> (String, [reqwest::Client; 4]) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = ["relay.pem", "relay.key"].map(|name| home.join(name));
    fs::write(&files[0], own.cert.pem()).unwrap();
    fs::write(&files[1], own.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&files[1], Permissions::from_mode(0o600)).unwrap();
    let [certificate, key] = files;
    let setting = format!("public.tls={{certificate={certificate:?}, key={key:?}}}");
    let certificate = Certificate::from_der(own.cert.der()).unwrap();
    let clients = [1, 2, 3, 4].map(|n| {
        let client = reqwest::Client::builder().tls_certs_only([certificate.clone()]);
        let client = client.http2_prior_knowledge();
        let client = client.local_address(Some([127, 0, 0, n].into()));
        client.no_proxy().build().unwrap()
    });
    (setting, clients)
}

/// With TLS and HTTP/2 on both sides, sixteen requests at one time. Clients keep their
/// connections as long as the relay lets them.
async fn cost_of_a_request(replace_after_bytes: &str) -> String {
    const REQUESTS: usize = 20_000;
    let home = tempfile::tempdir().unwrap();
    let (setting, clients) = tls(home.path());
    let replace = format!("forward.replace_after_bytes={replace_after_bytes}");
    let limits = ["clients.requests_a_second=1000000", &setting, &replace];
    let scene = Scene::open(&limits).await;
    let port = scene.relay.addresses().public.port();
    let url = format!("https://localhost:{port}/cps-a");
    let body = format!("size 9248\n{}", "x".repeat(8_237));
    let ask = async |number: usize| {
        // A request that the end of its connection has overtaken is sent again.
        loop {
            let request = clients[number % clients.len()].post(&url);
            let request = request.header("content-type", REQUEST).body(body.clone());
            if let Ok(answer) = Answer::to(request).await {
                assert_eq!(answer.content().len(), 9_248);
                return;
            }
        }
    };
    let ask_all = async |count: usize| {
        let asked = futures_util::stream::iter(0..count).map(&ask);
        asked.buffer_unordered(16).collect::<()>().await;
    };
    ask_all(1_000).await;
    let before = (ticks(scene.relay.id()), scene.gateway.connections());
    ask_all(REQUESTS).await;
    let micros = (ticks(scene.relay.id()) - before.0) * 10_000 / REQUESTS as u64;
    let connections = scene.gateway.connections() - before.1;
    format!("{replace}: {micros} µs a request, {connections} new connections to the gateway")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn what_a_request_costs_the_relay() {
    for replace_after_bytes in ["never", "122880"] {
        println!("{}", cost_of_a_request(replace_after_bytes).await);
    }
}
