//! What stands around every router: at most so many requests at one time,
//! bodies of bounded size that arrive in bounded time, no panic that leaves the
//! house, and problem documents for every refusal. A handler sees whole bodies.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use pennyblack_base::problem::{Problem, ProblemType};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;

use crate::exchanges::Exchanges;
use crate::in_hand::BytesInHand;
use crate::problem_response::{ProblemResponse, in_problem_form};
use pennyblack_runtime::config::Limits;

/// Puts the limits around `router`, whose requests carry the [`Exchanges`] of their
/// connections.
pub(crate) fn around(router: Router, limits: &Limits, bytes: &Arc<BytesInHand>) -> Router {
    let door = Arc::new(Admission {
        places: Semaphore::new(limits.requests),
        body_bytes: limits.body_bytes,
        body_read: limits.body_read,
        bytes: Arc::clone(bytes),
    });
    // The last layer is the outermost.
    router
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(answer_a_panic))
        .layer(from_fn_with_state(door, admit))
        .layer(from_fn(in_problem_form))
}

/// Where requests wait until they are whole and there is a place for them.
#[derive(Debug)]
struct Admission {
    places: Semaphore,
    body_bytes: usize,
    body_read: Duration,
    bytes: Arc<BytesInHand>,
}

/// Lets a request in when its body is whole and a place is free: nobody holds a
/// place by sending slowly. The place is for the work alone. An answer that nobody
/// takes is counted among the bytes in hand instead: were it to keep its place,
/// 16 connections of 64 requests with a window of zero would take all 1024.
async fn admit(
    State(door): State<Arc<Admission>>,
    Extension(connection): Extension<Arc<Exchanges>>,
    request: Request,
    next: Next,
) -> Response {
    // A refusal that comes before the body is the cheapest.
    if door.places.available_permits() == 0 {
        return refused(ProblemType::Overloaded.document());
    }
    let (head, body) = request.into_parts();
    let body = if body.is_end_stream() {
        Bytes::new()
    } else {
        match door.whole(body, &connection).await {
            Ok(body) => body,
            Err(problem) => return refused(problem),
        }
    };
    let Ok(_place) = door.places.try_acquire() else {
        return refused(ProblemType::Overloaded.document());
    };
    next.run(Request::from_parts(head, Body::from(body))).await
}

fn refused(problem: Problem) -> Response {
    ProblemResponse::from(problem).into_response()
}

impl Admission {
    /// Reads a body to its end.
    async fn whole(&self, body: Body, connection: &Arc<Exchanges>) -> Result<Bytes, Problem> {
        let limit = self.body_bytes;
        let too_large =
            || ProblemType::BodyTooLarge.because(format_args!("the limit is {limit} bytes"));
        // Content-Length is trusted when it announces too much: nothing is read.
        // Otherwise it is not: what counts as held is what has arrived.
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        let held = self.bytes.hold(0, connection);
        let body = body.map_frame(|frame| {
            held.add(frame.data_ref().map_or(0, Bytes::len));
            frame
        });
        match timeout(self.body_read, Limited::new(body, limit).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            // The client has broken off: nobody reads this answer.
            Ok(Err(_)) | Err(_) => Err(ProblemType::RequestTimeout.because(format_args!(
                "the body did not arrive within {} s",
                self.body_read.as_secs_f32()
            ))),
        }
    }
}

fn answer_a_panic(_message: Box<dyn Any + Send>) -> Response {
    // The default hook has written place and message to standard error.
    ProblemResponse::from(ProblemType::Internal.document()).into_response()
}
