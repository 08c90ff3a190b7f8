//! Fetching an issuer's directory over HTTP.

use std::path::PathBuf;
use std::time::Duration;

use pennyblack_evidence::key_log_view::LOG_PATH;
use pennyblack_http::{
    HttpClient, HttpError, HttpOptions, Request, RetryPolicy, SpanLimits, TrustRoots,
};
use pennyblack_privacypass::directory::{self, DirectoryError, IssuerDirectory};
use pennyblack_service::clock_evidence::OtherClock;
use pennyblack_tlog::LogSource;
use pennyblack_tlog::reader::SourceError;

/// How long the issuer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// For how long a directory holds, whatever `max-age` says. Keys are listed at least 20
/// minutes before they begin (docs/protocol.md section 2.1), so that each is seen in time
/// even after an answer that claims to hold for a year.
const MAX_AGE: SpanLimits = SpanLimits {
    default: Duration::from_secs(300),
    min: Duration::from_secs(60),
    max: Duration::from_secs(600),
};

/// A directory that could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// No answer, or a refusal.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Not a directory.
    #[error("{url}: {source}")]
    Directory { url: String, source: DirectoryError },
}

/// What an issuer answered.
#[derive(Debug)]
pub(super) struct Fetched {
    /// The directory, unless it is the one that was fetched before.
    pub(super) directory: Option<IssuerDirectory>,
    /// For how long it holds.
    pub(super) max_age: Duration,
}

/// Asks one issuer.
#[derive(Debug)]
pub(super) struct Fetcher {
    client: HttpClient,
    issuer: String,
    etag: Option<String>,
    /// The issuer's clock, if anybody wants to know what it reads.
    clock: Option<OtherClock>,
}

impl Fetcher {
    pub(super) fn new(issuer: String, tls_roots: Option<PathBuf>) -> Result<Self, HttpError> {
        let options = HttpOptions {
            trust_roots: TrustRoots::only_or_system(tls_roots),
            timeout: TIMEOUT,
            connect_timeout: TIMEOUT,
            ..HttpOptions::default()
        };
        Ok(Self {
            client: options.client()?,
            issuer,
            etag: None,
            clock: None,
        })
    }

    /// Tells `clock` what the issuer's reads, by each of its directories.
    pub(super) fn tell(&mut self, clock: OtherClock) {
        self.clock = Some(clock);
    }

    /// Has the whole directory answered next time, as if none had been fetched.
    pub(super) fn forget(&mut self) {
        self.etag = None;
    }

    pub(super) async fn fetch(&mut self) -> Result<Fetched, FetchError> {
        let url = format!("{}{}", self.issuer, directory::WELL_KNOWN_PATH);
        let mut request = Request::get(url, directory::MAX_SIZE);
        if let Some(etag) = &self.etag {
            request = request.if_none_match(etag);
        }
        // The caller tries again, in its own time.
        let answer = self.client.send(&request, RetryPolicy::NONE).await?;
        if let (Some(clock), Some(theirs)) = (&self.clock, answer.date()) {
            clock.reads(theirs);
        }
        let max_age = answer.max_age(&MAX_AGE);
        if answer.is_not_modified() {
            let directory = None;
            return Ok(Fetched { directory, max_age });
        }
        let parsed = IssuerDirectory::parse(&answer.body);
        let parsed = parsed.map_err(|source| FetchError::Directory {
            url: answer.url.clone(),
            source,
        })?;
        self.etag = answer.etag().map(str::to_owned);
        let directory = Some(parsed);
        Ok(Fetched { directory, max_age })
    }
}

/// Resources of the issuer's log.
impl LogSource for Fetcher {
    async fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let url = format!("{}{LOG_PATH}/{path}", self.issuer);
        let request = Request::get(url.clone(), max);
        let found = self.client.find(&request, RetryPolicy::NONE).await;
        found
            .map(|found| found.map(Vec::from))
            .map_err(|error| SourceError {
                path: url,
                error: error.into(),
            })
    }
}
