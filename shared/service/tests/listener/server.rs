//! A whole server as its operator and its clients see it: addresses, problem
//! documents for every refusal of the HTTP stack, the admin page, and the end.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use pennyblack_base::problem::{Problem, ProblemType};
use pennyblack_runtime::config::{AdminConfig, Limits, PublicConfig};
use pennyblack_service::admin::{Metrics, Readiness};
use pennyblack_service::server::{Addresses, RunningServer, Server, ShutdownStages};
use tokio::sync::Notify;

struct Scene {
    server: RunningServer,
    readiness: Readiness,
}

impl Scene {
    async fn open(router: Router, limits: Limits) -> Self {
        let mut public = PublicConfig::plain("127.0.0.1:0".parse().unwrap());
        public.limits = limits;
        let readiness = Readiness::new();
        let server = Server::bind(&public, &AdminConfig::default())
            .await
            .unwrap()
            .start(
                router,
                Router::new().route("/own", get(|| async { "the service's own" })),
                Metrics::of_this_process().unwrap(),
                readiness.clone(),
                ShutdownStages::default(),
            );
        Self { server, readiness }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.addresses().public)
    }

    async fn admin(&self, path: &str) -> (StatusCode, String) {
        let url = format!("http://{}{path}", self.server.addresses().admin);
        let response = reqwest::get(url).await.unwrap();
        (response.status(), response.text().await.unwrap())
    }
}

fn router() -> Router {
    Router::new()
        .route(
            "/length",
            post(|body: Bytes| async move { body.len().to_string() }),
        )
        .route(
            "/number/{number}",
            get(|Path(number): Path<u8>| async move { number.to_string() }),
        )
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        )
}

async fn problem(response: reqwest::Response) -> (Problem, HeaderMap) {
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "application/problem+json");
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let length = headers["content-length"]
        .to_str()
        .unwrap()
        .parse::<usize>()
        .unwrap();
    assert_eq!(length, text.len());
    let problem: Problem = serde_json::from_str(&text).unwrap();
    assert_eq!(problem.status, status);
    assert!(!problem.detail.is_empty());
    (problem, headers)
}

#[tokio::test]
async fn refusals_of_the_http_stack_are_problem_documents() {
    let scene = Scene::open(
        router(),
        Limits {
            body_bytes: 10,
            ..Limits::default()
        },
    )
    .await;
    let client = reqwest::Client::new();

    let (nowhere, _) = problem(client.get(scene.url("/nowhere")).send().await.unwrap()).await;
    assert_eq!(nowhere.problem_type(), Some(ProblemType::NotFound));

    let (method, headers) = problem(client.get(scene.url("/length")).send().await.unwrap()).await;
    assert_eq!(method.problem_type(), Some(ProblemType::MethodNotAllowed));
    assert_eq!(headers["allow"], "POST");

    let (path, _) = problem(client.get(scene.url("/number/many")).send().await.unwrap()).await;
    assert_eq!((path.kind.as_str(), path.status), ("about:blank", 400));

    let (panic, _) = problem(client.get(scene.url("/panic")).send().await.unwrap()).await;
    assert_eq!(panic.problem_type(), Some(ProblemType::Internal));
    assert!(!panic.detail.contains("on purpose"));

    let response = client
        .post(scene.url("/length"))
        .body("0123456789")
        .send()
        .await
        .unwrap();
    assert_eq!(response.text().await.unwrap(), "10");
    scene.server.stop().await;
}

#[tokio::test]
async fn a_body_too_large_is_refused_whether_or_not_its_length_is_announced() {
    let scene = Scene::open(
        router(),
        Limits {
            body_bytes: 10,
            ..Limits::default()
        },
    )
    .await;
    let client = reqwest::Client::new();
    let url = scene.url("/length");
    let (announced, _) = problem(client.post(&url).body("01234567890").send().await.unwrap()).await;
    assert_eq!(announced.problem_type(), Some(ProblemType::BodyTooLarge));

    let unannounced = b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        b\r\n01234567890\r\n0\r\n\r\n";
    let answer = tokio::task::spawn_blocking({
        let address = scene.server.addresses().public;
        move || {
            use std::io::{Read as _, Write as _};
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(unannounced).unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).unwrap();
            answer
        }
    });
    assert_eq!(&answer.await.unwrap(), b"HTTP/1.1 413");

    let (_, metrics) = scene.admin("/metrics").await;
    let counted = r#"pennyblack_requests_not_admitted_total{type="body-too-large"} "#;
    let count = metrics.lines().find_map(|line| line.strip_prefix(counted));
    assert!(count.unwrap().parse::<u64>().unwrap() >= 2, "{count:?}");
}

#[tokio::test]
async fn a_request_too_many_is_told_to_come_back() {
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (begun, release) = (Arc::clone(&begun), Arc::clone(&release));
        get(|| async move {
            begun.notify_one();
            release.notified().await;
        })
    };
    let router = Router::new()
        .route("/slow", slow)
        .route("/", get(|| async {}));
    let scene = Scene::open(
        router,
        Limits {
            requests: 1,
            ..Limits::default()
        },
    )
    .await;
    let held = tokio::spawn(reqwest::get(scene.url("/slow")));
    begun.notified().await;
    let (overloaded, headers) = problem(reqwest::get(scene.url("/")).await.unwrap()).await;
    assert_eq!(overloaded.problem_type(), Some(ProblemType::Overloaded));
    assert_eq!(headers["retry-after"], "1");
    release.notify_one();
    assert!(held.await.unwrap().unwrap().status().is_success());
    assert!(
        reqwest::get(scene.url("/"))
            .await
            .unwrap()
            .status()
            .is_success()
    );
}

#[tokio::test]
async fn the_admin_page_tells_metrics_health_and_what_is_missing() {
    let scene = Scene::open(router(), Limits::default()).await;
    metrics::counter!("pennyblack_test_total").increment(3);
    let (_, metrics) = scene.admin("/metrics").await;
    assert!(metrics.contains("pennyblack_test_total 3"), "{metrics}");
    assert_eq!(
        scene.admin("/healthz").await,
        (StatusCode::OK, "alive\n".to_owned())
    );
    assert_eq!(scene.admin("/readyz").await.0, StatusCode::OK);

    scene.readiness.lacks("revocation", "the list is 3 h old");
    let (status, text) = scene.admin("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("the list is 3 h old"), "{text}");
    scene.readiness.has("revocation");
    assert_eq!(scene.admin("/readyz").await.0, StatusCode::OK);
    assert_eq!(scene.admin("/own").await.1, "the service's own");
    // A web page that gave its own name this address reads nothing here.
    let url = format!("http://{}/metrics", scene.server.addresses().admin);
    for (host, status) in [
        ("evil.example:8712", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("localhost:8712", StatusCode::OK),
        ("[::1]:8712", StatusCode::OK),
    ] {
        let get = reqwest::Client::new().get(&url).header("host", host);
        assert_eq!(get.send().await.unwrap().status(), status, "{host}");
    }
    let public = reqwest::get(scene.url("/metrics")).await.unwrap();
    assert_eq!(public.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_addresses_appear_in_the_ready_file() {
    let scene = Scene::open(router(), Limits::default()).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ready.json");
    scene.server.addresses().announce(Some(&path)).unwrap();
    let read: Addresses = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(read, scene.server.addresses());
    assert_ne!(read.public.port(), 0);
}

#[tokio::test]
async fn after_stopping_both_addresses_are_free() {
    let scene = Scene::open(router(), Limits::default()).await;
    let addresses = scene.server.addresses();
    scene.server.stop().await;
    for address in [addresses.public, addresses.admin] {
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }
}
