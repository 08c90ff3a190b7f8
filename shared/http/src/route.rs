//! The seam for requests that do not go to their service directly, such as those that a
//! relay carries. Not here: any such way. This crate knows no relay and no sealing.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};

use super::{HttpError, RouteError};

/// One request, as it would be sent directly.
#[derive(Clone, Copy)]
pub struct RoutedRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// The whole URL, of the service that answers.
    pub url: &'a str,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// The content.
    pub body: &'a Bytes,
    /// Most bytes of content that are of use in the answer, whatever its status.
    pub max_answer: usize,
}

/// What the service answered: its own status and header fields, and not those of what
/// carried them.
#[derive(Debug, Clone)]
pub struct RoutedAnswer {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The content.
    pub body: Bytes,
}

/// A way to a service that is not the direct one. An [`HttpClient`](super::HttpClient) that
/// has one keeps its retries, deadlines and pace, and makes the same of an answer.
pub trait Route: Send + Sync + fmt::Debug {
    /// Sends a request once. **Two calls have nothing in common that the service could see**,
    /// also if they carry the same request again.
    ///
    /// # Errors
    /// [`HttpError`], most often [`HttpError::Route`], when no answer of the service comes.
    fn carry<'a>(
        &'a self,
        request: RoutedRequest<'a>,
    ) -> BoxFuture<'a, Result<RoutedAnswer, HttpError>>;

    /// Whether a request to the service at `url` could leave by this way now: for those who
    /// would spend something for it.
    ///
    /// # Errors
    /// [`RouteError`], as [`Self::carry`] would have.
    fn check(&self, url: &str) -> Result<(), RouteError>;

    /// Whether requests go directly when this way is closed ([`RouteFault::is_closed`](super::RouteFault::is_closed)). The
    /// service then sees who sends them, so this is for operators to say.
    fn allows_direct(&self) -> bool {
        false
    }

    /// Called when a request goes directly for this reason.
    fn going_direct(&self, _why: &RouteError) {}
}
