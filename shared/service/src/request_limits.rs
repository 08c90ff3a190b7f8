//! What stands around every router: at most so many requests at one time,
//! bodies of bounded size that arrive in bounded time, no panic that leaves the
//! house, and problem documents for every refusal. A handler sees whole bodies.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use metrics::Counter;
use pennyblack_base::problem::{Problem, ProblemType};
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;

use crate::answer_room::{AnswerRoom, WorkPlaces};
use crate::exchanges::ExchangeId;
use crate::head_requests;
use crate::held_bytes::{Held, NoRoom};
use crate::problem_response::{ProblemResponse, in_problem_form};
use pennyblack_runtime::config::Limits;

/// Puts around `router` what makes a problem document of everything that goes wrong.
pub(crate) fn around(router: Router) -> Router {
    // The last layer is the outermost.
    let router = router
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(answer_a_panic))
        .layer(from_fn(in_problem_form));
    // A layer of a router is behind its choice by path and method, so this one is another's.
    Router::new()
        .fallback_service(router)
        .layer(from_fn(head_requests::refuse))
}

/// Most pieces that a body comes in. As packets of the smallest usual size, the largest body
/// has half as many; chunks of one byte cost a hundred times as much as what is in them.
const MOST_PIECES: usize = 1024;

/// Why requests are refused before any router sees them.
const NOT_ADMITTED: [ProblemType; 3] = [
    ProblemType::Overloaded,
    ProblemType::BodyTooLarge,
    ProblemType::RequestTimeout,
];

fn not_admitted_for(kind: ProblemType) -> Counter {
    metrics::counter!("pennyblack_requests_not_admitted_total", "type" => kind.name())
}

/// Where requests wait until they are whole and it is their turn.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Arc<WorkPlaces>,
    body_bytes: usize,
    body_read: Duration,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        // Each series is there from the start: a rate needs a first value.
        for kind in NOT_ADMITTED {
            not_admitted_for(kind).absolute(0);
        }
        Self {
            places: Arc::new(WorkPlaces::new(limits.requests, limits.held_bytes)),
            body_bytes: limits.body_bytes,
            body_read: limits.body_read,
        }
    }

    /// Lets a request in when its body is whole, its connection has its turn and a place
    /// is free: nobody holds a place by sending slowly. The place is for the work alone.
    /// An answer that nobody takes keeps its bytes instead: were it to keep its place, 16
    /// connections of 64 requests with a window of zero would take all 1024.
    ///
    /// # Errors
    /// What to answer instead.
    pub(crate) async fn admit(
        &self,
        request: Request<Incoming>,
        held: &Arc<Held>,
        exchange: &ExchangeId,
    ) -> Result<(Request<Body>, AnswerRoom), Problem> {
        let admitted = self.place(request, held, exchange).await;
        admitted.inspect_err(|problem| {
            if let Some(kind) = problem.problem_type() {
                not_admitted_for(kind).increment(1);
            }
        })
    }

    async fn place(
        &self,
        request: Request<Incoming>,
        held: &Arc<Held>,
        exchange: &ExchangeId,
    ) -> Result<(Request<Body>, AnswerRoom), Problem> {
        // A refusal that comes before the body is the cheapest.
        if self.places.are_full() {
            return Err(ProblemType::Overloaded.document());
        }
        let (mut head, body) = request.into_parts();
        let body = if body.is_end_stream() {
            Bytes::new()
        } else {
            self.whole(body, held).await?
        };
        let turn = exchange.of_connection().turns().take().await;
        let room = self.places.take(held, turn);
        let room = room.map_err(|NoRoom| ProblemType::Overloaded.document())?;
        head.extensions.insert(room.clone());
        Ok((Request::from_parts(head, Body::from(body)), room))
    }

    /// Reads a body to its end.
    async fn whole(&self, body: Incoming, held: &Held) -> Result<Bytes, Problem> {
        // Content-Length is trusted when it announces too much: nothing is read.
        // Otherwise it is not: what counts as held is what has arrived.
        if body.size_hint().lower() > self.body_bytes as u64 {
            return Err(self.too_large());
        }
        match timeout(self.body_read, self.read(body, held)).await {
            Ok(whole) => whole,
            Err(_) => Err(self.too_slow()),
        }
    }

    /// Copies what arrives: a small frame would keep the large buffer that it came in.
    async fn read(&self, mut body: Incoming, held: &Held) -> Result<Bytes, Problem> {
        let (mut whole, mut pieces) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            pieces += 1;
            if pieces > MOST_PIECES {
                return Err(Self::too_many_pieces());
            }
            // The client has broken off: nobody reads this answer.
            let frame = frame.map_err(|_| self.too_slow())?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let size = whole.len() + data.len();
            if size > self.body_bytes {
                return Err(self.too_large());
            }
            if size > whole.capacity() {
                let capacity = size.max(2 * whole.capacity()).min(self.body_bytes);
                let more = capacity - whole.capacity();
                held.grow(more)
                    .map_err(|NoRoom| ProblemType::Overloaded.document())?;
                whole.reserve_exact(capacity - whole.len());
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.into())
    }

    fn too_large(&self) -> Problem {
        let limit = self.body_bytes;
        ProblemType::BodyTooLarge.because(format_args!("the limit is {limit} bytes"))
    }

    fn too_many_pieces() -> Problem {
        ProblemType::BodyTooLarge.because(format_args!(
            "it comes in more than {MOST_PIECES} pieces; send it as a whole"
        ))
    }

    fn too_slow(&self) -> Problem {
        ProblemType::RequestTimeout.because(format_args!(
            "the body did not arrive within {} s",
            self.body_read.as_secs_f32()
        ))
    }
}

/// The answer to a request that is not let in.
pub(crate) fn refused(problem: Problem) -> Response {
    ProblemResponse::from(problem).into_response()
}

fn answer_a_panic(_message: Box<dyn Any + Send>) -> Response {
    // The default hook has written place and message to standard error.
    refused(ProblemType::Internal.document())
}
