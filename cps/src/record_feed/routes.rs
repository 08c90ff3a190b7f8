//! The feed, and single records by their hashes, over HTTP.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};
use pennyblack_base::encoding;
use pennyblack_evidence::log_entry::KeyRecordHash;
use pennyblack_protocol::key_record::{KEY_RECORD_MEDIA_TYPE, KEYS_PATH};
use pennyblack_sealing::envelope::Cursor;
use pennyblack_service::answer_room::AnswerRoom;
use pennyblack_service::headers::has_tag;
use pennyblack_service::public_router::PublicRouter;
use serde::Deserialize;

use super::{MAX_BYTES, RecordFeed};
use crate::json_lines;
use crate::refusal::Refusal;

/// Where single records are, by their hashes.
const RECORDS_PATH: &str = "/v1/records";

/// The resources. A record by its hash is a look-up, which may have to come through a relay;
/// the feed is the same for everybody.
pub(crate) fn router(feed: Arc<RecordFeed>, has_look_ups: bool) -> PublicRouter {
    let records = match has_look_ups {
        true => get(record),
        false => get(|| async { Refusal::RelayRequired }),
    };
    PublicRouter::new()
        .route(&format!("{KEYS_PATH}/feed"), get(page))
        .route(&format!("{RECORDS_PATH}/{{hash}}"), records)
        .with_state(feed)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeedQuery {
    after: Option<String>,
}

async fn page(
    State(feed): State<Arc<RecordFeed>>,
    query: Result<Query<FeedQuery>, QueryRejection>,
    headers: HeaderMap,
    room: AnswerRoom,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|_| Refusal::Query)?;
    let after = query.after.map(|text| text.parse::<Cursor>()).transpose()?;
    let after = after.map(|Cursor(after)| after);
    let answer = match feed.page(after, &room).await? {
        Some(lines) => of_type(json_lines::MEDIA_TYPE, lines),
        None => {
            let query = after.map_or_else(String::new, |after| format!("?after={after}"));
            let path = format!("{KEYS_PATH}/feed{query}");
            feed.log.pass_on(&path, &headers).await
        }
    };
    unless_known(answer, &headers).await
}

async fn record(
    State(feed): State<Arc<RecordFeed>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Path(text) = path.map_err(|_| Refusal::UnknownRecord)?;
    let hash = text.parse::<KeyRecordHash>();
    let hash = hash.map_err(|_| Refusal::UnknownRecord)?;
    feed.keys.check_complete()?;
    if let Some(record) = feed.record(&hash) {
        return Ok(of_type(KEY_RECORD_MEDIA_TYPE, record.as_str().into()));
    }
    // The node that tells of a record in the log knows it; this one may not yet.
    if feed.log.states_records() {
        return Err(Refusal::UnknownRecord);
    }
    let path = format!("{RECORDS_PATH}/{hash}");
    match feed.log.pass_on(&path, &headers).await {
        answer if answer.status() == StatusCode::NOT_FOUND => Err(Refusal::UnknownRecord),
        answer => Ok(answer),
    }
}

fn of_type(media_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The answer with its tag, without its content if the client has that already. The tag is
/// the content's hash, so it is the same at all nodes.
async fn unless_known(answer: Response, asked: &HeaderMap) -> Result<Response, Refusal> {
    if answer.status() != StatusCode::OK {
        return Ok(answer);
    }
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, MAX_BYTES).await;
    let body = body.map_err(|error| Refusal::Internal(error.to_string()))?;
    let etag = format!("\"{}\"", encoding::base64url(&encoding::sha256(&body)));
    let mut answer = match has_tag(asked, &etag) {
        true => {
            let kept = [(CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
            (StatusCode::NOT_MODIFIED, kept).into_response()
        }
        false => Response::from_parts(parts, Body::from(body)),
    };
    let etag = HeaderValue::from_str(&etag);
    let etag = etag.map_err(|error| Refusal::Internal(error.to_string()))?;
    answer.headers_mut().insert(ETAG, etag);
    Ok(answer)
}
