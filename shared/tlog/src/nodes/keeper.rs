//! The node that keeps the log, as the other nodes ask it: for its files, which go on
//! to readers unchanged.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::RETRY_AFTER;
use pennyblack_service::peer::{self, Peer, PeerAnswer, PeerError, PeerSetUpError};
use pennyblack_shared::tlog::Tile;

use super::TransparencyLogConfig;
use crate::reader::{LogSource, SourceError};
use crate::routes::PREFIX;

/// Says that a node asks, not a reader: two nodes that each take the other for the one
/// that keeps the log would ask for ever.
pub const ASKED_BY_NODE: &str = "pennyblack-node";

/// Most bytes of an answer: 256 entries of a service have far less.
const MOST: usize = 1 << 20;
/// When to ask again for what the keeper has not answered.
const AGAIN_AFTER: &str = "2";

/// The other node.
#[derive(Debug)]
pub struct Keeper(Peer);

impl Keeper {
    /// The one that the configuration names; `None` when this node is the one.
    ///
    /// # Errors
    /// [`PeerSetUpError`].
    pub fn of(config: &TransparencyLogConfig) -> Result<Option<Self>, PeerSetUpError> {
        let Some(url) = &config.kept_by else {
            return Ok(None);
        };
        let client = peer::client(config.tls_roots.as_deref())?;
        Ok(Some(Self(Peer::new(url, client))))
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        self.0.url()
    }

    /// What it answers about the resource at `path`.
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn get(&self, path: &str) -> Result<PeerAnswer, PeerError> {
        let request = self.0.get(path).header(ASKED_BY_NODE, "1");
        self.0.ask(request, MOST).await
    }

    /// What it answers to `body`, sent to `path` by somebody who knows `credential`.
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn tell(
        &self,
        path: &str,
        credential: &str,
        body: Vec<u8>,
    ) -> Result<PeerAnswer, PeerError> {
        let request = self.0.post(path).header(ASKED_BY_NODE, "1");
        self.0
            .ask(request.bearer_auth(credential).body(body), MOST)
            .await
    }

    /// The same as [`Self::get`], as an answer for whoever has asked this node.
    pub async fn pass_on(&self, path: &str, asked: &HeaderMap) -> Response {
        if asked.contains_key(ASKED_BY_NODE) {
            tracing::error!(
                keeper = self.url(),
                "another node takes this one for the keeper of the log: check \
                 transparency_log.kept_by at both"
            );
            return StatusCode::LOOP_DETECTED.into_response();
        }
        match self.get(path).await {
            Ok(answer) => answer.into(),
            Err(error) => {
                tracing::warn!(%error, "a reader of the log was not answered");
                let again = [(RETRY_AFTER, AGAIN_AFTER)];
                (StatusCode::SERVICE_UNAVAILABLE, again).into_response()
            }
        }
    }
}

impl LogSource for Arc<Keeper> {
    async fn read(&self, path: &str, most: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let path = format!("{PREFIX}/{path}");
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| SourceError {
            path: format!("{}{path}", self.url()),
            error,
        };
        let answer = self.get(&path).await.map_err(|e| failed(e.into()))?;
        match answer.status {
            StatusCode::OK if answer.body.len() <= most => Ok(Some(answer.body)),
            StatusCode::OK => Err(failed(format!("it has more than {most} bytes").into())),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(failed(format!("the answer is {status}").into())),
        }
    }
}

/// The log's resources, as [`crate::routes`] has them at the node that keeps it.
pub(super) fn router(keeper: Arc<Keeper>) -> Router {
    Router::new()
        .route(&format!("{PREFIX}/checkpoint"), get(checkpoint))
        .route(&format!("{PREFIX}/key"), get(key))
        .route(&format!("{PREFIX}/tile/{{*path}}"), get(tile))
        .with_state(keeper)
}

async fn checkpoint(State(keeper): State<Arc<Keeper>>, asked: HeaderMap) -> Response {
    keeper
        .pass_on(&format!("{PREFIX}/checkpoint"), &asked)
        .await
}

async fn key(State(keeper): State<Arc<Keeper>>, asked: HeaderMap) -> Response {
    keeper.pass_on(&format!("{PREFIX}/key"), &asked).await
}

async fn tile(
    State(keeper): State<Arc<Keeper>>,
    Path(path): Path<String>,
    asked: HeaderMap,
) -> Response {
    match format!("tile/{path}").parse::<Tile>() {
        Ok(tile) => keeper.pass_on(&format!("{PREFIX}/{tile}"), &asked).await,
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
