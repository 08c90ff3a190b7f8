use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pennyblack_base::problem::ProblemType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const QUICK: RetryPolicy = RetryPolicy {
    retries: 3,
    longest_pause: Duration::from_millis(200),
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
