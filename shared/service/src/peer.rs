//! Another node of the same service, asked over HTTP. A request goes to it unchanged,
//! and its answer comes back unchanged, as far as it says anything to the one who asked
//! first. Not here: when a node is asked, and what for.

use std::path::PathBuf;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use pennyblack_http::{Answer, HttpClient, HttpError, HttpOptions, Request, TrustRoots};
use tokio::sync::Semaphore;

/// For connecting to a node.
const CONNECT: Duration = Duration::from_secs(1);
/// For its whole answer; less than the exchange that waits for it may take.
const ANSWER: Duration = Duration::from_secs(5);
/// The header fields of an answer that are passed on.
const PASSED_ON: [http::HeaderName; 2] = [CONTENT_TYPE, WWW_AUTHENTICATE];
/// In seconds, whatever the node says of one that may be used again: what it cannot do
/// for a moment must not keep a client away for long.
const AGAIN_AFTER: HeaderValue = HeaderValue::from_static("2");

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
    /// No answer, a broken one, one that is too long, or a redirection.
    #[error(transparent)]
    NoAnswer(#[from] HttpError),
}

/// What a node answered.
#[derive(Debug)]
pub struct PeerAnswer {
    /// The status.
    pub status: StatusCode,
    /// The header fields that are passed on.
    pub headers: HeaderMap,
    /// The content.
    pub body: Bytes,
}

impl From<Answer> for PeerAnswer {
    fn from(answer: Answer) -> Self {
        let mut headers = HeaderMap::new();
        for name in PASSED_ON {
            for value in answer.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        // Only what a node has is for others to keep: a refusal in a cache between would
        // outlast its cause.
        if answer.status == StatusCode::OK {
            for value in answer.headers.get_all(CACHE_CONTROL) {
                headers.append(CACHE_CONTROL, value.clone());
            }
        } else if answer.headers.contains_key(RETRY_AFTER) {
            headers.insert(RETRY_AFTER, AGAIN_AFTER);
        }
        Self {
            status: answer.status,
            headers,
            body: answer.body,
        }
    }
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
    client: HttpClient,
    turns: Semaphore,
}

/// The HTTP client for all nodes of a service. `tls_roots` are root certificates (PEM)
/// in place of the usual ones.
///
/// # Errors
/// [`HttpError`].
pub fn client(tls_roots: Option<PathBuf>) -> Result<HttpClient, HttpError> {
    let options = HttpOptions {
        trust_roots: TrustRoots::only_or_system(tls_roots),
        timeout: ANSWER,
        connect_timeout: CONNECT,
        ..HttpOptions::default()
    };
    options.client()
}

impl Peer {
    /// The node at this address: a scheme and a host, without a path. At most `at_once`
    /// requests are under way to it.
    #[must_use]
    pub fn new(url: &str, client: HttpClient, at_once: usize) -> Self {
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

    /// The URL of its resource at `path`.
    #[must_use]
    pub fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Sends a request for one of its resources. Every status is an answer, except that
    /// a redirection comes from something in between and leads away from the node.
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn ask(&self, request: &Request<'_>) -> Result<PeerAnswer, PeerError> {
        let busy = |_| PeerError::Busy {
            node: self.url.clone(),
        };
        let _turn = self.turns.try_acquire().map_err(busy)?;
        let answer = self.client.exchange(request).await?;
        if answer.status.is_redirection() {
            return Err(HttpError::Redirected { url: answer.url }.into());
        }
        Ok(answer.into())
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;

    use super::*;

    #[tokio::test]
    async fn a_refusal_is_nobodys_to_keep_and_keeps_nobody_away() {
        for (status, kept, again) in [(200, true, None), (404, false, Some("2"))] {
            let status = StatusCode::from_u16(status).unwrap();
            let fields = [("cache-control", "max-age=9999"), ("retry-after", "9999")];
            let node = Router::new().fallback(move || async move { (status, fields) });
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let serving = tokio::spawn(axum::serve(listener, node).into_future());
            let node = Peer::new(&url, client(None).unwrap(), 1);
            let answer = node.ask(&Request::get(node.url_of("/"), 1024)).await;
            let headers = answer.unwrap().headers;
            assert_eq!(headers.contains_key(CACHE_CONTROL), kept, "{status}");
            let said = headers.get(RETRY_AFTER).map(|said| said.to_str().unwrap());
            assert_eq!(said, again, "{status}");
            serving.abort();
        }
    }

    #[tokio::test]
    async fn a_redirection_is_no_answer_of_a_node() {
        let location = [("location", "https://elsewhere.example/")];
        for status in [301, 302, 303, 307, 308] {
            let status = StatusCode::from_u16(status).unwrap();
            let in_between = Router::new().fallback(move || async move { (status, location) });
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let serving = tokio::spawn(axum::serve(listener, in_between).into_future());
            let node = Peer::new(&url, client(None).unwrap(), 1);
            let error = node.ask(&Request::get(node.url_of("/"), 1024)).await;
            let redirected = PeerError::NoAnswer(HttpError::Redirected {
                url: format!("{url}/"),
            });
            assert_eq!(error.unwrap_err().to_string(), redirected.to_string());
            serving.abort();
        }
    }
}
