//! The one HTTP client of the workspace: how a service is addressed, with which
//! time-outs it is asked, what an answer may be, and when to ask again. Not
//! here: what is asked, and of whom.

mod answer;
mod options;
mod public_addresses;
mod request;
mod service_address;

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use bytes::{Bytes, BytesMut};
use http::StatusCode;

pub use answer::{Answer, HttpError, Refused};
pub use options::{HttpOptions, TrustRoots};
pub use public_addresses::is_public;
pub use request::Request;
pub use service_address::{ServiceAddress, ServiceAddressError, ServiceUri};

/// Refusals are short; more than this is not read of one.
const MAX_PROBLEM_SIZE: usize = 64 * 1024;

/// How often and how long a request is sent again that got no answer, or one
/// that says to come back.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Times after the first.
    pub retries: usize,
    /// The longest pause; a `Retry-After` beyond it ends the trying.
    pub longest_pause: Duration,
}

impl RetryPolicy {
    /// For people who wait at a terminal: some ten seconds in all.
    pub const SHORT: Self = Self {
        retries: 4,
        longest_pause: Duration::from_secs(5),
    };
    /// Once and never again.
    pub const NONE: Self = Self {
        retries: 0,
        longest_pause: Duration::ZERO,
    };
}

/// Sends requests.
#[derive(Debug, Clone)]
pub struct HttpClient(reqwest::Client);

impl HttpClient {
    /// Sends a request until there is an answer to go by: a success, a refusal
    /// that another try does not change, or no retry left. Pauses grow
    /// and are random; a `Retry-After` of at most the longest pause is obeyed.
    ///
    /// # Errors
    /// [`HttpError`], the last one.
    pub async fn send(
        &self,
        request: &Request<'_>,
        retry: RetryPolicy,
    ) -> Result<Answer, HttpError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(retry.longest_pause.max(Duration::from_millis(200)))
            .with_max_times(retry.retries)
            .with_jitter();
        (|| self.send_once(request))
            .retry(pauses)
            .when(HttpError::is_passing)
            .adjust(|error, pause| match (error.retry_after(), pause) {
                (Some(after), Some(_)) if after > retry.longest_pause => None,
                (after, pause) => pause.map(|pause| pause.max(after.unwrap_or_default())),
            })
            .notify(|error, pause| {
                tracing::debug!(error = %error, pause_ms = pause.as_millis(), "trying again");
            })
            .await
    }

    /// The same, for the content of a resource that need not be there: `None`
    /// when there is none (404).
    ///
    /// # Errors
    /// [`HttpError`], the last one.
    pub async fn find(
        &self,
        request: &Request<'_>,
        retry: RetryPolicy,
    ) -> Result<Option<Bytes>, HttpError> {
        match self.send(request, retry).await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(HttpError::Refused(refused)) if refused.status == StatusCode::NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a request once. Every status is an answer: for protocols that have a
    /// meaning for each, and for answers that are passed on.
    ///
    /// # Errors
    /// [`HttpError`] when no whole answer comes.
    pub async fn exchange(&self, request: &Request<'_>) -> Result<Answer, HttpError> {
        self.receive(request, |_| request.max_answer).await
    }

    async fn send_once(&self, request: &Request<'_>) -> Result<Answer, HttpError> {
        let limit = |status: StatusCode| match status.is_success() {
            true => request.max_answer,
            false => MAX_PROBLEM_SIZE,
        };
        let answer = self.receive(request, limit).await?;
        match answer.status {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_MODIFIED if request.is_conditional() => Ok(answer),
            StatusCode::NOT_MODIFIED => Err(Refused::new(&answer).into()),
            status if status.is_redirection() => Err(HttpError::Redirected { url: answer.url }),
            _ => Err(Refused::new(&answer).into()),
        }
    }

    /// Reads at most `limit` bytes of an answer, which its status decides.
    async fn receive(
        &self,
        request: &Request<'_>,
        limit: impl Fn(StatusCode) -> usize,
    ) -> Result<Answer, HttpError> {
        let url = &request.url;
        let sent = self
            .0
            .request(request.method.clone(), url)
            .headers(request.header_map()?)
            .body(request.body.clone())
            .send();
        let response = sent.await.map_err(|error| HttpError::NoAnswer {
            url: url.clone(),
            error,
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response, limit(status), url).await?;
        Ok(Answer {
            url: url.clone(),
            status,
            headers,
            body,
        })
    }
}

async fn read(
    mut response: reqwest::Response,
    limit: usize,
    url: &str,
) -> Result<Bytes, HttpError> {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(chunk)) if body.len() + chunk.len() <= limit => body.extend_from_slice(&chunk),
            Ok(Some(_)) => {
                return Err(HttpError::TooLong {
                    url: url.to_owned(),
                    limit,
                });
            }
            Err(error) => {
                return Err(HttpError::NoAnswer {
                    url: url.to_owned(),
                    error,
                });
            }
        }
    }
}

/// Statuses after which the same request may well succeed.
fn passes(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

#[cfg(test)]
mod tests;
