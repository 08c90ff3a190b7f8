//! What a person at a terminal is told when the address, the scheme or the clock is wrong.

use super::*;
use pennyblack_base::service_paths::{ISSUER_DIRECTORY_MEDIA_TYPE, ISSUER_DIRECTORY_PATH};

/// A server whose answers follow from the path that is asked for.
async fn serve_paths(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut seen = [0; 4096];
            let size = socket.read(&mut seen).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&seen[..size]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let _ = socket.write_all(answer(path).as_bytes()).await;
        }
    });
    url
}

fn not_found() -> String {
    answer(
        "404 Not Found",
        "",
        &ProblemType::NotFound.document().to_json(),
    )
}

fn issuer(path: &str) -> String {
    if path == ISSUER_DIRECTORY_PATH {
        let media_type = ISSUER_DIRECTORY_MEDIA_TYPE;
        return answer("200 OK", &format!("content-type: {media_type}\r\n"), "{}");
    }
    not_found()
}

fn cps(path: &str) -> String {
    match path {
        "/v1/passports" => answer("405 Method Not Allowed", "allow: POST\r\n", ""),
        _ => not_found(),
    }
}

#[tokio::test]
async fn a_service_of_another_kind_is_recognised() {
    let nothing = |_: &str| answer("404 Not Found", "", "");
    let admin = |path: &str| match path {
        "/healthz" => answer("200 OK", "", "alive\n"),
        _ => answer("404 Not Found", "", ""),
    };
    let directory = ISSUER_DIRECTORY_PATH;
    for (url, path, said) in [
        (
            serve_paths(issuer).await,
            "/v1/keys/1",
            "it is an issuer, not a CPS",
        ),
        (
            serve_paths(cps).await,
            directory,
            "it is a CPS, not an issuer",
        ),
        (
            serve_paths(admin).await,
            "/v1/keys/1",
            "the admin address of a service, not a CPS",
        ),
        (serve_paths(nothing).await, directory, "it is not an issuer"),
    ] {
        let error = get(format!("{url}{path}"), QUICK).await.unwrap_err();
        let address = url.strip_prefix("http://").unwrap();
        let expected = format!("{address} answers, but ");
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_right_service_stays_what_it_is() {
    let url = serve_paths(cps).await;
    let error = get(format!("{url}/v1/nonsense"), QUICK).await.unwrap_err();
    assert!(error.refused().is_some(), "{error}");
    let url = serve_paths(issuer).await;
    let error = get(format!("{url}/v1/keys/1"), RetryPolicy::NONE)
        .await
        .unwrap_err();
    assert!(
        error.refused().is_some(),
        "nobody waits, and it was asked: {error}"
    );
}

#[tokio::test]
async fn a_refusal_tells_of_a_clock_that_is_wrong_and_when_to_try_again() {
    let quota = ProblemType::QuotaExceeded.document().to_json();
    let headers = "date: Sun, 29 Nov 2020 06:00:00 GMT\r\nretry-after: 79200\r\n";
    let (url, _) = serve(vec![answer("429 Too Many Requests", headers, &quota)]).await;
    let error = get(url, QUICK).await.unwrap_err().to_string();
    assert!(error.contains("Try again in 22 hours."), "{error}");
    assert!(error.contains("days ahead of the service's"), "{error}");
    assert!(error.contains("there 2020-11-29T06:00:00Z"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = get(url, RetryPolicy::NONE).await.unwrap_err().to_string();
    assert!(error.contains("nothing listens there"), "{error}");
}

#[tokio::test]
async fn tls_to_a_plain_port_is_told_the_right_scheme_at_once() {
    let (url, served) = serve(vec![answer("400 Bad Request", "", "")]).await;
    let error = get(url.replacen("http://", "https://", 1), QUICK).await;
    let error = error.unwrap_err().to_string();
    let right = format!("use {}", url.trim_end_matches('/'));
    assert!(
        error.contains("plain HTTP") && error.contains(&right),
        "{error}"
    );
    assert_eq!(served.load(Ordering::SeqCst), 1);
}

/// A server that does TLS handshakes and nothing else.
fn serve_tls() -> String {
    let subject = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(subject.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![subject.cert.der().clone()], key.unwrap())
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let _ = tls.complete_io(&mut stream);
            let _ = tls.write_tls(&mut stream);
        }
    });
    url
}

#[tokio::test]
async fn plain_http_to_a_tls_port_is_told_the_right_scheme() {
    let url = serve_tls();
    let error = get(format!("{url}/v1/keys/1"), QUICK).await.unwrap_err();
    let right = format!("use {}", url.replacen("http://", "https://", 1));
    assert!(matches!(error, HttpError::SpeaksTls { .. }), "{error}");
    assert!(error.to_string().ends_with(&right), "{error}");
}
