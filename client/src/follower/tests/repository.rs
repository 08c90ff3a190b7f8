//! Certificate repositories over real TLS, behind a proxy that leads every name to them:
//! one that answers at once, and one that takes connections and says nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pennyblack_http::{HttpOptions, TrustRoots};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Answers requests.
pub(super) const GOOD_HOST: &str = "certs.example";

/// Answers none.
pub(super) const TARPIT: &str = "tarpit.example";

/// The path at which the good host has the chain.
pub(super) const GOOD_PATH: &str = "/carrier.pem";

/// Below it the good host has the chain at every path.
pub(super) const WILD: &str = "/wild";

pub(super) struct Repository {
    home: TempDir,
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

struct Content {
    tls: TlsAcceptor,
    chain: Vec<u8>,
    connections: Arc<AtomicUsize>,
}

impl Repository {
    pub(super) async fn start(chain: Vec<u8>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let names = [GOOD_HOST, TARPIT].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(home.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let content = Arc::new(Content {
            tls: TlsAcceptor::from(Arc::new(config)),
            chain,
            connections: Arc::clone(&connections),
        });
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&content)));
            }
        });
        Self {
            home,
            address,
            connections,
        }
    }

    /// How it is reached.
    pub(super) fn http(&self) -> HttpOptions {
        let ca: PathBuf = self.home.path().join("ca.pem");
        HttpOptions {
            proxy: Some(format!("http://{}", self.address)),
            trust_roots: TrustRoots::Only(ca),
            ..HttpOptions::default()
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// One connection through the proxy, until the client closes it.
async fn serve(mut connection: TcpStream, content: Arc<Content>) {
    let Some(connect) = head(&mut connection).await else {
        return;
    };
    connection
        .write_all(b"HTTP/1.1 200 Connected\r\n\r\n")
        .await
        .unwrap();
    if connect.contains(TARPIT) {
        // Until the client gives up.
        let _ = tokio::io::copy(&mut connection, &mut tokio::io::sink()).await;
        return;
    }
    content.connections.fetch_add(1, Ordering::SeqCst);
    let Ok(mut connection) = content.tls.accept(connection).await else {
        return;
    };
    while let Some(request) = head(&mut connection).await {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let (status, body) = match path == GOOD_PATH || path.starts_with(WILD) {
            true => ("200 OK", &content.chain[..]),
            false => ("404 Not Found", &b""[..]),
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
        let answer = [head.as_bytes(), body].concat();
        if connection.write_all(&answer).await.is_err() || connection.flush().await.is_err() {
            return;
        }
    }
}

/// The head of a request without content, if another one comes.
async fn head(connection: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if connection.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    String::from_utf8(head).ok()
}
