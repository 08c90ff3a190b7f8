//! The leader, as the followers ask it: for the log's files, which go on to readers
//! unchanged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get as on_get;
use http::StatusCode;
use http::header::RETRY_AFTER;
use pennyblack_http::{HttpError, Request};
use pennyblack_service::peer::{self, Peer, PeerAnswer, PeerError};
use pennyblack_service::public_router::PublicRouter;
use pennyblack_service::repeated_causes;

use super::TransparencyLogConfig;
use crate::routes::{PREFIX, tile_at};
use pennyblack_tlog::reader::{LogSource, SourceError};

/// Marks a request of a node, not of a reader: two nodes that each take the other for the
/// leader would ask each other endlessly.
pub const ASKED_BY_NODE: &str = "pennyblack-node";

/// Most bytes of an answer: 256 entries of a service have far less.
const MOST: usize = 1 << 21;
/// Requests under way to it at one time: those of readers, who are anybody and must not
/// keep out the others; those of this node as a reader; and what this node reports.
const READERS: usize = 32;
const OWN_READS: usize = 32;
const REPORTS: usize = 256;
/// When to ask again for what the leader has not answered.
pub(super) const AGAIN_AFTER: &str = "2";

/// The leader.
#[derive(Debug)]
pub struct LeaderClient {
    for_readers: Peer,
    for_itself: Peer,
    for_reports: Peer,
    /// That it asks this node was said, which is enough: a reader can pretend it.
    has_warned: AtomicBool,
}

impl LeaderClient {
    /// The one that the configuration names; `None` when this node is the one.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn of(config: &TransparencyLogConfig) -> Result<Option<Self>, HttpError> {
        let Some(url) = &config.leader else {
            return Ok(None);
        };
        let client = peer::client(config.tls_roots.clone())?;
        let peer = |at_once| Peer::new(url, client.clone(), at_once);
        Ok(Some(Self {
            for_readers: peer(READERS),
            for_itself: peer(OWN_READS),
            for_reports: peer(REPORTS),
            has_warned: AtomicBool::new(false),
        }))
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        self.for_itself.url()
    }

    /// What it answers to a report, sent to `path` with the nodes' `credential`.
    ///
    /// # Errors
    /// [`PeerError`].
    pub(super) async fn report(
        &self,
        path: &str,
        credential: &str,
        body: Vec<u8>,
    ) -> Result<PeerAnswer, PeerError> {
        let url = self.for_reports.url_of(path);
        let request = Request::post(url, body, MOST).bearer(credential);
        self.for_reports.ask(&request).await
    }

    /// What it answers about the resource at `path`, for a reader whose request to this
    /// node has the headers `asked`. A reader who poses as a node is told that this node
    /// is not the one to ask: that is no fault of the service.
    pub async fn pass_on(&self, path: &str, asked: &HeaderMap) -> Response {
        if asked.contains_key(ASKED_BY_NODE) {
            if !self.has_warned.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    leader = self.url(),
                    "another node seems to take this one for the leader of the log: check \
                     transparency_log.leader at both"
                );
            }
            return StatusCode::MISDIRECTED_REQUEST.into_response();
        }
        match get(&self.for_readers, path).await {
            Ok(answer) if is_for_readers(answer.status) => answer.into(),
            Ok(answer) => not_answered(format_args!("the leader answers {}", answer.status)),
            Err(error) => not_answered(error),
        }
    }
}

/// Whether an answer of the leader says something about the log: what else it says is
/// about this node, or comes from something in between.
fn is_for_readers(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::OK | StatusCode::NOT_FOUND | StatusCode::SERVICE_UNAVAILABLE
    )
}

fn not_answered(why: impl std::fmt::Display) -> Response {
    repeated_causes::warn("a reader of the log was not answered", &why);
    let again = [(RETRY_AFTER, AGAIN_AFTER)];
    (StatusCode::SERVICE_UNAVAILABLE, again).into_response()
}

async fn get(node: &Peer, path: &str) -> Result<PeerAnswer, PeerError> {
    let request = Request::get(node.url_of(path), MOST).header(ASKED_BY_NODE, "1");
    node.ask(&request).await
}

impl LogSource for LeaderClient {
    async fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let path = format!("{PREFIX}/{path}");
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| SourceError {
            path: format!("{}{path}", self.url()),
            error,
        };
        let answer = get(&self.for_itself, &path)
            .await
            .map_err(|e| failed(e.into()))?;
        match answer.status {
            StatusCode::OK if answer.body.len() <= max => Ok(Some(answer.body.into())),
            StatusCode::OK => Err(failed(format!("it has more than {max} bytes").into())),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(failed(format!("the answer is {status}").into())),
        }
    }
}

/// The log's resources, as [`crate::routes`] has them at the leader.
pub(super) fn router(leader: Arc<LeaderClient>) -> PublicRouter {
    PublicRouter::new()
        .route(&format!("{PREFIX}/checkpoint"), on_get(checkpoint))
        .route(&format!("{PREFIX}/key"), on_get(key))
        .route(&format!("{PREFIX}/tile/{{*path}}"), on_get(tile))
        .with_state(leader)
}

async fn checkpoint(State(leader): State<Arc<LeaderClient>>, asked: HeaderMap) -> Response {
    leader
        .pass_on(&format!("{PREFIX}/checkpoint"), &asked)
        .await
}

async fn key(State(leader): State<Arc<LeaderClient>>, asked: HeaderMap) -> Response {
    leader.pass_on(&format!("{PREFIX}/key"), &asked).await
}

async fn tile(
    State(leader): State<Arc<LeaderClient>>,
    path: Result<Path<String>, PathRejection>,
    asked: HeaderMap,
) -> Response {
    match tile_at(path) {
        Some(tile) => leader.pass_on(&format!("{PREFIX}/{tile}"), &asked).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
