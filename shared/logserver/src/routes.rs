//! A log over HTTP (C2SP tlog-tiles): the same files that lie in its directory,
//! with the header fields that let caches keep what never changes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use pennyblack_service::answer_room::AnswerRoom;
use pennyblack_service::public_router::PublicRouter;
use pennyblack_service::repeated_causes::report;
use pennyblack_tlog::Tile;

use crate::log::TransparencyLog;

/// Bytes that a tile of entries hardly exceeds: 256 double spends.
const TILE_ROOM: usize = 160 * 1024;

/// The path below which a service has its log; the log's name is the service's
/// authority and this.
pub const PREFIX: &str = "/log";

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
/// A tile never changes; a year is the longest that caches keep anything.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const NOT_AT_ALL: &str = "no-cache";
const A_WHILE: &str = "public, max-age=3600";

/// The log's resources, all of them below [`PREFIX`].
pub fn router(log: Arc<TransparencyLog>) -> PublicRouter {
    PublicRouter::new()
        .route(&format!("{PREFIX}/checkpoint"), get(checkpoint))
        .route(&format!("{PREFIX}/key"), get(key))
        .route(&format!("{PREFIX}/tile/{{*path}}"), get(tile))
        .with_state(log)
}

async fn checkpoint(State(log): State<Arc<TransparencyLog>>) -> Response {
    let text = log.checkpoint().to_string().into_bytes();
    answer(TEXT, NOT_AT_ALL, text)
}

/// The verifier key, on a line of its own. A reader must compare it with a copy from
/// elsewhere: a dishonest operator can show each reader another one.
async fn key(State(log): State<Arc<TransparencyLog>>) -> Response {
    answer(TEXT, A_WHILE, format!("{}\n", log.verifier()).into_bytes())
}

async fn tile(
    State(log): State<Arc<TransparencyLog>>,
    path: Result<Path<String>, PathRejection>,
    room: AnswerRoom,
) -> Response {
    let Some(tile) = tile_at(path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !log.reaches(tile) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if room.reserve(TILE_ROOM, 0).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let read = move || {
        let _until_read = room;
        log.tile(tile)
    };
    let read = tokio::task::spawn_blocking(read).await;
    match read.map_err(std::io::Error::other).and_then(|read| read) {
        Ok(Some(bytes)) => answer(BYTES, FOR_EVER, bytes),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            report(
                "a tile of the log cannot be read",
                &format_args!("{tile}: {error}"),
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The tile that a path names. One that is not UTF-8 names none.
pub(crate) fn tile_at(path: Result<Path<String>, PathRejection>) -> Option<Tile> {
    let Path(path) = path.ok()?;
    format!("tile/{path}").parse().ok()
}

fn answer(media_type: &'static str, caching: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}

#[cfg(test)]
mod tests {
    use std::fs;

    use http::Request;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_tile_that_the_log_does_not_reach_is_not_looked_for() {
        let home = tempfile::tempdir().unwrap();
        let name = "log.example/log".parse().unwrap();
        let log = TransparencyLog::open(home.path(), &name, |_, _| ()).unwrap();
        for entry in ["one", "two"] {
            log.append(entry.into()).await.unwrap();
        }
        let mut checkpoints = log.checkpoints();
        let signed = checkpoints.wait_for(|last| last.checkpoint().head.size == 2);
        drop(signed.await.unwrap());
        let beyond = ["tile/entries/000.p/3", "tile/0/001.p/1", "tile/1/000.p/1"];
        for path in beyond {
            let file = home.path().join("public").join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "is not of the log").unwrap();
        }
        let router = router(Arc::new(log)).into_router();
        let status = async |path: &str| {
            let request = Request::get(format!("{PREFIX}/{path}")).body(Body::empty());
            router
                .clone()
                .oneshot(request.unwrap())
                .await
                .unwrap()
                .status()
        };
        for path in ["tile/entries/000.p/2", "tile/0/000.p/2"] {
            assert_eq!(status(path).await, StatusCode::OK, "{path}");
        }
        for path in beyond {
            assert_eq!(status(path).await, StatusCode::NOT_FOUND, "{path}");
        }
    }
}
