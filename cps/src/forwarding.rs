//! Store requests on their way to the node that decides about their token
//! (docs/decisions/0004-never-twice.md). Whole and unchanged they go, and the answer
//! comes back unchanged; who stores is in neither, and nothing is added that says more.

use std::path::PathBuf;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use pennyblack_shared::store_request::{MEDIA_TYPE, STORE_PATH, StoreHeaders};
use pennyblack_shared::token::{Nonce, TokenKeyId};
use reqwest::Client;
use tokio::sync::Semaphore;

use crate::config::NeverTwiceConfig;
use crate::store::StoreError;
use crate::store::never_twice::Owners;

/// Names the list of nodes by which a request was sent on.
pub(crate) const NODES_HEADER: &str = "pennyblack-nodes";

/// Requests under way to one node.
const AT_ONCE: usize = 256;
/// For connecting to a node.
const CONNECT: Duration = Duration::from_secs(1);
/// For its whole answer; less than the exchange that waits for it may take.
const ANSWER: Duration = Duration::from_secs(5);
/// Most bytes of an answer: a problem document.
const MOST: usize = 64 * 1024;

/// Why the other nodes cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardingError {
    /// The root certificates.
    #[error("never_twice.tls_roots: {}: {error}", path.display())]
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

/// The other nodes.
#[derive(Debug)]
pub(crate) struct Forwarding {
    owners: Owners,
    list: String,
    client: Client,
    /// Of each node.
    turns: Vec<Semaphore>,
}

impl Forwarding {
    pub(crate) fn new(config: &NeverTwiceConfig, owners: Owners) -> Result<Self, ForwardingError> {
        let mut builder = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Some(path) = &config.tls_roots {
            let roots = std::fs::read(path)
                .map_err(Into::into)
                .and_then(|pem| reqwest::Certificate::from_pem_bundle(&pem).map_err(Into::into));
            let roots = roots.map_err(|error| ForwardingError::Roots {
                path: path.clone(),
                error,
            })?;
            builder = builder.tls_certs_only(roots);
        }
        let turns = owners.nodes().iter().map(|_| Semaphore::new(AT_ONCE));
        Ok(Self {
            list: hex::encode(owners.list_id().0),
            turns: turns.collect(),
            client: builder.build()?,
            owners,
        })
    }

    /// The other node that decides about a token; `None` when this one does. `by` is
    /// the list by which another node has sent the request here.
    ///
    /// # Errors
    /// When that is another list, by which another node would decide.
    pub(crate) fn owner(
        &self,
        (epoch, nonce): (TokenKeyId, Nonce),
        by: Option<&str>,
    ) -> Result<Option<usize>, StoreError> {
        let owner = self.owners.owner_of(&epoch, &nonce);
        let is_own = owner == self.owners.own();
        match by {
            Some(list) if list != self.list || !is_own => {
                Err(StoreError::Unavailable("the node lists differ".to_owned()))
            }
            _ => Ok((!is_own).then_some(owner)),
        }
    }

    /// Sends a request to the node that decides, and returns what it says.
    ///
    /// # Errors
    /// When it is away or too much is waiting for it.
    pub(crate) async fn ask(
        &self,
        owner: usize,
        headers: &StoreHeaders<'_>,
        body: &[u8],
    ) -> Result<Response, StoreError> {
        let (node, turns) = self
            .owners
            .nodes()
            .get(owner)
            .zip(self.turns.get(owner))
            .ok_or_else(|| StoreError::Unavailable(format!("there is no node {owner}")))?;
        let _turn = turns.try_acquire().map_err(|_| StoreError::Busy)?;
        metrics::counter!("pennyblack_cps_forwarded_total").increment(1);
        let mut post = self
            .client
            .post(format!("{node}{STORE_PATH}"))
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .header(NODES_HEADER, &self.list);
        let fields = [
            (AUTHORIZATION.as_str(), headers.authorization),
            ("content-digest", headers.content_digest),
            ("signature-input", headers.signature_input),
            ("signature", headers.signature),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                post = post.header(name, value);
            }
        }
        let answer = answer_to(post.body(body.to_vec())).await;
        answer.map_err(|error| {
            StoreError::Unavailable(format!("node {owner}, which decides, is away: {error}"))
        })
    }
}

/// An answer as it came, as far as it says anything to a storer.
async fn answer_to(
    post: reqwest::RequestBuilder,
) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
    let mut answer = post.send().await.map_err(reqwest::Error::without_url)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > MOST {
            return Err(format!("its answer has more than {MOST} bytes").into());
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = answer.status();
    for name in [CONTENT_TYPE, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE] {
        for value in answer.headers().get_all(&name) {
            response.headers_mut().append(name.clone(), value.clone());
        }
    }
    Ok(response)
}
