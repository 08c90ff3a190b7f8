//! What a service sees of clients that have nothing in common.

use std::fs;
use std::path::PathBuf;

use pennyblack_runtime::reload::Reload;
use rustls::HandshakeKind;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::*;

/// What a service sees of a connection.
type Seen = (Option<HandshakeKind>, Option<Vec<u8>>);

struct Service {
    url: String,
    ca: PathBuf,
    seen: mpsc::UnboundedReceiver<Seen>,
    _home: TempDir,
}

/// A service that resumes sessions, and ends each connection after one answer.
async fn service() -> Service {
    let home = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let ca = home.path().join("ca.pem");
    fs::write(&ca, made.cert.pem()).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
    .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sees, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let Ok(mut socket) = acceptor.accept(socket).await else {
                continue;
            };
            let _ = socket.read(&mut [0; 4096]).await;
            let (_, tls) = socket.get_ref();
            let alpn = tls.alpn_protocol().map(<[u8]>::to_vec);
            sees.send((tls.handshake_kind(), alpn)).unwrap();
            let answer = answer("200 OK", "", "ok");
            let _ = socket.write_all(answer.as_bytes()).await;
            let _ = socket.shutdown().await;
        }
    });
    Service {
        url: format!("https://localhost:{port}/"),
        ca,
        seen,
        _home: home,
    }
}

#[tokio::test]
async fn neither_a_session_nor_a_connection_links_two_of_them() {
    let mut service = service().await;
    for trust_roots in [
        TrustRoots::Only(service.ca.clone()),
        TrustRoots::SystemAnd(service.ca.clone()),
    ] {
        let options = HttpOptions {
            trust_roots,
            ..HttpOptions::default()
        };
        let clients = options.fresh_clients().unwrap();
        for _ in 0..3 {
            let client = clients.client().unwrap();
            let request = Request::get(service.url.clone(), 10);
            client.send(&request, RetryPolicy::NONE).await.unwrap();
            let (handshake, alpn) = service.seen.recv().await.unwrap();
            assert_eq!(handshake, Some(HandshakeKind::Full));
            assert_eq!(alpn.as_deref(), Some(&b"http/1.1"[..]));
        }
    }
}

#[tokio::test]
async fn renewed_cas_are_trusted_from_then_on_and_a_bad_file_changes_nothing() {
    let (old, new) = (service().await, service().await);
    let file = old.ca.parent().unwrap().join("cas.pem");
    fs::copy(&old.ca, &file).unwrap();
    let renewed = RenewedAuthorities::open("a file of CAs", file.clone(), &Reload::new());
    let renewed = renewed.unwrap();
    let options = HttpOptions {
        trust_roots: TrustRoots::SystemAndRenewed(renewed.clone()),
        ..HttpOptions::default()
    };
    let kept = KeptClient::open(options.clone()).unwrap();
    let fresh = KeptFreshClients::open(options).unwrap();
    // Whatever becomes of the request after that.
    let trusts = async |service: &Service| {
        let request = Request::get(service.url.clone(), 10);
        let mut trusts = Vec::new();
        for client in [kept.current(), fresh.current().client().unwrap()] {
            let sent = client.send(&request, RetryPolicy::NONE).await;
            let refused = sent.err().map(|error| error.to_string());
            trusts.push(!refused.is_some_and(|why| why.contains("certificate")));
        }
        trusts
    };
    assert_eq!(trusts(&old).await, [true, true]);
    assert_eq!(trusts(&new).await, [false, false]);
    for bad in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nMIIB",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    ] {
        fs::write(&file, bad).unwrap();
        renewed.reread();
        assert_eq!(trusts(&old).await, [true, true], "{bad:?}");
    }
    fs::copy(&new.ca, &file).unwrap();
    renewed.reread();
    assert_eq!(trusts(&new).await, [true, true]);
    assert_eq!(trusts(&old).await, [false, false]);
}

#[tokio::test]
async fn they_trust_whom_the_options_name_and_nobody_else() {
    let service = service().await;
    let clients = HttpOptions::default().fresh_clients().unwrap();
    let request = Request::get(service.url.clone(), 10);
    let sent = clients.client().unwrap();
    let refused = sent.send(&request, RetryPolicy::NONE).await.unwrap_err();
    assert!(matches!(refused, HttpError::NoAnswer { .. }), "{refused}");
    for name in ["a command: --ca-file", "a service: tls_roots"] {
        assert!(refused.to_string().contains(name), "{refused}");
    }
}
