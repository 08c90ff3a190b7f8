//! A gateway that opens nothing: it notes what it gets, and does what the first line of a
//! body asks for.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pennyblack_base::service_paths::OHTTP_KEY_PROBLEM;
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// Bytes of an answer that is longer than a relay passes on.
const TOO_LONG: usize = 1_060_001;

/// What was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) uri: Uri,
    pub(super) method: http::Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

#[derive(Debug, Default)]
struct Notes {
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    broken_off: AtomicUsize,
}

/// Files for the relay's configuration.
pub(super) struct Files {
    pub(super) roots: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// The gateway.
pub(super) struct Gateway {
    pub(super) url: String,
    notes: Arc<Notes>,
    released: watch::Sender<bool>,
}

impl Gateway {
    /// Begins, with the files that a relay needs for it in `home`. It demands a certificate.
    pub(super) async fn start(home: &Path) -> (Self, Files) {
        let names = ["localhost".to_owned()];
        let own = rcgen::generate_simple_self_signed(names.clone()).unwrap();
        let relay = rcgen::generate_simple_self_signed(["relay.test".to_owned()]).unwrap();
        let files = Files {
            roots: home.join("gateway-ca.pem"),
            certificate: home.join("relay-client.pem"),
            key: home.join("relay-client.key"),
        };
        fs::write(&files.roots, own.cert.pem()).unwrap();
        fs::write(&files.certificate, relay.cert.pem()).unwrap();
        let mut options = fs::File::options();
        let key = options.create(true).truncate(true).write(true).mode(0o600);
        let mut key = key.open(&files.key).unwrap();
        std::io::Write::write_all(&mut key, relay.signing_key.serialize_pem().as_bytes()).unwrap();

        let mut roots = RootCertStore::empty();
        roots.add(relay.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![own.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let gateway = Self {
            url: format!("https://localhost:{port}/gateway"),
            notes: Arc::default(),
            released: watch::Sender::new(false),
        };
        tokio::spawn(serve(
            listener,
            TlsAcceptor::from(Arc::new(tls)),
            Arc::clone(&gateway.notes),
            gateway.released.subscribe(),
        ));
        (gateway, files)
    }

    /// What was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.notes.asked.lock().unwrap().clone()
    }

    /// How many requests have this in the first line.
    pub(super) fn asked_for(&self, what: &str) -> usize {
        let is_it = |asked: &&Asked| first_line(&asked.body) == what;
        self.asked().iter().filter(is_it).count()
    }

    /// Connections so far.
    pub(super) fn connections(&self) -> usize {
        self.notes.connections.load(Ordering::SeqCst)
    }

    /// Requests whose answer the relay did not wait for.
    pub(super) fn broken_off(&self) -> usize {
        self.notes.broken_off.load(Ordering::SeqCst)
    }

    /// Answers those that asked to wait.
    pub(super) fn release(&self) {
        self.released.send_replace(true);
    }
}

async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    notes: Arc<Notes>,
    released: watch::Receiver<bool>,
) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (tls, notes, released) = (tls.clone(), Arc::clone(&notes), released.clone());
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(socket).await else {
                return;
            };
            notes.connections.fetch_add(1, Ordering::SeqCst);
            let ended = Arc::new(tokio::sync::Notify::new());
            let end = Arc::clone(&ended);
            let service = service_fn(move |request| {
                answer(
                    request,
                    Arc::clone(&notes),
                    released.clone(),
                    Arc::clone(&end),
                )
            });
            let mut http = http2::Builder::new(TokioExecutor::new());
            // As a CPS.
            http.max_concurrent_streams(64);
            let connection = http.serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                _ = connection => {}
                () = ended.notified() => {}
            }
        });
    }
}

/// Counts a request whose answer nobody waited for.
struct Waited<'a>(&'a Notes, bool);

impl Drop for Waited<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.broken_off.fetch_add(1, Ordering::SeqCst);
        }
    }
}

pub(super) fn first_line(body: &[u8]) -> String {
    let line = body.split(|byte| *byte == b'\n').next().unwrap();
    String::from_utf8_lossy(line).into_owned()
}

async fn answer(
    request: Request<Incoming>,
    notes: Arc<Notes>,
    mut released: watch::Receiver<bool>,
    end: Arc<tokio::sync::Notify>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut waited = Waited(&notes, false);
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    let body = body.unwrap_or_default();
    notes.asked.lock().unwrap().push(Asked {
        uri: head.uri,
        method: head.method,
        headers: head.headers,
        body: body.clone(),
    });
    let line = first_line(&body);
    let (what, more) = line.split_once(' ').unwrap_or((&line, ""));
    match what {
        "wait" => {
            released.wait_for(|released| *released).await.unwrap();
        }
        "silence" => std::future::pending().await,
        "end" => {
            end.notify_one();
            std::future::pending::<()>().await;
        }
        "pause" => tokio::time::sleep(Duration::from_millis(more.parse().unwrap())).await,
        _ => {}
    }
    waited.1 = true;
    Ok(answer_of(what, more, &body))
}

fn answer_of(what: &str, more: &str, body: &[u8]) -> Response<Full<Bytes>> {
    let mut answer = Response::builder()
        .header("server", "the-gateway")
        .header("set-cookie", "from=gateway")
        .header("via", "2 gateway")
        .header("location", "/elsewhere")
        .header("retry-after", "7777");
    let (media_type, content) = match what {
        "status" => ("text/html", b"words of the gateway".to_vec()),
        "key" => (
            "application/problem+json",
            format!(r#"{{"type": "{OHTTP_KEY_PROBLEM}", "title": "words of the gateway"}}"#).into(),
        ),
        "html" => ("text/html", b"words of the gateway".to_vec()),
        "type" => ("application/octet-stream", b"words of the gateway".to_vec()),
        "long" => ("message/ohttp-res", vec![b'x'; TOO_LONG]),
        "size" => ("message/ohttp-res", vec![b'x'; more.parse().unwrap()]),
        _ => ("message/ohttp-res", [b"answer to ", body].concat()),
    };
    if let "status" | "key" = what {
        answer = answer.status(more.parse::<u16>().unwrap());
    }
    let answer = answer.header("content-type", media_type);
    answer.body(Full::new(content.into())).unwrap()
}
