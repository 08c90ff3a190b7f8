//! Requests that come inside others, as in Oblivious HTTP: they are answered by a router as
//! if they had come by themselves, with problem documents for all refusals and no panic that
//! leaves the house. **Place and memory are those of the outer request**, and so are the
//! times at which answers leave. Not here: how one is found inside another.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use bytes::Bytes;
use http::Request;
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tower::ServiceExt as _;

use crate::answer_room::{AnswerRoom, Beside};
use crate::answer_times::Arrival;
use crate::request_limits;

/// What an inner request has from the outer one. No address: an inner request comes from
/// nowhere.
#[derive(Debug, Clone)]
pub struct OuterRequest {
    arrival: Arrival,
    room: AnswerRoom,
}

impl OuterRequest {
    /// The room for its answer.
    #[must_use]
    pub const fn room(&self) -> &AnswerRoom {
        &self.room
    }
}

impl<S: Sync> FromRequestParts<S> for OuterRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self {
            arrival: Arrival::from_request_parts(parts, state).await?,
            room: AnswerRoom::from_request_parts(parts, state).await?,
        })
    }
}

/// An answer that is not read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InnerAnswerError {
    /// It is longer than it may be.
    #[error("the answer has more than {0} bytes")]
    TooLong(usize),
    /// It broke off.
    #[error("the answer broke off: {0}")]
    BrokeOff(#[source] axum::BoxError),
}

/// The router.
#[derive(Debug, Clone)]
pub struct InnerRouter(Router);

impl InnerRouter {
    /// Puts around a router what a listener puts around its own.
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self(request_limits::around(router))
    }

    /// Answers a request. Whoever reserves room for the answer reserves so much `beside` it.
    pub async fn answer(
        &self,
        mut request: Request<Bytes>,
        outer: &OuterRequest,
        beside: Beside,
    ) -> Response {
        let extensions = request.extensions_mut();
        extensions.insert(outer.arrival);
        extensions.insert(outer.room.of_inner(beside));
        let answered = self.0.clone().oneshot(request.map(Body::from)).await;
        answered.unwrap_or_else(|never: Infallible| match never {})
    }
}

/// The whole body of an answer, of at most `max` bytes.
///
/// # Errors
/// [`InnerAnswerError`].
pub async fn whole(body: Body, max: usize) -> Result<Bytes, InnerAnswerError> {
    match Limited::new(body, max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(InnerAnswerError::TooLong(max)),
        Err(error) => Err(InnerAnswerError::BrokeOff(error)),
    }
}
