//! Answers as HTTP. The one place where a refusal becomes a response.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use pennyblack_service::problem_response::AsPrescribed;
use pennyblack_sip::answer::AddedHeader;
use serde_json::Value;

use crate::counts;
use crate::stir_rest::Refusal;

/// A body that was asked for.
pub(super) fn json(body: &Value) -> Response {
    with_status(StatusCode::OK, body.to_string())
}

/// Header lines of SIP, or nothing.
pub(super) fn header_lines(headers: &[AddedHeader]) -> Response {
    let mut lines = Vec::new();
    for header in headers {
        lines.extend_from_slice(header.name().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(header.value().as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    let mut response = Response::new(Body::from(lines));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A refusal in the form that ATIS-1000082 prescribes.
pub(super) fn refuse(refusal: &Refusal) -> Response {
    counts::refused(refusal);
    let status = StatusCode::from_u16(refusal.status());
    let status = status.unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = with_status(status, refusal.body().to_string());
    response.extensions_mut().insert(AsPrescribed);
    response
}

/// An empty object: switches' monitors look at the status.
pub(super) fn health(status: StatusCode) -> Response {
    let mut response = with_status(status, "{}".to_owned());
    response.extensions_mut().insert(AsPrescribed);
    response
}

fn with_status(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
