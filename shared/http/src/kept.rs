//! One HTTP/2 connection to one service, kept for all who send through it, and replaced by
//! a new one after a time and after so many bytes. **A request leaves this side once**: it
//! has the header fields that this file names, no redirect is followed, and nothing is sent
//! again. What is in flight on the old connection ends there. Not here: who may send, and
//! how much at one time.

mod connect;

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, Shared};
use h2::Reason;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http2::SendRequest;
use tokio::time::{Instant, timeout_at};

use super::service_address::ServiceUri;
use super::tls::TlsClient;
use super::transport::explain_connection;

/// Bytes of frames, beside a body, by which a request is counted: its header fields, which
/// are the same each time, and its share of the connection's own frames.
const FRAMES: u64 = 256;

/// When a connection is replaced, and how much may be open on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptLimits {
    /// How long connecting may take, TLS included.
    pub connect: Duration,
    /// For how long a connection takes requests.
    pub replace_after: Duration,
    /// How many bytes of requests it takes.
    pub replace_after_bytes: u64,
    /// Requests that are open at one time, at most: what their answers may have of memory
    /// before anybody reads them follows from it.
    pub streams: u32,
}

/// Why a kept connection brought no answer. Text for log lines: it says nothing of the
/// request.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum KeptError {
    /// There is no connection, so nothing was sent.
    #[error("there is no connection: {0}")]
    NoConnection(String),
    /// The service said that it has not begun to process the request (RFC 9113 section 8.7).
    #[error("the service ended the connection or refused the stream before it took the request")]
    NotTaken,
    /// The connection or the stream ended, whatever has become of the request.
    #[error("the connection broke: {0}")]
    Broken(String),
}

type Sender = SendRequest<Full<Bytes>>;

/// A connection that is there, or is about to be. All who wait for it get the same.
type Attempt = Shared<BoxFuture<'static, Result<Sender, KeptError>>>;

/// A connection that is made when it is needed.
pub struct KeptConnection {
    service: ServiceUri,
    tls: Box<dyn Fn() -> Option<TlsClient> + Send + Sync>,
    limits: KeptLimits,
    /// Locked for a few instructions.
    current: Mutex<Option<Current>>,
    made: AtomicU64,
}

struct Current {
    attempt: Attempt,
    until: Instant,
    bytes_left: u64,
}

impl Current {
    fn is_usable(&self, bytes: u64) -> bool {
        let is_there = match self.attempt.peek() {
            None => true,
            Some(made) => made.as_ref().is_ok_and(|sender| !sender.is_closed()),
        };
        is_there && self.until > Instant::now() && self.bytes_left >= bytes
    }
}

impl fmt::Debug for KeptConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeptConnection")
            .field(&self.service)
            .finish()
    }
}

impl KeptConnection {
    /// To this service. `tls` is asked for each new connection, so that renewed files are in
    /// force from the next one on; `http://` needs none.
    pub fn new(
        service: ServiceUri,
        tls: impl Fn() -> Option<TlsClient> + Send + Sync + 'static,
        limits: KeptLimits,
    ) -> Self {
        Self {
            service,
            tls: Box::new(tls),
            limits,
            current: Mutex::new(None),
            made: AtomicU64::new(0),
        }
    }

    /// How many connections were begun so far.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Sends `body`: `Content-Type`, `Content-Length` and the fields that HTTP/2 needs, no
    /// other. `path` begins with a slash. Nothing is sent any more if there is no connection
    /// at `connect_by`.
    ///
    /// # Errors
    /// [`KeptError`].
    pub async fn post(
        &self,
        path: &str,
        media_type: HeaderValue,
        body: Bytes,
        connect_by: Instant,
    ) -> Result<KeptAnswer, KeptError> {
        let bytes = FRAMES.saturating_add(body.len() as u64);
        let mut request = http::Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri(path)?;
        request.headers_mut().insert(CONTENT_TYPE, media_type);
        // The second is for a connection that ended before a byte of the request was written, as
        // one does that was idle for long: that request has not left this side yet.
        for _ in 0..2 {
            let attempt = timeout_at(connect_by, self.attempt(bytes)).await;
            let mut sender = attempt.unwrap_or_else(|_| Err(late()))?;
            let mut failed = match sender.try_send_request(request).await {
                Ok(answer) => return Ok(answer.into()),
                Err(failed) => failed,
            };
            match failed.take_message() {
                Some(unwritten) => request = unwritten,
                None => return Err(of_hyper(failed.error())),
            }
        }
        let why = "two of them ended before anything was sent".to_owned();
        Err(KeptError::NoConnection(why))
    }

    fn uri(&self, path: &str) -> Result<Uri, KeptError> {
        let uri = format!("{}{path}", self.service).parse();
        uri.map_err(|error: http::uri::InvalidUri| KeptError::NoConnection(error.to_string()))
    }

    /// The connection for a request of so many bytes.
    fn attempt(&self, bytes: u64) -> Attempt {
        let mut current = self.current();
        if let Some(kept) = &mut *current
            && kept.is_usable(bytes)
        {
            kept.bytes_left -= bytes;
            return kept.attempt.clone();
        }
        self.made.fetch_add(1, Ordering::Relaxed);
        let attempt = connect::begin(&self.service, (self.tls)(), self.limits);
        *current = Some(Current {
            attempt: attempt.clone(),
            until: Instant::now() + self.limits.replace_after,
            bytes_left: self.limits.replace_after_bytes.saturating_sub(bytes),
        });
        attempt
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of an answer; its body is read piece by piece. It ends when this is
/// dropped.
#[derive(Debug)]
pub struct KeptAnswer {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    body: Incoming,
}

impl From<http::Response<Incoming>> for KeptAnswer {
    fn from(answer: http::Response<Incoming>) -> Self {
        let (head, body) = answer.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body,
        }
    }
}

impl KeptAnswer {
    /// How many bytes the body has, if the service has said so.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next piece of the body; nothing at its end.
    ///
    /// # Errors
    /// [`KeptError::Broken`].
    pub async fn piece(&mut self) -> Result<Option<Bytes>, KeptError> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(of_hyper(&error)),
                // Trailers are nobody's.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

fn late() -> KeptError {
    KeptError::NoConnection("none was made in time".to_owned())
}

fn of_hyper(error: &hyper::Error) -> KeptError {
    let of_http2 = error
        .source()
        .and_then(<dyn Error>::downcast_ref::<h2::Error>);
    let is_not_taken = of_http2.is_some_and(|error| {
        let graceful = error.is_go_away() && error.reason() == Some(Reason::NO_ERROR);
        let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        error.is_remote() && (graceful || refused)
    });
    match is_not_taken {
        true => KeptError::NotTaken,
        false => KeptError::Broken(explain_connection("", error)),
    }
}

#[cfg(test)]
mod tests;
