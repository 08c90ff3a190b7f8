//! Another node of the same service, asked over HTTP. What is asked goes to it
//! unchanged, and what it answers comes back unchanged, as far as it says anything to
//! whoever asked first. Not here: when a node is asked, and what for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use reqwest::{Client, RequestBuilder};
use tokio::sync::Semaphore;

/// For connecting to a node.
const CONNECT: Duration = Duration::from_secs(1);
/// For its whole answer; less than the exchange that waits for it may take.
const ANSWER: Duration = Duration::from_secs(5);
/// The header fields of an answer that are passed on.
const PASSED_ON: [http::HeaderName; 4] =
    [CONTENT_TYPE, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE];

/// Why other nodes cannot be asked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerSetUpError {
    /// The root certificates for their TLS.
    #[error("tls_roots: {}: {error}", path.display())]
    Roots {
        /// Their file.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The HTTP client.
    #[error("the other nodes cannot be asked: {0}")]
    Client(#[from] reqwest::Error),
}

/// Why a node has not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// As many requests to it are under way as may be.
    #[error("too much is waiting for {node}")]
    Busy {
        /// Its address.
        node: String,
    },
    /// No answer, or a broken one.
    #[error("{node} is away: {error}")]
    Away {
        /// Its address.
        node: String,
        /// What went wrong.
        error: reqwest::Error,
    },
    /// A longer answer than there can be.
    #[error("{node} answers with more than {most} bytes")]
    TooLong {
        /// Its address.
        node: String,
        /// Bytes that are read.
        most: usize,
    },
}

/// What a node answered.
#[derive(Debug)]
pub struct PeerAnswer {
    /// The status.
    pub status: StatusCode,
    /// The header fields that say something to whoever asked first.
    pub headers: HeaderMap,
    /// The content.
    pub body: Vec<u8>,
}

impl From<PeerAnswer> for Response {
    fn from(answer: PeerAnswer) -> Self {
        let mut response = Self::new(Body::from(answer.body));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        response
    }
}

/// One other node.
#[derive(Debug)]
pub struct Peer {
    url: String,
    client: Client,
    turns: Semaphore,
}

/// The HTTP client for all nodes of a service. `tls_roots` are root certificates (PEM)
/// in place of the usual ones.
///
/// # Errors
/// [`PeerSetUpError`].
pub fn client(tls_roots: Option<&Path>) -> Result<Client, PeerSetUpError> {
    let mut builder = Client::builder()
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if let Some(path) = tls_roots {
        let roots = std::fs::read(path)
            .map_err(Into::into)
            .and_then(|pem| reqwest::Certificate::from_pem_bundle(&pem).map_err(Into::into));
        let roots = roots.map_err(|error| PeerSetUpError::Roots {
            path: path.to_owned(),
            error,
        })?;
        builder = builder.tls_certs_only(roots);
    }
    Ok(builder.build()?)
}

impl Peer {
    /// The node at this address: a scheme and a host, without a path. At most `at_once`
    /// requests are under way to it.
    #[must_use]
    pub fn new(url: &str, client: Client, at_once: usize) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            client,
            turns: Semaphore::new(at_once),
        }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request for the resource at `path`, to be completed and given to
    /// [`Self::ask`].
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    /// The same with a body.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    /// Sends a request, and reads an answer of at most `most` bytes.
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn ask(&self, request: RequestBuilder, most: usize) -> Result<PeerAnswer, PeerError> {
        let busy = |_| PeerError::Busy {
            node: self.url.clone(),
        };
        let _turn = self.turns.try_acquire().map_err(busy)?;
        let away = |error: reqwest::Error| PeerError::Away {
            node: self.url.clone(),
            error: error.without_url(),
        };
        let mut answer = request.send().await.map_err(away)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > most {
                let node = self.url.clone();
                return Err(PeerError::TooLong { node, most });
            }
            body.extend_from_slice(&chunk);
        }
        let mut headers = HeaderMap::new();
        for name in PASSED_ON {
            for value in answer.headers().get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        Ok(PeerAnswer {
            status: answer.status(),
            headers,
            body,
        })
    }
}
