mod diagnosis;
mod fresh_clients;
mod routed;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pennyblack_base::problem::ProblemType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const QUICK: RetryPolicy = RetryPolicy {
    retries: 3,
    longest_pause: Duration::from_millis(200),
    within: None,
};

/// A server that gives each connection the next of `answers`, the last one for
/// ever, and counts.
async fn serve(answers: Vec<String>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let served = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&served);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let turn = counter.fetch_add(1, Ordering::SeqCst);
            let mut seen = [0; 4096];
            let _ = socket.read(&mut seen).await;
            let answer = answers.get(turn).or(answers.last()).unwrap();
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (url, served)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

async fn get(url: String, retry: RetryPolicy) -> Result<Answer, HttpError> {
    let client = HttpOptions::default().client().unwrap();
    client.send(&Request::get(url, 10), retry).await
}

#[tokio::test]
async fn a_lost_answer_and_an_overload_are_tried_again() {
    let overloaded = answer("503 Service Unavailable", "retry-after: 0\r\n", "");
    let (url, served) = serve(vec![String::new(), overloaded, answer("200 OK", "", "ok")]).await;
    assert_eq!(get(url, QUICK).await.unwrap().body.as_ref(), b"ok");
    assert_eq!(served.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_refusal_is_not_tried_again_and_says_what_its_document_says() {
    let document = ProblemType::TokenAlreadySpent.document();
    let refusal = answer("409 Conflict", "", &document.to_json());
    let (url, served) = serve(vec![refusal]).await;
    let error = get(url, QUICK).await.unwrap_err();
    assert_eq!(
        error.refused().unwrap().kind(),
        Some(ProblemType::TokenAlreadySpent)
    );
    assert!(error.to_string().contains("Use another token"), "{error}");
    assert_eq!(served.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_retry_after_beyond_the_longest_pause_ends_the_trying() {
    let quota = answer("429 Too Many Requests", "retry-after: 3600\r\n", "");
    let (url, served) = serve(vec![quota]).await;
    let error = get(url, QUICK).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!(served.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, reached) = serve(vec![answer("200 OK", "", "ok")]).await;
    let location = format!("location: {elsewhere}\r\n");
    let (url, _) = serve(vec![answer("307 Temporary Redirect", &location, "")]).await;
    assert!(matches!(
        get(url, QUICK).await,
        Err(HttpError::Redirected { .. })
    ));
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_longer_than_allowed_is_cut_off() {
    let (url, _) = serve(vec![answer("200 OK", "", "eleven byte")]).await;
    assert!(matches!(
        get(url, QUICK).await,
        Err(HttpError::TooLong { limit: 10, .. })
    ));
}

#[tokio::test]
async fn the_media_type_of_an_answer_is_looked_at() {
    let html = answer(
        "200 OK",
        "content-type: text/html; charset=utf-8\r\n",
        "<p>",
    );
    let (url, _) = serve(vec![html]).await;
    let answer = get(url, QUICK).await.unwrap();
    assert!(answer.content("text/html").is_ok());
    assert!(matches!(
        answer.content("application/json"),
        Err(HttpError::MediaType { .. })
    ));
}

#[tokio::test]
async fn every_status_is_an_answer_to_an_exchange() {
    let location = "location: http://127.0.0.1:1/\r\n";
    for status in [
        "200 OK",
        "307 Temporary Redirect",
        "409 Conflict",
        "503 Away",
    ] {
        let (url, served) = serve(vec![answer(status, location, "ten bytes.")]).await;
        let client = HttpOptions::default().client().unwrap();
        let answered = client
            .exchange(&Request::get(url.clone(), 10))
            .await
            .unwrap();
        assert_eq!(answered.status.as_str(), &status[..3]);
        assert_eq!(answered.body.as_ref(), b"ten bytes.");
        assert_eq!(served.load(Ordering::SeqCst), 1);
        let too_long = client.exchange(&Request::get(url, 9)).await;
        assert!(
            matches!(too_long, Err(HttpError::TooLong { limit: 9, .. })),
            "{status}"
        );
    }
}

#[tokio::test]
async fn not_modified_is_an_answer_to_a_conditional_request_only() {
    let (url, _) = serve(vec![answer("304 Not Modified", "", "")]).await;
    let client = HttpOptions::default().client().unwrap();
    let plain = Request::get(url, 10);
    let refused = client.send(&plain, QUICK).await.unwrap_err();
    assert!(refused.refused().is_some(), "{refused}");
    let conditional = plain.if_none_match("\"tag\"");
    let answered = client.send(&conditional, QUICK).await.unwrap();
    assert!(answered.is_not_modified());
}

#[tokio::test]
async fn a_missing_resource_is_none_and_a_refused_one_an_error() {
    let client = HttpOptions::default().client().unwrap();
    let find = async |status: &str| {
        let (url, _) = serve(vec![answer(status, "", "found")]).await;
        let request = Request::get(url, 10);
        client.find(&request, RetryPolicy::NONE).await
    };
    assert_eq!(find("200 OK").await.unwrap().unwrap().as_ref(), b"found");
    assert_eq!(find("404 Not Found").await.unwrap(), None);
    assert!(find("410 Gone").await.unwrap_err().refused().is_some());
}

#[tokio::test]
async fn an_answer_tells_its_tag_and_how_long_it_may_be_used() {
    let headers = "etag: \"tag\"\r\ncache-control: public, max-age=300\r\n";
    let (url, _) = serve(vec![answer("200 OK", headers, "ok")]).await;
    let told = get(url, QUICK).await.unwrap();
    assert_eq!(told.etag(), Some("\"tag\""));
    let limits = |max| SpanLimits {
        default: Duration::from_secs(7),
        min: Duration::from_secs(1),
        max: Duration::from_secs(max),
    };
    assert_eq!(told.max_age(&limits(600)), Duration::from_secs(300));
    assert_eq!(told.max_age(&limits(60)), Duration::from_secs(60));
    let (url, _) = serve(vec![answer("200 OK", "cache-control: no-cache\r\n", "ok")]).await;
    let silent = get(url, QUICK).await.unwrap();
    assert_eq!(silent.etag(), None);
    assert_eq!(silent.max_age(&limits(600)), Duration::from_secs(7));
}

#[test]
fn a_credential_is_sent_as_a_secret_and_never_printed() {
    let request = Request::post("http://127.0.0.1/".to_owned(), "body", 10).bearer("s3cret");
    let headers = request.header_map().unwrap();
    let value = headers.get("authorization").unwrap();
    assert_eq!(value, "Bearer s3cret");
    assert!(value.is_sensitive());
    assert!(!format!("{request:?}").contains("s3cret"), "{request:?}");
}

#[test]
fn a_header_field_that_cannot_be_sent_is_named_with_its_url() {
    let url = "http://127.0.0.1/".to_owned();
    let request = Request::get(url, 10).header("accept", "a\r\nb");
    let error = request.header_map().unwrap_err().to_string();
    assert!(
        error.contains("accept cannot be sent to http://127.0.0.1/"),
        "{error}"
    );
}

#[test]
fn a_file_without_authorities_is_named() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for path in [file, "/nowhere/roots.pem"] {
        for trust_roots in [
            TrustRoots::only_or_system(Some(path.into())),
            TrustRoots::system_and(Some(path.into())),
        ] {
            let options = HttpOptions {
                trust_roots,
                ..HttpOptions::default()
            };
            for error in [
                options.client().unwrap_err(),
                options.fresh_clients().unwrap_err(),
            ] {
                assert!(matches!(error, HttpError::CaFile { .. }), "{error}");
                assert!(error.to_string().contains(path), "{error}");
            }
        }
    }
}

#[test]
fn an_address_is_a_url_or_a_name_and_a_url() {
    let plain: ServiceAddress = "https://cps.example".parse().unwrap();
    assert_eq!(plain.authority().as_str(), "cps.example");
    assert_eq!(plain.url("/v1/keys"), "https://cps.example/v1/keys");
    let named: ServiceAddress = "cps.example=http://127.0.0.1:8080".parse().unwrap();
    assert_eq!(named.authority().as_str(), "cps.example");
    assert_eq!(named.url("/"), "http://127.0.0.1:8080/");
    assert_eq!(named.to_string().parse(), Ok(named));
    for wrong in [
        "http://cps.example",
        "ftp://x",
        "https://cps.example/path",
        "cps.example",
    ] {
        assert!(wrong.parse::<ServiceAddress>().is_err(), "{wrong}");
    }
}
