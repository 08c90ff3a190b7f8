//! The same over TLS, and that no session is resumed.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use axum::body::Bytes;
use futures_util::future::join_all;
use pennyblack_http::{HttpOptions, Request, RetryPolicy, TrustRoots};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::places::{PLACES, WAIT, both, three_places};
use super::*;
use pennyblack_base::encoding::from_base64_standard;
use pennyblack_runtime::config::TlsConfig;
use pennyblack_storage::atomic_file;

#[tokio::test]
async fn a_client_that_falls_silent_in_the_tls_handshake_is_closed() {
    let files = certificate_files();
    let mut config = PublicConfig::plain(loopback());
    config.limits = Limits {
        handshake: SHORT,
        ..patient()
    };
    config.tls = Some(files.config());
    let running = run(config, hello()).await;
    let began = Instant::now();
    let mut stream = connect(&running).await;
    stream.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
    assert_eq!(until_closed(&mut stream).await, b"");
    assert!(began.elapsed() >= SHORT);
}

pub(super) struct CertificateFiles {
    directory: TempDir,
    certificate: rcgen::Certificate,
}

impl CertificateFiles {
    pub(super) fn config(&self) -> TlsConfig {
        TlsConfig {
            certificate: self.directory.path().join("chain.pem"),
            key: self.directory.path().join("key.pem"),
        }
    }

    pub(super) fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

pub(super) fn certificate_files() -> CertificateFiles {
    let directory = TempDir::new().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.path().join("chain.pem"), made.cert.pem()).unwrap();
    let key = made.signing_key.serialize_pem();
    atomic_file::write_private(&directory.path().join("key.pem"), key.as_bytes()).unwrap();
    CertificateFiles {
        directory,
        certificate: made.cert,
    }
}

#[tokio::test]
async fn tls_serves_and_no_session_is_resumed() {
    let files = certificate_files();
    let mut config = PublicConfig::plain(loopback());
    config.tls = Some(files.config());
    let running = run(config, hello()).await;
    let connector = TlsConnector::from(files.client());
    for _ in 0..2 {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector
            .connect(name, connect(&running).await)
            .await
            .unwrap();
        stream.write_all(REQUEST).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
        assert_eq!(
            stream.get_ref().1.handshake_kind(),
            Some(HandshakeKind::Full)
        );
    }
}

/// A connection that trusts only the certificate of these files.
async fn trusting(files: &CertificateFiles, running: &Running) -> Option<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(files.client());
    connector.connect(name, connect(running).await).await.ok()
}

async fn greets(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_for_new_connections_and_a_bad_pair_changes_nothing() {
    let files = certificate_files();
    let mut config = PublicConfig::plain(loopback());
    config.limits = patient();
    config.tls = Some(files.config());
    let running = run(config, hello()).await;
    let reread = || running.files.as_ref().unwrap().reread();
    let mut before = trusting(&files, &running).await.unwrap();
    greets(&mut before).await;

    let renewed = certificate_files();
    let TlsConfig { certificate, key } = renewed.config();
    let put = |file: &Path, bytes: &[u8]| {
        let path = files.directory.path().join(file.file_name().unwrap());
        std::fs::write(path, bytes).unwrap();
    };
    let [chain, secret] = [&certificate, &key].map(|file| std::fs::read(file).unwrap());
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let bad = [
        // Of two pairs, half written, and gone.
        (chain.clone(), None),
        (half(&chain), Some(secret.clone())),
        (chain.clone(), Some(half(&secret))),
        (Vec::new(), Some(Vec::new())),
    ];
    for (chain, secret) in bad {
        put(&certificate, &chain);
        secret.iter().for_each(|secret| put(&key, secret));
        reread();
        greets(&mut trusting(&files, &running).await.unwrap()).await;
        assert!(trusting(&renewed, &running).await.is_none());
    }
    put(&certificate, &chain);
    put(&key, &secret);
    reread();
    greets(&mut trusting(&renewed, &running).await.unwrap()).await;
    assert!(trusting(&files, &running).await.is_none());
    // What was open stays so.
    greets(&mut before).await;
}

#[tokio::test]
async fn requests_that_wait_give_way_over_tls_as_well() {
    let files = certificate_files();
    for waits in WAIT {
        let mut config = PublicConfig::plain(loopback());
        config.limits = three_places();
        config.tls = Some(files.config());
        let running = run(config, both()).await;
        let connector = TlsConnector::from(files.client());
        let open = async || {
            let name = ServerName::try_from("localhost").unwrap();
            let stream = connector.connect(name, connect(&running).await).await;
            stream.unwrap()
        };
        let mut waiting = Vec::new();
        for _ in 0..PLACES {
            let mut stream = open().await;
            waits.on(&mut stream).await;
            waiting.push(stream);
        }
        let mut asking = open().await;
        asking.write_all(REQUEST).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello") {
            assert_ne!(asking.read_buf(&mut answer).await.unwrap(), 0);
        }
    }
}

