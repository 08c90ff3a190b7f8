//! The one HTTP client of this crate: how a service is addressed, with which
//! time-outs it is asked, what an answer may be, and when to ask again. Not
//! here: what is asked (`carrier`, `caller`, `recipient`).

mod answer;
mod clock_gap;
mod public_addresses;
mod service_address;
mod service_kind;
mod transport;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use pennyblack_service::clock::Clock;
use reqwest::redirect::Policy;

pub use answer::{Answer, HttpError, Refused};
pub use clock_gap::ClockGap;
use public_addresses::PublicAddresses;
pub use public_addresses::is_public;
pub use service_address::{ServiceAddress, ServiceAddressError, ServiceUri};
pub use service_kind::{Mistaken, ServiceKind};

/// Refusals are short; more than this is not read of one.
const MAX_PROBLEM_SIZE: usize = 64 * 1024;

/// How services are reached.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// PEM file of certification authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// A proxy to go through, for example `http://relay.example:3128`. Run by
    /// somebody else, it keeps a storer's address from the CPS.
    pub proxy: Option<String>,
    /// How long one request may take, from connecting to the last byte.
    pub timeout: Duration,
    /// Refuse names that lead to private, loopback or link-local addresses: for
    /// URLs that strangers chose.
    pub public_addresses_only: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            ca_file: None,
            proxy: None,
            timeout: Duration::from_secs(10),
            public_addresses_only: false,
        }
    }
}

impl HttpOptions {
    /// A client with connections and TLS sessions of its own. Whatever must not
    /// be linked with anything else, such as the storing of one PASSporT, is
    /// sent by a client of its own: a kept connection or a resumed session
    /// would tell the CPS that two stores have one storer.
    ///
    /// # Errors
    /// [`HttpError::CaFile`] or [`HttpError::Build`].
    pub fn client(&self) -> Result<HttpClient, HttpError> {
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .referer(false)
            .timeout(self.timeout)
            .connect_timeout(self.timeout.min(Duration::from_secs(5)))
            .retry(reqwest::retry::never());
        if let Some(path) = &self.ca_file {
            builder = builder.tls_certs_merge(read_authorities(path)?);
        }
        if self.public_addresses_only {
            builder = builder.dns_resolver(PublicAddresses);
        }
        builder = match &self.proxy {
            Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy).map_err(HttpError::Build)?),
            // Environment variables must not decide through whom calls pass.
            None => builder.no_proxy(),
        };
        Ok(HttpClient {
            client: builder.build().map_err(HttpError::Build)?,
            clock_gap: Arc::default(),
        })
    }
}

fn read_authorities(path: &PathBuf) -> Result<Vec<reqwest::Certificate>, HttpError> {
    let refused = |why: String| HttpError::CaFile {
        path: path.clone(),
        why,
    };
    let pem = fs::read(path).map_err(|error| refused(error.to_string()))?;
    reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| refused(error.to_string()))
}

/// A request that can be sent again.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// Header fields.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The content.
    pub body: Bytes,
    /// Most bytes of an answer that are read.
    pub max_answer: usize,
}

impl<'a> Request<'a> {
    /// A `GET`.
    #[must_use]
    pub const fn get(url: String, max_answer: usize) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: Bytes::new(),
            max_answer,
        }
    }

    /// The same with one more header field.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// How often and how long a request is sent again that got no answer, or one
/// that says to come back.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Times after the first.
    pub retries: usize,
    /// The longest pause; a `Retry-After` beyond it ends the trying.
    pub longest_pause: Duration,
}

impl Patience {
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
pub struct HttpClient {
    client: reqwest::Client,
    /// By the last answer; clones share it.
    clock_gap: Arc<Mutex<Option<ClockGap>>>,
}

impl HttpClient {
    /// Sends a request until there is an answer to go by: a success, a refusal
    /// that another try does not change, or the end of `patience`. Pauses grow
    /// and are random; a `Retry-After` within patience is obeyed.
    ///
    /// # Errors
    /// [`HttpError`], the last one.
    pub async fn send(
        &self,
        request: &Request<'_>,
        patience: Patience,
    ) -> Result<Answer, HttpError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(patience.longest_pause.max(Duration::from_millis(200)))
            .with_max_times(patience.retries)
            .with_jitter();
        let sent = (|| self.send_once(request))
            .retry(pauses)
            .when(HttpError::is_passing)
            .adjust(|error, pause| match (error.retry_after(), pause) {
                (Some(after), Some(_)) if after > patience.longest_pause => None,
                (after, pause) => pause.map(|pause| pause.max(after.unwrap_or_default())),
            })
            .notify(|error, pause| {
                tracing::debug!(error = %error, pause_ms = pause.as_millis(), "trying again");
            })
            .await;
        match sent {
            Err(error) if patience.retries > 0 => Err(self.diagnose(error).await),
            sent => sent,
        }
    }

    /// How far this machine's clock is from that of the service which answered
    /// last, if that is far.
    #[must_use]
    pub fn clock_gap(&self) -> Option<ClockGap> {
        *self
            .clock_gap
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// For people who wait at a terminal: finds out whether another kind of service
    /// answers there, or another scheme is spoken.
    async fn diagnose(&self, error: HttpError) -> HttpError {
        match &error {
            HttpError::Refused(refused) => match service_kind::mistaken(self, refused).await {
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
    }

    async fn speaks_tls(&self, url: &str) -> bool {
        let Some(rest) = transport::base(url).strip_prefix("http://") else {
            return false;
        };
        let answer = self.client.get(format!("https://{rest}/")).send().await;
        transport::spoke_tls(&answer)
    }

    async fn send_once(&self, request: &Request<'_>) -> Result<Answer, HttpError> {
        let lost = |error: reqwest::Error| HttpError::NoAnswer {
            url: request.url.clone(),
            error,
        };
        let sent = self
            .client
            .request(request.method.clone(), &request.url)
            .headers(header_map(request)?)
            .body(request.body.clone())
            .send();
        let response = sent.await.map_err(lost)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let gap = ClockGap::of(&headers, &request.url, Clock::system().now());
        *self
            .clock_gap
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = gap;
        let limit = if status.is_success() {
            request.max_answer
        } else {
            MAX_PROBLEM_SIZE
        };
        let body = read(response, limit, &request.url).await?;
        if status.is_success() {
            return Ok(Answer::new(request.url.clone(), status, &headers, body));
        }
        if status.is_redirection() {
            return Err(HttpError::Redirected {
                url: request.url.clone(),
            });
        }
        Err(Refused::new(request.url.clone(), status, &headers, &body, gap).into())
    }
}

/// Values that hold a token or an attestation are marked as secrets, so that
/// no layer below prints them or puts them into a compression table.
fn header_map(request: &Request<'_>) -> Result<HeaderMap, HttpError> {
    let unsendable = |name: &str| HttpError::Header(name.to_owned());
    let mut map = HeaderMap::new();
    for (name, value) in &request.headers {
        let mut value = HeaderValue::from_str(value).map_err(|_| unsendable(name))?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable(name))?;
        value.set_sensitive(name == http::header::AUTHORIZATION);
        map.insert(name, value);
    }
    Ok(map)
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
