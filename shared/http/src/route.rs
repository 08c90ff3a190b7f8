//! The seam for requests that do not go to their service directly, such as those that a
//! relay carries. Not here: any such way. This crate knows no relay and no sealing.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};

use super::HttpError;

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

/// What the service answered: its own status and header fields, and not those of whoever
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

    /// Whether requests go directly when this way is closed ([`RouteFault::is_closed`]). The
    /// service then sees who sends them, so this is for operators to say.
    fn allows_direct(&self) -> bool {
        false
    }

    /// Called when a request goes directly for this reason.
    fn going_direct(&self, _why: &RouteError) {}
}

/// Why a route brought no answer of the service.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{sentence}")]
pub struct RouteError {
    /// Who was to be asked.
    pub url: String,
    /// What is wrong, and what to do.
    pub sentence: String,
    /// What became of the request.
    pub fault: RouteFault,
}

/// What became of a request that got no answer by its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteFault {
    /// It did not leave: something is missing that no other try brings.
    NoWay,
    /// It did not leave: who speaks for the service contradicts itself.
    Untrusted,
    /// It did not leave: nobody who could carry it was reached.
    NoRelay,
    /// Somebody on the way refused it. The service has not read it.
    NotTaken {
        /// Whether another try may go well.
        is_passing: bool,
        /// When to come back, if that was said.
        retry_after: Option<Duration>,
    },
    /// It left, and no answer came that can be read: the service may have done what it was
    /// asked.
    NoAnswer,
}

impl RouteFault {
    /// Whether nothing left, and nothing speaks against another way.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::NoWay | Self::NoRelay)
    }

    /// Whether the service has not read the request, so that it has done nothing of it.
    #[must_use]
    pub const fn is_unread(self) -> bool {
        !matches!(self, Self::NoAnswer)
    }

    pub(super) const fn is_passing(self) -> bool {
        match self {
            Self::NoWay | Self::Untrusted => false,
            Self::NoRelay | Self::NoAnswer => true,
            Self::NotTaken { is_passing, .. } => is_passing,
        }
    }

    pub(super) const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::NotTaken { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}

impl From<RouteError> for HttpError {
    fn from(error: RouteError) -> Self {
        Self::Route(Box::new(error))
    }
}
