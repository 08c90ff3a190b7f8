//! Requests that come inside others, as in Oblivious HTTP: they are answered by a router as
//! if they had come by themselves, with problem documents for all refusals and no panic that
//! leaves the house. **Place and memory are those of the outer request.** An inner request has
//! no address: it comes from nowhere. Not here: how one is found inside another, and when the
//! answer to the outer one leaves.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tower::ServiceExt as _;

use crate::answer_room::{AnswerRoom, Beside};
use crate::request_limits;

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

    /// Answers a request in the room of the outer one. What reserves room for the answer
    /// reserves so much `beside` it.
    pub async fn answer(
        &self,
        mut request: Request<Bytes>,
        room: &AnswerRoom,
        beside: Beside,
    ) -> Response {
        request.extensions_mut().insert(room.of_inner(beside));
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

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use http::StatusCode;
    use pennyblack_base::problem::{Problem, ProblemType};

    use super::*;
    use crate::client_address::ClientAddress;

    async fn answer(path: &str) -> (StatusCode, Bytes) {
        async fn panics() {
            panic!("a fault of a handler");
        }
        async fn shown(client: Option<axum::Extension<ClientAddress>>) -> String {
            format!("{}", client.is_some())
        }
        let router = Router::new()
            .route("/panics", get(panics))
            .route("/client", get(shown));
        let room = AnswerRoom::uncounted();
        let request = Request::get(path).body(Bytes::new()).unwrap();
        let answer = InnerRouter::new(router).answer(request, &room, |_| 0).await;
        let status = answer.status();
        match whole(answer.into_body(), 1_000).await {
            Ok(body) => (status, body),
            Err(error) => panic!("{error}"),
        }
    }

    #[tokio::test]
    async fn what_goes_wrong_inside_is_a_problem_document_as_it_is_outside() {
        for (path, expected) in [
            ("/panics", ProblemType::Internal),
            ("/absent", ProblemType::NotFound),
        ] {
            let (status, body) = answer(path).await;
            let problem: Problem = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem.problem_type(), Some(expected));
            assert_eq!(status.as_u16(), expected.status());
        }
    }

    #[tokio::test]
    async fn an_inner_request_comes_from_nowhere() {
        assert_eq!(answer("/client").await.1, "false");
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_its_limit() {
        let body = || Body::from("x".repeat(101));
        assert!(matches!(
            whole(body(), 100).await,
            Err(InnerAnswerError::TooLong(100))
        ));
        assert_eq!(whole(body(), 101).await.unwrap().len(), 101);
    }
}
