//! The one HTTP client of the workspace: how a service is addressed, with which
//! time-outs it is asked, what an answer may be, and when to ask again. Not
//! here: what is asked, and which service.

mod answer;
mod authorities;
mod clock_gap;
mod deadline;
mod foreign_span;
mod fresh_clients;
mod gathered;
mod kept;
mod kept_clients;
mod options;
mod pace;
mod public_addresses;
mod read_ahead;
mod recognise;
mod request;
mod route;
mod route_error;
mod service_address;
pub mod service_kind;
mod service_url;
mod tls;
mod transport;
mod way;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;

pub use answer::{Answer, HttpError, Refused};
pub use authorities::RenewedAuthorities;
pub use clock_gap::ClockGap;
pub use deadline::Deadline;
pub use foreign_span::SpanLimits;
pub use fresh_clients::FreshClients;
pub use gathered::Gathered;
pub use kept::{KeptAnswer, KeptConnection, KeptError, KeptLimits};
pub use kept_clients::{Kept, KeptClient, KeptFreshClients};
pub use options::{HttpOptions, TrustRoots};
pub use public_addresses::is_public;
pub use read_ahead::ReadAhead;
pub use request::Request;
pub use route::{Route, RoutedAnswer, RoutedRequest};
pub use route_error::{RouteError, RouteFault};
pub use service_address::{ServiceAddress, ServiceAddressError, ServiceUri};
pub use service_url::{ServiceUrl, ServiceUrlError};
pub use tls::{ClientCertificate, TlsClient};

use pace::Pace;
use way::Way;

/// Refusals are short; more than this is not read of one.
const MAX_PROBLEM_SIZE: usize = 64 * 1024;
/// How long it may take to find out what is spoken at a port where no HTTP is.
const DIAGNOSIS: Duration = Duration::from_secs(1);

/// How often and how long a request is sent again that got no answer, or one
/// that says to come back.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Times after the first.
    pub retries: usize,
    /// The longest pause; a `Retry-After` beyond it ends the trying.
    pub longest_pause: Duration,
    /// How long all of it may take, if the client's own deadline is not sooner. The failure
    /// before a pause that would be too long is the outcome then.
    pub within: Option<Duration>,
}

impl RetryPolicy {
    /// For people who wait at a terminal: some ten seconds in all.
    pub const SHORT: Self = Self {
        retries: 4,
        longest_pause: Duration::from_secs(5),
        within: None,
    };
    /// Once and never again.
    pub const NONE: Self = Self {
        retries: 0,
        longest_pause: Duration::ZERO,
        within: None,
    };
}

/// Sends requests.
#[derive(Debug, Clone)]
pub struct HttpClient {
    way: Way,
    /// When whatever it is used for ends.
    deadline: Option<Deadline>,
    /// When requests may leave, if not at once.
    pace: Option<Pace>,
    /// By the last answer; clones share it.
    clock_gap: Arc<Mutex<Option<ClockGap>>>,
}

impl HttpClient {
    /// The same client, with the same connections, for an operation that ends at
    /// `deadline`: also pauses and tries are over then.
    #[must_use]
    pub fn within(&self, deadline: Deadline) -> Self {
        Self {
            deadline: Some(deadline),
            ..self.clone()
        }
    }

    /// The same client, whose requests leave now and at whole multiples of `step` from now
    /// on: who is asked does not see how long the work between two of them took.
    #[must_use]
    pub fn paced(&self, step: Duration) -> Self {
        Self {
            pace: Some(Pace::from_now(step)),
            ..self.clone()
        }
    }

