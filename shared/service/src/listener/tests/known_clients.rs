//! Clients that are known by their certificates, and those that are not, over TLS.

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::CertifiedKey as Signer;
use rustls::{ClientConfig, SignatureScheme};
use tokio::io::AsyncRead;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls::certificate_files;
use super::*;
use crate::known_clients::SpkiDigest;

pub(super) type Tls = TlsStream<TcpStream>;

/// Shows a certificate, whatever key it signs with; and whether it was asked for one.
#[derive(Debug)]
pub(super) struct Shows(Option<Arc<Signer>>, std::sync::atomic::AtomicBool);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<Signer>> {
        self.1.store(true, std::sync::atomic::Ordering::SeqCst);
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn pair() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["relay.test".to_owned()]).unwrap()
}

fn shows(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<Shows> {
    shows_chain(vec![certificate], key)
}

fn shows_chain(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Arc<Shows> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let signer = Signer::new(chain, key);
    Arc::new(Shows(Some(Arc::new(signer)), false.into()))
}

pub(super) fn nothing() -> Arc<Shows> {
    Arc::new(Shows(None, false.into()))
}

/// A service over TLS that knows these.
pub(super) struct Service {
    address: SocketAddr,
    client: ClientConfig,
}

impl Service {
    pub(super) async fn knowing(known: &[&CertifiedKey<KeyPair>]) -> Self {
        let files = certificate_files();
        let mut config = PublicConfig::plain(loopback());
        config.limits = patient();
        config.tls = Some(files.config());
        let digests = known
            .iter()
            .map(|one| SpkiDigest::of(one.cert.der()).unwrap());
        let known = KnownClients::new(digests.map(|digest| ("known", digest)), &config.limits);
        let listener = Listener::bind_public_knowing(&config, known).await.unwrap();
        let address = listener.address();
        tokio::spawn(listener.serve(hello(), Shutdown::new()));
        Self {
            address,
            client: Arc::unwrap_or_clone(files.client()),
        }
    }

    pub(super) async fn connect(&self, shows: &Arc<Shows>) -> Tls {
        let mut client = self.client.clone();
        client.client_auth_cert_resolver = Arc::<Shows>::clone(shows);
        client.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(client));
        connector.connect(name, stream).await.unwrap()
    }

    /// Whether a connection of this client goes on after 200 KiB. Nothing if there is none.
    async fn goes_on(&self, shows: &Arc<Shows>) -> Option<bool> {
        let mut stream = self.connect(shows).await;
        let begin = [
            &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
            &frame(4, 0, 0, b""),
        ]
        .concat();
        stream.write_all(&begin).await.ok()?;
        let acknowledged = frame(6, 1, 0, &[0; 8]).repeat(200 * 1024 / 17);
        // A service that has had enough may end it before the last of this is sent.
        let _ = stream.write_all(&acknowledged).await;
        // It may answer a PING before it says that it goes, and not two.
        for asked in [b"are you?", b"and now?"] {
            let _ = stream.write_all(&frame(6, 0, 0, asked)).await;
            if !answers(&mut stream, asked).await? {
                return Some(false);
            }
        }
        Some(true)
    }
}

/// A frame of HTTP/2 on the connection, or on a stream.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// Reads frames until this PING is answered (true), or the service says that it goes (false).
pub(super) async fn answers(
    stream: &mut (impl AsyncRead + Unpin),
    asked: &[u8; 8],
) -> Option<bool> {
    loop {
        let mut head = [0; 9];
        let read = timeout(LONG, stream.read_exact(&mut head)).await;
        read.expect("a frame, or the end").ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.ok()?;
        match head[3] {
            6 if payload == asked => return Some(true),
            7 => return Some(false),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_known_client_keeps_its_connection_and_a_stranger_is_told_to_go() {
    let (known, stranger) = (pair(), pair());
    let service = Service::knowing(&[&known]).await;
    let certificate = |of: &CertifiedKey<KeyPair>| of.cert.der().clone();
    let known_shows = shows(certificate(&known), &known.signing_key);
    assert_eq!(service.goes_on(&known_shows).await, Some(true));
    for other in [
        shows(certificate(&stranger), &stranger.signing_key),
        // What nobody can read, of a client that is used to being asked.
        shows(CertificateDer::from(vec![1, 2, 3]), &stranger.signing_key),
        nothing(),
    ] {
        assert_eq!(service.goes_on(&other).await, Some(false));
    }
}

#[tokio::test]
async fn the_certificate_of_a_known_client_without_its_key_opens_nothing() {
    let (known, thief) = (pair(), pair());
    let service = Service::knowing(&[&known]).await;
    let shows = shows(known.cert.der().clone(), &thief.signing_key);
    assert_eq!(service.goes_on(&shows).await, None);
}

#[tokio::test]
async fn a_chain_that_is_too_long_opens_nothing() {
    let (known, stranger) = (pair(), pair());
    let service = Service::knowing(&[&known]).await;
    for (own, goes_on) in [(&known, true), (&stranger, false)] {
        let chain = |entries: usize, bytes: usize| {
            let mut chain = vec![own.cert.der().clone()];
            chain.resize(1 + entries, CertificateDer::from(vec![1; bytes]));
            shows_chain(chain, &own.signing_key)
        };
        assert_eq!(service.goes_on(&chain(4, 1_000)).await, Some(goes_on));
        for too_long in [chain(5, 1), chain(1, 17_000)] {
            assert_eq!(service.goes_on(&too_long).await, None);
        }
    }
}

#[tokio::test]
async fn a_certificate_is_asked_for_where_somebody_is_known_and_nowhere_else() {
    let known = pair();
    for (knowing, expected) in [(vec![&known], true), (vec![], false)] {
        let service = Service::knowing(&knowing).await;
        let shows = nothing();
        service.connect(&shows).await;
        let asked = shows.1.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(asked, expected);
    }
}
