//! `X-RequestID`: what a peer sends comes back, and a request without one gets one.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use uuid::Uuid;

const NAME: &str = "x-requestid";

/// Most bytes of one that comes back.
const MAX_LENGTH: usize = 128;

/// The name of a request.
#[derive(Debug, Clone)]
pub(super) enum RequestId {
    /// The peer gave it.
    OfThePeer(String),
    /// The peer gave none that can be sent back.
    Ours(String),
}

impl RequestId {
    /// That of the peer.
    pub(super) fn of_the_peer(&self) -> Option<&str> {
        match self {
            Self::OfThePeer(id) => Some(id),
            Self::Ours(_) => None,
        }
    }

    fn of(request: &Request) -> Self {
        let given = request.headers().get(NAME);
        let given = given.and_then(|value| value.to_str().ok());
        match given.filter(|id| (1..=MAX_LENGTH).contains(&id.len())) {
            Some(id) => Self::OfThePeer(id.to_owned()),
            None => Self::Ours(Uuid::new_v4().to_string()),
        }
    }
}

/// Middleware: names a request, and its answer by the same name.
pub(super) async fn with_request_id(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(&request);
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    let (RequestId::OfThePeer(id) | RequestId::Ours(id)) = id;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(NAME, value);
    }
    response
}
