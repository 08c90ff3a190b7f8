//! What came back: an answer, a refusal with its problem document, or nothing. Not
//! here: which status is an answer.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
};
use pennyblack_base::foreign_text;
use pennyblack_base::problem::{Problem, ProblemType};
use pennyblack_base::time::UnixTime;

use super::clock_gap::{self, ClockGap};
use super::foreign_span::SpanLimits;
use super::route_error::RouteError;
use super::service_kind::Mistaken;
use super::transport::WHERE_ROOTS_ARE_NAMED;
use super::{passes, transport};
use pennyblack_base::span::Span;

/// A success; 304, if the request was conditional; or any other status, if the
/// request was one for which every status is an answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Who gave it.
    pub url: String,
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The content.
    pub body: Bytes,
    /// How far this machine's clock is from that of the service, if that is far.
    pub clock_gap: Option<ClockGap>,
}

impl Answer {
    /// The content, if it is of this media type (parameters are passed over).
    ///
    /// # Errors
    /// [`HttpError::MediaType`]: something else answers at this URL.
    pub fn content(&self, media_type: &str) -> Result<&Bytes, HttpError> {
        let found = text(&self.headers, &CONTENT_TYPE).unwrap_or_default();
        let essence = found.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case(media_type) {
            return Ok(&self.body);
        }
        Err(HttpError::MediaType {
            url: self.url.clone(),
            expected: media_type.to_owned(),
            found: found.chars().take(MAX_MEDIA_TYPE).collect(),
        })
    }

    /// The answer, if it is 201.
    ///
    /// # Errors
    /// [`HttpError::OtherSuccess`]: something else answers at this URL.
    pub fn expect_created(self) -> Result<Self, HttpError> {
        match self.status {
            StatusCode::CREATED => Ok(self),
            status => Err(HttpError::OtherSuccess {
                url: self.url,
                status,
            }),
        }
    }

    /// True when the request was conditional and the content is still that of its tag.
    #[must_use]
    pub fn is_not_modified(&self) -> bool {
        self.status == StatusCode::NOT_MODIFIED
    }

    /// The tag of the content, for [`Request::if_none_match`](super::Request::if_none_match).
    #[must_use]
    pub fn etag(&self) -> Option<&str> {
        text(&self.headers, &ETAG)
    }

    /// What the service's clock read when it answered, if it says so.
    #[must_use]
    pub fn date(&self) -> Option<UnixTime> {
        clock_gap::date(&self.headers)
    }

    /// For how long the content may be used (RFC 9111 section 5.2.2.1), within the
    /// caller's limits.
    #[must_use]
    pub fn max_age(&self, limits: &SpanLimits) -> Duration {
        let values = self.headers.get_all(CACHE_CONTROL).into_iter();
        let mut directives = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        let seconds = directives
            .find_map(|directive| directive.trim().strip_prefix("max-age=")?.parse().ok());
        limits.apply(seconds.map(Duration::from_secs))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A refusal: status 4xx or 5xx.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{url} refused: {problem}{}{}", again(*retry_after), set_clock(*clock_gap))]
pub struct Refused {
    /// Who refused.
    pub url: String,
    /// The status.
    pub status: StatusCode,
    /// Why and what to do; made of the status when there was no document.
    pub problem: Problem,
    /// When to come back: to be shown. Only [`RetryPolicy`](super::RetryPolicy) follows it,
    /// up to its longest pause.
    pub retry_after: Option<Duration>,
    /// How far this machine's clock is from the service's, if that is far.
    pub clock_gap: Option<ClockGap>,
    /// What it wants to be shown instead: the values of `WWW-Authenticate`, 16 at most.
    pub authenticate: Vec<String>,
}

/// Most values of `WWW-Authenticate` that are kept.
const MAX_AUTHENTICATE: usize = 16;

/// A pause that is not worth a sentence.
const SHORT_PAUSE: Duration = Duration::from_secs(10);

fn again(retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(pause) if pause > SHORT_PAUSE => format!(" Try again in {}.", Span(pause)),
        _ => String::new(),
    }
}

fn set_clock(gap: Option<ClockGap>) -> String {
    gap.map_or_else(String::new, |gap| format!(" Note: {gap}."))
}

impl Refused {
    pub(super) fn new(answer: &Answer) -> Self {
        let retry_after = text(&answer.headers, &RETRY_AFTER)
            .and_then(|value| value.trim().parse().ok())
            .map(Duration::from_secs);
        Self {
            url: answer.url.clone(),
            status: answer.status,
            problem: problem(answer.status, &answer.body),
            retry_after,
            clock_gap: answer.clock_gap,
            authenticate: authenticate(&answer.headers),
        }
    }

    /// True when the service has no such path: it is of another kind.
    pub(super) fn has_no_such_path(&self) -> bool {
        let kind = self.kind();
        self.status == StatusCode::NOT_FOUND
            && (kind.is_none() || kind == Some(ProblemType::NotFound))
    }

