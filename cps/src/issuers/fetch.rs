//! Fetching an issuer's directory over HTTP.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use pennyblack_evidence::key_log_view::LOG_PATH;
use pennyblack_privacypass::directory::{self, DirectoryError, IssuerDirectory};
use pennyblack_tlog::LogSource;
use pennyblack_tlog::reader::SourceError;
use reqwest::{Client, Response};

/// How long the issuer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often to ask an issuer that does not say.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(300);

/// A directory that could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The TLS root certificates.
    #[error("{}: {source}: check issuer.tls_roots", path.display())]
    TlsRoots {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No connection, or a broken one.
    #[error("{url} cannot be reached: {source}")]
    Http {
        /// What was asked for.
        url: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// Another status than 200 and 304.
    #[error("{url} answers {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The answer.
        status: StatusCode,
    },
    /// A longer answer than there can be.
    #[error("{url} answers with more than {most} bytes")]
    TooLong {
        /// What was asked for.
        url: String,
        /// Bytes that are read.
        most: usize,
    },
    /// Not a directory.
    #[error("{url}: {source}")]
    Directory {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        source: DirectoryError,
    },
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
    client: Client,
    issuer: String,
    url: String,
    etag: Option<String>,
}

impl Fetcher {
    pub(super) fn new(issuer: &str, tls_roots: Option<&Path>) -> Result<Self, FetchError> {
        let url = format!("{issuer}{}", directory::WELL_KNOWN_PATH);
        let mut builder = Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Some(path) = tls_roots {
            let roots = read_roots(path).map_err(|source| FetchError::TlsRoots {
                path: path.to_owned(),
                source,
            })?;
            builder = builder.tls_certs_only(roots);
        }
        let client = builder.build().map_err(|source| FetchError::Http {
            url: url.clone(),
            source,
        })?;
        Ok(Self {
            client,
            issuer: issuer.to_owned(),
            url,
            etag: None,
        })
    }

    /// Has the whole directory answered next time, as if none had been fetched.
    pub(super) fn forget(&mut self) {
        self.etag = None;
    }

    pub(super) async fn fetch(&mut self) -> Result<Fetched, FetchError> {
        let http = |source| FetchError::Http {
            url: self.url.clone(),
            source,
        };
        let mut request = self.client.get(&self.url);
        if let Some(etag) = &self.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = request.send().await.map_err(http)?;
        let max_age = max_age(&response);
        let directory = match response.status() {
            StatusCode::NOT_MODIFIED => None,
            StatusCode::OK => {
                let etag = response.headers().get(ETAG);
                let etag = etag.and_then(|etag| etag.to_str().ok()).map(str::to_owned);
                let body = read(response, &self.url, directory::MAX_SIZE).await?;
                let parsed = IssuerDirectory::parse(&body);
                let parsed = parsed.map_err(|source| FetchError::Directory {
                    url: self.url.clone(),
                    source,
                })?;
                self.etag = etag;
                Some(parsed)
            }
            status => {
                return Err(FetchError::Status {
                    url: self.url.clone(),
                    status,
                });
            }
        };
        Ok(Fetched { directory, max_age })
    }
}

/// Resources of the issuer's log.
impl LogSource for Fetcher {
    async fn read(&self, path: &str, most: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let url = format!("{}{LOG_PATH}/{path}", self.issuer);
        let answer = self.get(url.clone(), most).await;
        answer.map_err(|error| SourceError {
            path: url,
            error: error.into(),
        })
    }
}

impl Fetcher {
    async fn get(&self, url: String, most: usize) -> Result<Option<Vec<u8>>, FetchError> {
        let sent = self.client.get(&url).send().await;
        let response = sent.map_err(|source| FetchError::Http {
            url: url.clone(),
            source,
        })?;
        match response.status() {
            StatusCode::OK => Ok(Some(read(response, &url, most).await?)),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(FetchError::Status { url, status }),
        }
    }
}

async fn read(mut response: Response, url: &str, most: usize) -> Result<Vec<u8>, FetchError> {
    let http = |source| FetchError::Http {
        url: url.to_owned(),
        source,
    };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(http)? {
        body.extend_from_slice(&chunk);
        if body.len() > most {
            return Err(FetchError::TooLong {
                url: url.to_owned(),
                most,
            });
        }
    }
    Ok(body)
}

fn read_roots(
    path: &Path,
) -> Result<Vec<reqwest::Certificate>, Box<dyn std::error::Error + Send + Sync>> {
    let pem = std::fs::read(path)?;
    Ok(reqwest::Certificate::from_pem_bundle(&pem)?)
}

fn max_age(response: &Response) -> Duration {
    let values = response.headers().get_all(CACHE_CONTROL).into_iter();
    let mut directives = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    directives
        .find_map(|directive| directive.trim().strip_prefix("max-age=")?.parse().ok())
        .map_or(DEFAULT_MAX_AGE, Duration::from_secs)
}
