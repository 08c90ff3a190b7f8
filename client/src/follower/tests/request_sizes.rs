//! What a request for a page, or for key records, weighs on the wire. HTTP/2 squeezes digits of one size into
//! codes of two (RFC 7541: 5 bits for 0 to 2, 6 bits for 3 to 9), so that the length of the
//! text is not enough.

use std::sync::{Arc, Mutex};

use pennyblack_http::{HttpOptions, Request, ServiceAddress, TrustRoots};
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_stir::telephone_number::TelephoneNumber;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::PATIENCE;
use super::scene::Scene;
use crate::auth_service::KeyLookup;
use crate::auth_service::keys::look_up_request;
use crate::verification_service::page_request;

/// What a client of HTTP/2 says first, and the types of frames.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;

/// A service that speaks HTTP/2 over TLS, notes how long each request is, and answers none.
struct Scale {
    url: String,
    http: HttpOptions,
    weighed: Arc<Mutex<Vec<u32>>>,
    _home: tempfile::TempDir,
}

impl Scale {
    async fn set_up() -> Self {
        let home = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let ca = home.path().join("ca.pem");
        std::fs::write(&ca, made.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let weighed = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&weighed);
        tokio::spawn(async move {
            let (connection, _) = listener.accept().await.unwrap();
            let tls = TlsAcceptor::from(Arc::new(config));
            let mut connection = tls.accept(connection).await.unwrap();
            let mut preface = [0; PREFACE.len()];
            connection.read_exact(&mut preface).await.unwrap();
            assert_eq!(preface, PREFACE);
            let no_settings = [0, 0, 0, SETTINGS, 0, 0, 0, 0, 0];
            connection.write_all(&no_settings).await.unwrap();
            connection.flush().await.unwrap();
            loop {
                let mut head = [0; 9];
                connection.read_exact(&mut head).await.unwrap();
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut content = vec![0; usize::try_from(length).unwrap()];
                connection.read_exact(&mut content).await.unwrap();
                if head[3] == HEADERS {
                    notes.lock().unwrap().push(length);
                }
            }
        });
        let http = HttpOptions {
            trust_roots: TrustRoots::Only(ca),
            ..HttpOptions::default()
        };
        Self {
            url,
            http,
            weighed,
            _home: home,
        }
    }
}

/// What these requests weigh, one after the other on one connection.
async fn weights(scale: &Scale, requests: Vec<Request<'static>>) -> Vec<u32> {
    let plain = requests[0].url.len();
    assert!(requests.iter().all(|request| request.url.len() == plain));
    let client = scale.http.client().unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for (made, request) in requests.into_iter().enumerate() {
        let client = client.clone();
        waiting.spawn(async move { client.exchange(&request).await.map(drop) });
        let arrives = async {
            while scale.weighed.lock().unwrap().len() <= made {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, arrives).await.unwrap();
    }
    scale.weighed.lock().unwrap().clone()
}

/// **A cursor that moves tells that entries came**, to everybody on the way, unless all
/// cursors weigh the same.
#[tokio::test]
async fn all_requests_for_a_mailbox_have_one_length_in_http_2() {
    let (scene, scale) = (Scene::set(), Scale::set_up().await);
    let cps: ServiceAddress = scale.url.parse().unwrap();
    let key = scene.key.config();
    // The first fills the table of header fields, on whatever connection.
    let cursors = [0, 0, 1, 9, 12_345, 333_333_333, 999_999_999_999, u64::MAX];
    let requests = cursors.map(|cursor| page_request(&cps, key, Slots::SixtyFour, Cursor(cursor)));
    let weighed = weights(&scale, requests.into()).await;
    let all_alike = weighed[1..].iter().all(|one| *one == weighed[1]);
    assert!(all_alike, "{weighed:?}");
}

/// **Digits that weigh more or less tell of the number that is called now**, to everybody on
/// the way.
#[tokio::test]
async fn all_look_ups_of_keys_have_one_length_in_http_2() {
    let numbers = [
        "112",
        "12125550100",
        "12121211212",
        "49987899789",
        "998877665544998",
    ];
    for look_up in [KeyLookup::Number, KeyLookup::Block { digits: 7 }] {
        let scale = Scale::set_up().await;
        let cps: ServiceAddress = scale.url.parse().unwrap();
        let numbers = numbers.iter().chain(&numbers[..1]);
        let requests = numbers.map(|number| {
            let number = TelephoneNumber::from_canonical(number).unwrap();
            look_up_request(&cps, &number, look_up, None)
        });
        let weighed = weights(&scale, requests.collect()).await;
        let all_alike = weighed[1..].iter().all(|one| *one == weighed[1]);
        assert!(all_alike, "{look_up:?}: {weighed:?}");
    }
}
