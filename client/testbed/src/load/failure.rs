//! The kinds of failure that a run tells apart: few, whatever a service answers,
//! so that a table of them stays small.

use std::fmt;

use serde::Serialize;

use pennyblack_client::carrier::CarrierError;
use pennyblack_http::HttpError;

/// Why a request counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FailureKind {
    /// The service refused.
    Refused {
        /// The HTTP status, 400 to 599.
        status: u16,
        /// The name of the problem type, if it is one of the protocol's
        /// (docs/problems.md).
        problem: Option<&'static str>,
    },
    /// No connection, or none in time.
    NotConnected,
    /// No complete answer in time.
    TimedOut,
    /// The connection broke off before the answer was complete.
    BrokenOff,
    /// A success in name that is not what was asked for: another status, media
    /// type or size, or a batch with tokens missing.
    WrongAnswer,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused {
                status,
                problem: Some(problem),
            } => write!(f, "{status} {problem}"),
            Self::Refused { status, .. } => write!(f, "{status} without a problem type"),
            Self::NotConnected => f.write_str("no connection"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::BrokenOff => f.write_str("connection broke off"),
            Self::WrongAnswer => f.write_str("not what was asked for"),
        }
    }
}

impl From<&HttpError> for FailureKind {
    fn from(error: &HttpError) -> Self {
        match error {
            HttpError::Refused(refused) => Self::Refused {
                status: refused.status.as_u16(),
                problem: refused.kind().map(|kind| kind.name()),
            },
            HttpError::NoAnswer { error, .. } if error.is_connect() => Self::NotConnected,
            HttpError::NoAnswer { error, .. } if error.is_timeout() => Self::TimedOut,
            HttpError::NoAnswer { .. } => Self::BrokenOff,
            _ => Self::WrongAnswer,
        }
    }
}

impl From<HttpError> for FailureKind {
    fn from(error: HttpError) -> Self {
        Self::from(&error)
    }
}

impl From<CarrierError> for FailureKind {
    fn from(error: CarrierError) -> Self {
        match error {
            CarrierError::Http(error) => Self::from(error),
            _ => Self::WrongAnswer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use pennyblack_http::{HttpOptions, Request, RetryPolicy};

    async fn failure_at(url: &str) -> FailureKind {
        let options = HttpOptions {
            timeout: Duration::from_millis(200),
            ..HttpOptions::default()
        };
        let request = Request::get(url.to_owned(), 10);
        let client = options.client().unwrap();
        let error = client.send(&request, RetryPolicy::NONE).await.unwrap_err();
        error.into()
    }

    #[tokio::test]
    async fn nobody_there_nobody_answering_and_a_hang_up_are_told_apart() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        // The system accepts the connection; nobody ever answers on it.
        assert_eq!(failure_at(&url).await, FailureKind::TimedOut);
        let hang_up = tokio::spawn(async move {
            // The first connection is the one that timed out.
            for _ in 0..2 {
                drop(listener.accept().await.unwrap());
            }
        });
        assert_eq!(failure_at(&url).await, FailureKind::BrokenOff);
        hang_up.await.unwrap();
        assert_eq!(failure_at(&url).await, FailureKind::NotConnected);
    }
}
