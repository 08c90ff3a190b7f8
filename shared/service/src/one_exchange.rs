//! One request and its answer: its memory is reserved before anything is done with it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use h2::Reason;
use http::Request;
use hyper::body::{Body as _, Incoming};
use tower::ServiceExt as _;

use crate::answer_body::AnswerBody;
use crate::answer_room::WORK;
use crate::answer_times::{self, Arrival};
use crate::exchanges::Exchange;
use crate::held_bytes::{HeldBytes, NoRoom};
use crate::request_limits::{Admission, refused};

/// What every exchange of a listener needs.
pub(crate) struct Setting {
    pub(crate) router: Router,
    pub(crate) admission: Arc<Admission>,
    pub(crate) bytes: Arc<HeldBytes>,
}

/// What an exchange holds beside its bytes: its task, its stream, the maps of its
/// headers. Measured, and rounded up (docs/reliability.md).
pub(crate) const EXCHANGE: usize = 8 * 1024;

/// The same when the request is gone and the answer waits.
const ANSWERED: usize = EXCHANGE - 2 * 1024;

/// There is no memory, not even for a refusal. HTTP/2 says so for the stream, in a way
/// that lets the client try again (RFC 9113 section 8.7); an HTTP/1.1 connection ends.
#[derive(Debug, thiserror::Error)]
#[error("the service holds as much for clients as it may")]
pub(crate) struct Refused(#[source] h2::Error);

impl From<NoRoom> for Refused {
    fn from(NoRoom: NoRoom) -> Self {
        metrics::counter!("pennyblack_exchanges_refused_total").increment(1);
        Self(h2::Error::from(Reason::REFUSED_STREAM))
    }
}

/// Answers a request whose header section has arrived.
pub(crate) fn answer(
    mut request: Request<Incoming>,
    open: Exchange,
    setting: &Setting,
) -> impl Future<Output = Result<http::Response<AnswerBody>, Refused>> + use<> {
    request.extensions_mut().insert(Arrival::now());
    let held = setting
        .bytes
        .hold(EXCHANGE + head_size(&request), open.id());
    let router = setting.router.clone();
    let admission = Arc::clone(&setting.admission);
    async move {
        let held = Arc::new(held?);
        let mut response = match admission.admit(request, &held, open.id()).await {
            Ok((request, room)) => {
                let response = router.oneshot(request).await;
                room.leave();
                response.unwrap_or_else(|never: Infallible| match never {})
            }
            Err(problem) => refused(problem),
        };
        // An answer that fits into what each request has for its work does not give way while
        // this side holds it back. Larger ones do: a few hundred of them fill the memory.
        let size = response.body().size_hint().exact();
        if size.is_some_and(|bytes| bytes <= WORK as u64) {
            answer_times::leave(response.extensions_mut()).await;
        }
        let mut answer = AnswerBody::of(response, ANSWERED, held, open)?;
        answer_times::leave(answer.extensions_mut()).await;
        Ok(answer)
    }
}

/// Bytes of a header section as it is kept.
fn head_size(request: &Request<Incoming>) -> usize {
    /// What the map has beside name and value, for each of its fields.
    const FIELD: usize = 64;
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        FIELD + name.as_str().len() + value.len()
    };
    let fields: usize = request.headers().iter().map(field).sum();
    let path = request
        .uri()
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    let authority = request
        .uri()
        .authority()
        .map_or(0, |name| name.as_str().len());
    fields + path + authority
}
