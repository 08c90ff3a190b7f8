//! What stands around every router: at most so many requests at one time,
//! bodies of bounded size that arrive in bounded time, no panic that leaves the
//! house, and problem documents for every refusal. A handler sees whole bodies.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use pennyblack_shared::problem::ProblemType;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::Limits;
use crate::problem_response::{ProblemResponse, in_problem_form};

/// Puts the limits around `router`.
pub(crate) fn around(router: Router, limits: &Limits) -> Router {
    let places = Arc::new(Semaphore::new(limits.requests));
    let bodies = BodyLimits {
        bytes: limits.body_bytes,
        time: limits.body_read,
    };
    // The last layer is the outermost.
    router
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(bodies, whole_body))
        .layer(CatchPanicLayer::custom(answer_a_panic))
        .layer(from_fn_with_state(places, take_a_place))
        .layer(from_fn(in_problem_form))
}

#[derive(Debug, Clone, Copy)]
struct BodyLimits {
    bytes: usize,
    time: Duration,
}

/// Answers 503 when too many requests are worked on already.
async fn take_a_place(
    State(places): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => ProblemResponse::from(ProblemType::Overloaded.document()).into_response(),
    }
}

/// Reads the body to its end before any handler runs.
async fn whole_body(State(limits): State<BodyLimits>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let too_large =
        || ProblemType::BodyTooLarge.because(format_args!("the limit is {} bytes", limits.bytes));
    // Content-Length is believed when it announces too much: nothing is read.
    if body.size_hint().lower() > limits.bytes as u64 {
        return ProblemResponse::from(too_large()).into_response();
    }
    let problem = match timeout(limits.time, Limited::new(body, limits.bytes).collect()).await {
        Ok(Ok(body)) => {
            return next
                .run(Request::from_parts(head, Body::from(body.to_bytes())))
                .await;
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => too_large(),
        // The client has broken off: nobody reads this answer.
        Ok(Err(_)) | Err(_) => ProblemType::RequestTimeout.because(format_args!(
            "the body did not arrive within {} s",
            limits.time.as_secs_f32()
        )),
    };
    ProblemResponse::from(problem).into_response()
}

fn answer_a_panic(_message: Box<dyn Any + Send>) -> Response {
    // The default hook has written place and message to standard error.
    ProblemResponse::from(ProblemType::Internal.document()).into_response()
}