    /// The kind of refusal, if it is one of the protocol's.
    #[must_use]
    pub fn kind(&self) -> Option<ProblemType> {
        self.problem.problem_type()
    }
}

fn authenticate(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(WWW_AUTHENTICATE).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.take(MAX_AUTHENTICATE).map(str::to_owned).collect()
}

/// Most characters of a media type that are shown.
const MAX_MEDIA_TYPE: usize = 100;

/// Most characters of a stranger's sentence that are shown.
const MAX_SHOWN: usize = 1_000;

/// What a stranger says, so that it can neither steer a terminal nor forge log lines.
fn printable(text: &str) -> String {
    foreign_text::printable(text, MAX_SHOWN)
}

fn problem(status: StatusCode, body: &[u8]) -> Problem {
    let blank = || Problem {
        kind: "about:blank".to_owned(),
        title: status.canonical_reason().unwrap_or("Refused").to_owned(),
        status: status.as_u16(),
        detail: "The answer says nothing more.".to_owned(),
    };
    let mut problem: Problem = serde_json::from_slice(body).unwrap_or_else(|_| blank());
    if problem.title.is_empty() {
        problem = blank();
    }
    problem.status = status.as_u16();
    problem.kind = printable(&problem.kind);
    problem.title = printable(&problem.title);
    problem.detail = printable(&problem.detail);
    problem
}

/// Why there is no answer to go by.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The client could not be made.
    #[error("the HTTP client cannot be made: {0}")]
    Build(#[source] reqwest::Error),
    /// TLS cannot be set up: the system has no CAs, or one of a file is none.
    #[error("TLS cannot be set up: {0}; name a file of CA certificates {WHERE_ROOTS_ARE_NAMED}")]
    Tls(#[source] rustls::Error),
    /// The file of authorities cannot be used.
    #[error("the file {} cannot be used as trust roots: {why}; name a file of certificates in PEM, or of one in DER", path.display())]
    CaFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A header field that cannot be sent.
    #[error(
        "the header field {name} cannot be sent to {url}: remove line breaks and control characters"
    )]
    Header {
        /// Who would have been asked.
        url: String,
        /// Its name.
        name: String,
    },
    /// No connection, no answer in time, or one that broke off: whether the
    /// service did what was asked is not known.
    #[error("no answer from {url}: {}", transport::explain(url, error))]
    NoAnswer {
        /// Who was asked.
        url: String,
        /// What went wrong.
        error: reqwest::Error,
    },
    /// The time for the whole operation ended while the request was under way: whether
    /// the service did what was asked is not known.
    #[error(
        "{url} had not answered when the time was up; try again, or allow more time (a command: --deadline)"
    )]
    TimeUp {
        /// Who was asked.
        url: String,
    },
    /// A longer answer than the protocol allows.
    #[error(
        "{url} answered with more than {limit} bytes: it is not the service it should be; check host and port"
    )]
    TooLong {
        /// Who was asked.
        url: String,
        /// Bytes that were read.
        limit: usize,
    },
    /// Redirects are not followed: where a PASSporT goes is not for a service to say.
    #[error("{url} redirects elsewhere, which is not followed: use the final address")]
    Redirected {
        /// Who was asked.
        url: String,
    },
    /// An answer of another kind.
    #[error(
        "{url} answered with {found:?} instead of {expected}: it is not the service it should be; check host and port"
    )]
    MediaType {
        /// Who was asked.
        url: String,
        /// The media type that belongs there.
        expected: String,
        /// The media type that came.
        found: String,
    },
    /// A success that the protocol does not have there.
    #[error(
        "{url} answered with {status}: it is not the service it should be; check host, port and proxy"
    )]
    OtherSuccess {
        /// Who was asked.
        url: String,
        /// Its status.
        status: StatusCode,
    },
    /// The service refused.
    #[error(transparent)]
    Refused(Box<Refused>),
    /// Another kind of service answers there.
    #[error("{0}")]
    Mistaken(Mistaken),
    /// The route that the request was to take brought no answer of the service.
    #[error(transparent)]
    Route(Box<RouteError>),
    /// Plain HTTP was sent to a port that speaks TLS.
    #[error(
        "no answer from {url}: it speaks TLS there, not plain HTTP: use {}",
        https(url)
    )]
    SpeaksTls {
        /// Who was asked.
        url: String,
    },
}

fn https(url: &str) -> String {
    transport::base(url).replacen("http://", "https://", 1)
}

impl From<Refused> for HttpError {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

impl From<RouteError> for HttpError {
    fn from(error: RouteError) -> Self {
        Self::Route(Box::new(error))
    }
}

impl HttpError {
    /// True when something answered and refused: the request was not carried out.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Mistaken(_))
    }

    /// True when nothing of the request left: there was no way or no connection to send it by.
    #[must_use]
    pub fn has_not_left(&self) -> bool {
        match self {
            Self::NoAnswer { error, .. } => error.is_connect() || error.is_builder(),
            Self::Route(error) => error.fault.has_not_left(),
            Self::Build(_) | Self::Tls(_) | Self::CaFile { .. } | Self::Header { .. } => true,
            _ => false,
        }
    }

    /// True when the same request may succeed later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NoAnswer { error, .. } => !error.is_builder() && !transport::is_final(error),
            Self::Refused(refused) => passes(refused.status),
            Self::Route(error) => error.fault.is_passing(),
            _ => false,
        }
    }

    /// When the service wants the request again, if it said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refused) => refused.retry_after,
            Self::Route(error) => error.fault.retry_after(),
            _ => None,
        }
    }

    /// The refusal, if there was one.
    #[must_use]
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            _ => None,
        }
    }
}
