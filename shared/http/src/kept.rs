//! One HTTP/2 connection to one service, kept for all who send through it, and replaced by
//! a new one after a time and after so many bytes. **A request leaves this side once**: it
//! has the header fields that this file names, no redirect is followed, and nothing is sent
//! again. What is in flight on the old connection ends there. Not here: who may send, and
//! how much at one time.

mod connect;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, Shared};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
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

/// A connection that was made. Its requests go to the HTTP/2 stack without a task of their own:
/// a library in between has one for each, and one for all of them.
#[derive(Clone)]
struct Open {
    sender: SendRequest<Bytes>,
    /// It takes no more requests.
    is_over: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
}

impl Open {
    fn new(sender: SendRequest<Bytes>) -> Self {
        Self {
            sender,
            is_over: Arc::default(),
            requests: Arc::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Hands the request over. None if the connection has ended: nothing was sent then.
    async fn send(self, request: http::Request<()>, body: Bytes) -> Option<Sent> {
        let Self {
            sender,
            is_over,
            requests,
        } = self;
        let sent = async {
            let mut sender = sender.ready().await?;
            let (answer, mut stream) = sender.send_request(request, false)?;
            // What becomes of it, the answer says. The windows that the service opens are for
            // the stack: the body is there as a whole.
            let _ = stream.send_data(body, true);
            Ok::<_, h2::Error>(answer)
        };
        match sent.await {
            Ok(answer) => Some(Sent {
                answer,
                request: InFlight::one_of(requests),
            }),
            Err(_) => {
                is_over.store(true, Ordering::Relaxed);
                None
            }
        }
    }
}

/// A request that the stack has.
struct Sent {
    answer: ResponseFuture,
    request: InFlight,
}

/// One of the requests that are open on a connection, until it is dropped.
#[derive(Debug)]
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn one_of(all: Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(all)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that is there, or is about to be. All who wait for it get the same.
type Attempt = Shared<BoxFuture<'static, Result<Open, KeptError>>>;

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
            Some(made) => made.as_ref().is_ok_and(|open| !open.is_over()),
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
        let mut request = http::Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri(path)?;
        let fields = request.headers_mut();
        fields.insert(CONTENT_TYPE, media_type);
        fields.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        // The second is for a connection that ended before a byte of the request was written, as
        // one does that was idle for long: that request has not left this side yet.
        for _ in 0..2 {
            let attempt = timeout_at(connect_by, self.attempt(bytes)).await;
            let open = attempt.unwrap_or_else(|_| Err(late()))?;
            if let Some(sent) = open.send(request.clone(), body.clone()).await {
                let answer = sent.answer.await.map_err(|error| of_http2(&error))?;
                return Ok(KeptAnswer::of(answer, sent.request));
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
    body: RecvStream,
    _request: InFlight,
}

impl KeptAnswer {
    fn of(answer: http::Response<RecvStream>, request: InFlight) -> Self {
        let (head, body) = answer.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body,
            _request: request,
        }
    }

    /// How many bytes the body has, if the service has said so. The HTTP/2 stack holds it to
    /// that.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        if self.body.is_end_stream() {
            return Some(0);
        }
        let length = self.headers.get(CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    }

    /// The next piece of the body; nothing at its end.
    ///
    /// # Errors
    /// [`KeptError::Broken`].
    pub async fn piece(&mut self) -> Result<Option<Bytes>, KeptError> {
        let Some(piece) = self.body.data().await else {
            return Ok(None);
        };
        let piece = piece.map_err(|error| of_http2(&error))?;
        // The piece is taken: the service may send as much again.
        let _ = self.body.flow_control().release_capacity(piece.len());
        Ok(Some(piece))
    }
}

fn late() -> KeptError {
    KeptError::NoConnection("none was made in time".to_owned())
}

fn of_http2(error: &h2::Error) -> KeptError {
    let graceful = error.is_go_away() && error.reason() == Some(Reason::NO_ERROR);
    let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    match error.is_remote() && (graceful || refused) {
        true => KeptError::NotTaken,
        false => KeptError::Broken(explain_connection("", error)),
    }
}

#[cfg(test)]
mod tests;