    /// When the operation that it is used for ends, if that is fixed.
    #[must_use]
    pub const fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

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
        let bounded = retry.within.map(|within| self.ending_in(within));
        let client = bounded.as_ref().unwrap_or(self);
        match client.try_send(request, retry).await {
            Err(error) if retry.retries > 0 => Err(client.diagnose(error).await),
            sent => sent,
        }
    }

    /// Not later than it ends already.
    fn ending_in(&self, time: Duration) -> Self {
        let left = self.deadline.map_or(time, |deadline| deadline.remaining());
        self.within(Deadline::after(time.min(left)))
    }

    /// Boxed, as all of this client that awaits the network: it is compiled here, and not
    /// again in each crate that sends something.
    fn try_send<'a>(
        &'a self,
        request: &'a Request<'_>,
        retry: RetryPolicy,
    ) -> BoxFuture<'a, Result<Answer, HttpError>> {
        Box::pin(async move {
            let pauses = ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(200))
                .with_max_delay(retry.longest_pause.max(Duration::from_millis(200)))
                .with_max_times(retry.retries)
                .with_jitter();
            let sent = (|| self.send_once(request))
                .retry(pauses)
                .when(HttpError::is_passing)
                .adjust(|error, pause| match (error.retry_after(), pause) {
                    (Some(after), Some(_)) if after > retry.longest_pause => None,
                    (after, pause) => {
                        let pause = pause.map(|pause| pause.max(after.unwrap_or_default()));
                        // The failure at hand says more than that the time is up.
                        let more = time_to_diagnose(error);
                        pause.filter(|pause| self.has_time_for(*pause + more))
                    }
                })
                .notify(|_, pause| {
                    // Not the URL: it may name a called number or a mailbox.
                    let service = transport::base(&request.url);
                    tracing::debug!(service, pause_ms = pause.as_millis(), "trying again");
                })
                .await;
            if let Ok(answer) = &sent {
                self.remember(answer.clock_gap);
            } else if let Err(HttpError::Refused(refused)) = &sent {
                self.remember(refused.clock_gap);
            }
            sent
        })
    }

    /// How far this machine's clock is from that of the service which answered
    /// last, if that is far.
    #[must_use]
    pub fn clock_gap(&self) -> Option<ClockGap> {
        let gap = self.clock_gap.lock();
        *gap.unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, clock_gap: Option<ClockGap>) {
        let gap = self.clock_gap.lock();
        *gap.unwrap_or_else(PoisonError::into_inner) = clock_gap;
    }

    fn has_time_for(&self, pause: Duration) -> bool {
        let deadline = self.deadline;
        deadline.is_none_or(|deadline| deadline.remaining() > pause)
    }

    /// For people who wait at a terminal: finds out, by one or two more requests, whether
    /// another kind of service answers there, or another scheme is spoken. What a route
    /// carries is not asked about: more requests would be seen of it.
    pub fn diagnose(&self, error: HttpError) -> BoxFuture<'_, HttpError> {
        Box::pin(async move {
            match &error {
                _ if self.way.direct().is_none() => error,
                HttpError::Refused(refused) => match recognise::mistaken(self, refused).await {
                    Some(mistaken) => HttpError::Mistaken(mistaken),
                    None => error,
                },
                HttpError::NoAnswer { url, error: cause } if transport::is_no_http(cause) => {
                    match self.speaks_tls(url).await {
                        true => HttpError::SpeaksTls { url: url.clone() },
                        false => error,
                    }
                }
                _ => error,
            }
        })
    }

    async fn speaks_tls(&self, url: &str) -> bool {
        let Some(rest) = transport::base(url).strip_prefix("http://") else {
            return false;
        };
        let Some(client) = self.way.direct() else {
            return false;
        };
        let asked = client.get(format!("https://{rest}/")).send();
        let answer = match self.deadline {
            Some(deadline) => deadline.bound(asked).await,
            None => Some(asked.await),
        };
        answer.is_some_and(|answer| transport::spoke_tls(&answer))
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
        match self.try_send(request, retry).await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(HttpError::Refused(refused)) if refused.status == StatusCode::NOT_FOUND => Ok(None),
            Err(error) if retry.retries > 0 => Err(self.diagnose(error).await),
            Err(error) => Err(error),
        }
    }

    /// Sends a request once. Every status is an answer: for protocols that have a
    /// meaning for each, and for answers that are passed on.
    ///
    /// # Errors
    /// [`HttpError`] when no whole answer comes.
    pub fn exchange<'a>(
        &'a self,
        request: &'a Request<'_>,
    ) -> BoxFuture<'a, Result<Answer, HttpError>> {
        Box::pin(self.receive(request, |_| request.max_answer))
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
        let received = self.receive_at_leisure(request, limit);
        let Some(deadline) = self.deadline else {
            return received.await;
        };
        let url = || request.url.clone();
        let in_time = deadline.bound(received).await;
        in_time.unwrap_or_else(|| Err(HttpError::TimeUp { url: url() }))
    }

    async fn receive_at_leisure(
        &self,
        request: &Request<'_>,
        limit: impl Fn(StatusCode) -> usize,
    ) -> Result<Answer, HttpError> {
        if let Some(pace) = self.pace {
            pace.next().await;
        }
        self.way.send(request, limit).await
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

/// What is left for [`HttpClient::diagnose`] when such a failure is met again.
fn time_to_diagnose(error: &HttpError) -> Duration {
    match error {
        HttpError::NoAnswer { error, .. } if transport::is_no_http(error) => DIAGNOSIS,
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests;
