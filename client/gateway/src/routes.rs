//! The paths that switches ask at: signing, verification, and health. Decode, call, encode;
//! what a call comes to is decided elsewhere.

mod answers;
mod asked;
mod request_id;
mod secsipidx;
mod sip_text;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use pennyblack_service::admin::Readiness;
use pennyblack_service::public_router::PublicRouter;

use crate::config::Role;
use crate::counts::Endpoint;
use crate::in_force::Settings;
use crate::lines::{self, Said};
use crate::sip_call::deciding::Deciding;
use crate::stir_rest::Refusal;
use crate::stir_rest::signing::{self, SigningRequest};
use crate::stir_rest::verification::{self, VerificationRequest};
use answers::{json, refuse};
use asked::{Asked, Content};
use request_id::with_request_id;

/// What the handlers share.
pub(crate) struct Resources {
    pub(crate) deciding: Deciding,
    pub(crate) settings: Arc<Settings>,
    pub(crate) readiness: Readiness,
}

/// What the resources are, for switches.
pub(crate) const OPENAPI: &str = include_str!("../../../docs/openapi/gateway.yaml");

/// The public router.
pub(crate) fn router(resources: Resources, root: &str, role: Role) -> PublicRouter {
    let router = PublicRouter::new().described_by(OPENAPI);
    let mut router = router.route("/health", get(health));
    let path = |last: &str| format!("{root}/stir/v1/{last}");
    if role.signs() {
        router = router.route(&path("signing"), post(sign));
        router = router.route(&path("signing/"), post(sign));
        router = router.route(&format!("{root}/v1/sign-csv"), post(sign_csv));
    }
    if role.verifies() {
        router = router.route(&format!("{root}/v1/check"), post(check));
        router = router.route(&path("verification"), post(verify));
        router = router.route(&path("verification/"), post(verify));
    }
    router
        .fallback(async || refuse(&Refusal::NotFound))
        .method_not_allowed_fallback(async || refuse(&Refusal::Method))
        .layer(axum::middleware::from_fn(with_request_id))
        .with_state(Arc::new(resources))
}

/// For monitors that ask where switches do: 200 while calls should come here.
async fn health(State(resources): State<Arc<Resources>>) -> Response {
    let status = match resources.readiness.is_ready() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    answers::health(status)
}

/// The answer or the refusal, with its time counted.
fn told(endpoint: Endpoint, began: Instant, answer: Result<Response, Refusal>) -> Response {
    endpoint.answered(began);
    answer.unwrap_or_else(|refusal| refuse(&refusal))
}

async fn sign(State(resources): State<Arc<Resources>>, asked: Asked) -> Response {
    let began = Instant::now();
    let answer = sign_call(&resources, &asked, began).await;
    told(Endpoint::Signing, began, answer)
}

async fn sign_call(
    resources: &Resources,
    asked: &Asked,
    began: Instant,
) -> Result<Response, Refusal> {
    let (known, content) = asked.read(resources)?;
    let members = match content {
        Content::Sip(invite) => return sip_text::sign(resources, &known, &invite, began).await,
        Content::Members(members) => members,
    };
    let SigningRequest { call, request_id } = SigningRequest::read(members)?;
    let said = Said::of_outgoing(&call, request_id.as_deref());
    let outcome = resources
        .deciding
        .calls
        .sign(began, &known.trunk, call)
        .await?;
    resources
        .deciding
        .record(began, || lines::of_signed(&outcome, said, &known));
    let body = signing::answer(&outcome, request_id.as_deref())?;
    Ok(json(&body))
}

async fn verify(State(resources): State<Arc<Resources>>, asked: Asked) -> Response {
    let began = Instant::now();
    let answer = verify_call(&resources, &asked, began).await;
    told(Endpoint::Verification, began, answer)
}

async fn verify_call(
    resources: &Resources,
    asked: &Asked,
    began: Instant,
) -> Result<Response, Refusal> {
    let (known, content) = asked.read(resources)?;
    let members = match content {
        Content::Sip(invite) => return sip_text::verify(resources, &known, &invite, began).await,
        Content::Members(members) => members,
    };
    let request = VerificationRequest::read(members, asked.peers_id())?;
    let VerificationRequest { call, request_id } = request;
    let said = Said::of_incoming(&call, request_id.as_deref());
    let verdict = resources
        .deciding
        .calls
        .verify(began, &known.trunk, call)
        .await;
    resources
        .deciding
        .record(began, || lines::of_verdict(&verdict, said, &known));
    let body = verification::answer(&verdict, request_id.as_deref());
    Ok(json(&body))
}

async fn sign_csv(State(resources): State<Arc<Resources>>, asked: Asked) -> Response {
    let began = Instant::now();
    let answer = secsipidx::sign_csv(&resources, &asked, began).await;
    told(Endpoint::Signing, began, answer)
}

async fn check(State(resources): State<Arc<Resources>>, asked: Asked) -> Response {
    let began = Instant::now();
    let answer = secsipidx::check(&resources, &asked).await;
    told(Endpoint::Verification, began, answer)
}

#[cfg(test)]
mod tests;