#[tokio::test]
async fn our_own_client_loses_no_request_when_a_connection_has_taken_enough() {
    let files = certificate_files();
    let mut config = PublicConfig::plain(loopback());
    config.tls = Some(files.config());
    let length = post(|body: Bytes| async move { body.len().to_string() });
    let running = run(config, Router::new().route("/length", length)).await;
    let options = HttpOptions {
        trust_roots: TrustRoots::Only(files.config().certificate),
        timeout: LONG,
        ..HttpOptions::default()
    };
    let client = options.client().unwrap();
    let url = format!("https://localhost:{}/length", running.address.port());
    let senders = (0..20).map(|_| async {
        for _ in 0..20 {
            let request = Request::post(url.clone(), vec![b'x'; 5_000], 100);
            let answer = client.send(&request, RetryPolicy::NONE).await.unwrap();
            assert_eq!(answer.body, "5000");
        }
    });
    join_all(senders).await;
}

#[tokio::test]
async fn tls_without_its_files_is_refused_with_their_names() {
    let files = certificate_files();
    let mut config = PublicConfig::plain(loopback());
    let mut tls = files.config();
    tls.key = "/nowhere/key.pem".into();
    config.tls = Some(tls);
    let said = Listener::bind_public(&config)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("public.tls.key") && said.contains("/nowhere/key.pem"),
        "{said}"
    );

    // Others may read it; its group may.
    let key = files.config().key;
    let set_mode = |mode| std::fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
    set_mode(0o644);
    config.tls = Some(files.config());
    let said = Listener::bind_public(&config)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("public.tls.key") && said.contains("chmod 640"),
        "{said}"
    );
    set_mode(0o640);
    Listener::bind_public(&config).await.unwrap();

    let mut tls = files.config();
    tls.certificate = files.config().key;
    config.tls = Some(tls);
    let said = Listener::bind_public(&config)
        .await
        .unwrap_err()
        .to_string();
    assert!(said.contains("public.tls.certificate"), "{said}");
}

#[tokio::test]
async fn certificate_and_key_are_read_in_every_form_that_people_have_them_in() {
    let files = certificate_files();
    let TlsConfig { certificate, key } = files.config();
    let [chain, secret] = [&certificate, &key].map(|path| std::fs::read_to_string(path).unwrap());
    let marked = |text: &str| format!("\u{feff}{text}").into_bytes();
    let indented = |text: &str| format!("text\r\n  {}", text.replace('\n', "\r\n  ")).into_bytes();
    let der = |text: &str| {
        let lines: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        from_base64_standard(&lines).unwrap()
    };
    let both = format!("{secret}{chain}").into_bytes();
    for (chain, secret) in [
        (marked(&chain), marked(&secret)),
        (indented(&chain), indented(&secret)),
        (der(&chain), der(&secret)),
        (both.clone(), both),
    ] {
        std::fs::write(&certificate, chain).unwrap();
        std::fs::write(&key, secret).unwrap();
        let mut config = PublicConfig::plain(loopback());
        config.tls = Some(files.config());
        let running = run(config, hello()).await;
        greets(&mut trusting(&files, &running).await.unwrap()).await;
    }
}
