//! The issuer's two resources: its directory, and the place where tokens are
//! drawn. Decode, call, encode; decisions are elsewhere.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};
use pennyblack_base::service_paths::TOKEN_REQUEST_PATH;
use pennyblack_privacypass::directory;
use pennyblack_privacypass::issuance;
use pennyblack_privacypass::voprf;
use pennyblack_service::headers::{at_most_one, content_type, has_tag};
use pennyblack_service::public_router::PublicRouter;

use crate::issue::{Form, Issuance};
use crate::refusal::Refusal;

/// By which media type tokens are asked for in which form.
const FORMS: &[(&str, Form)] = &[
    (issuance::REQUEST_TYPE, Form::Single),
    (issuance::BATCH_REQUEST_TYPE, Form::Batch),
    (voprf::AMORTIZED_REQUEST_TYPE, Form::Amortized),
];

/// What the handlers share.
#[derive(Debug, Clone)]
pub(crate) struct Resources {
    pub(crate) issuance: Arc<Issuance>,
    /// `Cache-Control` of the directory.
    pub(crate) cache_control: HeaderValue,
}

/// What the resources are, for clients.
pub(crate) const OPENAPI: &str = include_str!("../../docs/openapi/issuer.yaml");

/// The public router.
pub(crate) fn router(resources: Resources) -> PublicRouter {
    PublicRouter::new()
        .described_by(OPENAPI)
        .route(directory::WELL_KNOWN_PATH, get(serve_directory))
        .route(TOKEN_REQUEST_PATH, post(draw_tokens))
        .with_state(resources)
}

async fn serve_directory(
    State(resources): State<Resources>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let issuance = &resources.issuance;
    let keys = issuance.keys.usable(issuance.clock.now())?;
    let mut response = if has_tag(&headers, keys.etag()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let media_type = [(
            CONTENT_TYPE,
            HeaderValue::from_static(directory::MEDIA_TYPE),
        )];
        (media_type, Bytes::copy_from_slice(keys.directory())).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, resources.cache_control);
    if let Ok(etag) = HeaderValue::from_str(keys.etag()) {
        headers.insert(ETAG, etag);
    }
    Ok(response)
}

async fn draw_tokens(
    State(resources): State<Resources>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let form = content_type(&headers, FORMS)?;
    let authorization = at_most_one(&headers, "Authorization")?;
    let issued = resources.issuance.answer(form, authorization, body).await?;
    let media_type = match form {
        Form::Single => issuance::RESPONSE_TYPE,
        Form::Batch => issuance::BATCH_RESPONSE_TYPE,
        Form::Amortized => voprf::AMORTIZED_RESPONSE_TYPE,
    };
    let mut response = Response::new(Body::from(issued.body));
    if !issued.is_whole {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
