//! A witness over HTTP: `POST /add-checkpoint` (C2SP tlog-witness), its key at `GET /`, and
//! the last checkpoint that it cosigned of each log, which proves what it says when it
//! refuses the next. Not here: any decision.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::{Limits, PublicConfig};
use pennyblack_runtime::reload::Reload;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::listener::{Listener, ListenerError};
use pennyblack_service::problem_response::AsPrescribed;
use pennyblack_service::repeated_causes::admit;
use pennyblack_service::tls::TlsSettings;
use pennyblack_tlog::AddCheckpoint;
use pennyblack_tlog::witness::{
    ADD_CHECKPOINT_PATH, LAST_CHECKPOINT_PATH, MAX_REQUEST_SIZE, SIZE_MEDIA_TYPE, WitnessRefusal,
};

use super::{NotCosigned, Witness};

/// The options of `pennyblack audit witness`, which messages name.
const LISTEN: &str = "--listen";
const TLS: TlsSettings = TlsSettings {
    certificate: "--tls-certificate",
    key: "--tls-key",
};

const TEXT_MEDIA_TYPE: &str = "text/plain; charset=utf-8";
/// Connections open at one time: a log asks about once a second and keeps its own.
const CONNECTIONS: usize = 256;
/// Requests worked on at one time: as many as there are connections. All those that ask for
/// one log wait for one decision, so a few clients would take all of fewer places.
const REQUESTS: usize = CONNECTIONS;

/// Limits that fit a witness: requests have one checkpoint and one proof.
#[must_use]
pub fn limits() -> Limits {
    Limits {
        connections: CONNECTIONS,
        requests: REQUESTS,
        body_bytes: MAX_REQUEST_SIZE,
        ..Limits::default()
    }
}

/// A witness with its socket bound: connections queue from now on.
#[derive(Debug)]
pub struct WitnessServer {
    listener: Listener,
    at_work: AtWork,
    reload: Reload,
}

#[derive(Debug, Clone)]
struct AtWork {
    witness: Arc<Witness>,
    clock: Clock,
}

impl WitnessServer {
    /// Binds the address.
    ///
    /// # Errors
    /// [`ListenerError`].
    pub async fn bind(
        config: &PublicConfig,
        witness: Witness,
        clock: Clock,
    ) -> Result<Self, ListenerError> {
        let listener = Listener::bind_named(config, LISTEN, TLS).await?;
        let reload = Reload::new();
        if let Some(files) = listener.files() {
            reload.add(files);
        }
        Ok(Self {
            listener,
            reload,
            at_work: AtWork {
                witness: Arc::new(witness),
                clock,
            },
        })
    }

    /// Its certificate and key, for the program to have read again.
    #[must_use]
    pub const fn reload(&self) -> &Reload {
        &self.reload
    }

    /// The bound address, with the real port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Answers until `shutdown`, and then until open requests have ended.
    pub async fn serve(self, shutdown: Shutdown) {
        let router = Router::new()
            .route("/", get(serve_key))
            .route(ADD_CHECKPOINT_PATH, post(add_checkpoint))
            .route(
                &format!("{LAST_CHECKPOINT_PATH}{{log}}"),
                get(serve_last_checkpoint),
            )
            .with_state(self.at_work);
        self.listener.serve(router, shutdown).await;
    }
}

async fn serve_key(State(at_work): State<AtWork>) -> Response {
    answer(
        StatusCode::OK,
        TEXT_MEDIA_TYPE,
        format!("{}\n", at_work.witness.key()),
    )
}

async fn serve_last_checkpoint(State(at_work): State<AtWork>, Path(log): Path<String>) -> Response {
    let AtWork { witness, .. } = at_work;
    // A decision on the log may be under way, which waits for the disk.
    let last = tokio::task::spawn_blocking(move || witness.last_checkpoint(&log)).await;
    match last.unwrap_or(Err(NotCosigned::Uncertain)) {
        Ok(Some(last)) => answer(StatusCode::OK, TEXT_MEDIA_TYPE, last.to_string()),
        Ok(None) => text(
            StatusCode::NOT_FOUND,
            "no checkpoint of such a log was cosigned here",
        ),
        Err(error) => {
            if let Some(before) = admit("last checkpoint", &error.to_string()) {
                tracing::error!(%error, suppressed = before.same, suppressed_others = before.forgotten, "the last checkpoint of a log cannot be shown");
            }
            text(StatusCode::INTERNAL_SERVER_ERROR, "see the witness's log")
        }
    }
}

async fn add_checkpoint(State(at_work): State<AtWork>, body: Bytes) -> Response {
    let refused =
        |error: &dyn std::error::Error| text(StatusCode::BAD_REQUEST, &format!("{error}"));
    let request: AddCheckpoint = match str::from_utf8(&body).map(str::parse) {
        Ok(Ok(request)) => request,
        Ok(Err(error)) => return refused(&error),
        Err(error) => return refused(&error),
    };
    let origin = request.checkpoint.checkpoint().origin.clone();
    let AtWork { witness, clock } = at_work;
    // On a thread of its own a decision runs to its end even if the client goes.
    let decided =
        tokio::task::spawn_blocking(move || witness.add_checkpoint(&request, clock.now())).await;
    match decided.unwrap_or(Err(NotCosigned::Uncertain)) {
        Ok(line) => text(StatusCode::OK, &line.to_string()),
        Err(NotCosigned::Refused(refusal)) => refuse(&origin, &refusal),
        Err(error) => {
            if let Some(before) = admit(&origin, &error.to_string()) {
                tracing::error!(log = origin, %error, suppressed = before.same, suppressed_others = before.forgotten, "a checkpoint cannot be cosigned");
            }
            text(StatusCode::INTERNAL_SERVER_ERROR, "see the witness's log")
        }
    }
}

/// Tells the log; and the witness's operator, once in a while, if the log's is to answer for
/// it: anyone can send again what a log has published.
fn refuse(origin: &str, refusal: &WitnessRefusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    match refusal {
        WitnessRefusal::Seen { seen, .. } => {
            return answer(status, SIZE_MEDIA_TYPE, format!("{seen}\n"));
        }
        WitnessRefusal::Fork { .. } => {
            if let Some(before) = admit(origin, "a fork") {
                tracing::error!(
                    log = origin, %refusal, suppressed = before.same, suppressed_others = before.forgotten,
                    "fork: both checkpoints are kept as evidence"
                );
            }
        }
        WitnessRefusal::Inconsistent(_) | WitnessRefusal::Unproven(_) => {
            // Not by the refusal's text: each bogus proof leads to another root.
            let is_proven = matches!(refusal, WitnessRefusal::Inconsistent(_));
            let cause = if is_proven {
                "a contradiction"
            } else {
                "no proof"
            };
            if let Some(before) = admit(origin, cause) {
                tracing::warn!(log = origin, %refusal, suppressed = before.same, suppressed_others = before.forgotten, "a checkpoint is not cosigned");
            }
        }
        _ => {}
    }
    text(status, &refusal.to_string())
}

fn text(status: StatusCode, line: &str) -> Response {
    answer(status, TEXT_MEDIA_TYPE, format!("{line}\n"))
}

fn answer(status: StatusCode, media_type: &'static str, body: String) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.extensions_mut().insert(AsPrescribed);
    response
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use pennyblack_runtime::config::TlsConfig;
    use pennyblack_runtime::logging::testing::levels_of;
    use pennyblack_tlog::note_key::SignatureType;
    use pennyblack_tlog::{Hash, NoteSigner, ProofError};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    #[test]
    fn refusals_that_a_stranger_can_repeat_have_one_log_line_in_a_while() {
        let root = |n: u16| {
            let mut root = [0; 32];
            root[..2].copy_from_slice(&n.to_be_bytes());
            Hash(root)
        };
        let lines = levels_of(|| {
            for n in 1..=1_000 {
                let error = ProofError::Root {
                    size: 9,
                    computed: root(n),
                    expected: root(0),
                };
                let fork = WitnessRefusal::Fork {
                    size: 9,
                    seen: root(0),
                    new: root(n),
                };
                let unproven = WitnessRefusal::Unproven(error);
                let inconsistent = WitnessRefusal::Inconsistent(error);
                assert_eq!(refuse("log.example/log", &unproven).status(), 422);
                assert_eq!(refuse("log.example/log", &inconsistent).status(), 422);
                assert_eq!(refuse("log.example/log", &fork).status(), 409);
            }
        });
        // Twice as many if the thousand take ten seconds.
        assert!((3..=6).contains(&lines.len()));
    }

    async fn ask(witness: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(witness).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn what_cannot_be_listened_with_is_named_as_the_options_are() {
        let home = tempfile::tempdir().unwrap();
        let name = "one.example".parse().unwrap();
        let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let in_use = PublicConfig::plain(taken.local_addr().unwrap());
        let mut without_files = PublicConfig::plain("127.0.0.1:0".parse().unwrap());
        without_files.tls = Some(TlsConfig {
            certificate: home.path().join("none.pem"),
            key: home.path().join("none.key"),
        });
        for (public, option) in [(in_use, "--listen"), (without_files, "--tls-certificate")] {
            let witness = Witness::open(&home.path().join("state"), &name, []).unwrap();
            let refused = WitnessServer::bind(&public, witness, Clock::system()).await;
            let said = refused.unwrap_err().to_string();
            assert!(said.starts_with(option), "{said}");
        }
    }

    #[tokio::test]
    async fn those_who_wait_for_one_decision_take_no_place_from_others() {
        const LOG: &str = "log.example/log";
        let home = tempfile::tempdir().unwrap();
        let log = NoteSigner::generate(
            LOG.parse().unwrap(),
            SignatureType::Ed25519,
            &mut rand::rng(),
        );
        let name = "one.example".parse().unwrap();
        let witness = Witness::open(home.path(), &name, [log.verifier().clone()]).unwrap();
        let mut public = PublicConfig::plain("127.0.0.1:0".parse().unwrap());
        public.limits = limits();
        let server = WitnessServer::bind(&public, witness, Clock::system()).await;
        let server = server.unwrap();
        let address = server.address();
        let witness = Arc::clone(&server.at_work.witness);
        tokio::spawn(server.serve(Shutdown::new()));

        let (decide, decided) = channel::<()>();
        let (begin, begun) = channel();
        let deciding = std::thread::spawn(move || {
            let _last = witness.logs[LOG].last.lock().unwrap();
            begin.send(()).unwrap();
            let _ = decided.recv();
        });
        begun.recv().unwrap();
        let path = format!("{LAST_CHECKPOINT_PATH}{}", crate::origin_in_path(LOG));
        let mut waiting = Vec::new();
        for _ in 0..100 {
            waiting.push(ask(address, &path).await);
        }
        for _ in 0..50 {
            let mut answer = String::new();
            let mut other = ask(address, "/").await;
            other.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        drop(decide);
        deciding.join().unwrap();
    }
}
