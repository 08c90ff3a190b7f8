//! The paths that switches ask at: signing, verification, and health. Decode, call, encode;
//! what a call comes to is decided elsewhere.

mod answers;
mod request_id;
mod sip_text;

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode, Version};
use pennyblack_runtime::clock::Clock;
use pennyblack_service::admin::Readiness;
use pennyblack_service::client_address::ClientAddress;
use pennyblack_sip::answer::ReasonProtocol;
use pennyblack_sip::request::Request;

use crate::access::MAX_API_KEY;
use crate::call_log::CallLog;
use crate::calls::Calls;
use crate::config::Role;
use crate::counts::Endpoint;
use crate::in_force::Settings;
use crate::lines;
use crate::stir_rest::signing::{self, SigningRequest};
use crate::stir_rest::verification::{self, VerificationRequest};
use crate::stir_rest::{Media, Members, Refusal, require_json_accepted};
use crate::trunks::KnownTrunk;
use answers::{json, refuse};
use request_id::{RequestId, with_request_id};

/// What the handlers share.
pub(crate) struct Resources {
    pub(crate) calls: Arc<dyn Calls>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) call_log: CallLog,
    pub(crate) clock: Clock,
    pub(crate) readiness: Readiness,
    /// The `Reason` header of a SIP call that failed.
    pub(crate) reason: Option<ReasonProtocol>,
}

/// The public router.
pub(crate) fn router(resources: Resources, root: &str, role: Role) -> Router {
    let mut router = Router::new().route("/health", get(health));
    let path = |last: &str| format!("{root}/stir/v1/{last}");
    if role.signs() {
        router = router.route(&path("signing"), post(sign));
        router = router.route(&path("signing/"), post(sign));
    }
    if role.verifies() {
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

async fn sign(
    State(resources): State<Arc<Resources>>,
    client: Option<Extension<ClientAddress>>,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let began = Instant::now();
    let asked = Asked {
        client,
        version,
        headers,
        body,
    };
    let answer = sign_call(&resources, &asked, began).await;
    Endpoint::Signing.answered(began);
    answer.unwrap_or_else(|refusal| refuse(&refusal))
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
    let said = lines::Said::of_outgoing(&call, request_id.as_deref());
    let outcome = resources.calls.sign(&known.trunk, call).await?;
    resources.call_log.record(|| {
        let line = lines::of_signed(&outcome, said, &known);
        lines::finished(line, resources.clock.now(), began)
    });
    let body = signing::answer(&outcome, request_id.as_deref())?;
    Ok(json(&body))
}

async fn verify(
    State(resources): State<Arc<Resources>>,
    client: Option<Extension<ClientAddress>>,
    Extension(id): Extension<RequestId>,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let began = Instant::now();
    let asked = Asked {
        client,
        version,
        headers,
        body,
    };
    let answer = verify_call(&resources, &asked, &id, began).await;
    Endpoint::Verification.answered(began);
    answer.unwrap_or_else(|refusal| refuse(&refusal))
}

async fn verify_call(
    resources: &Resources,
    asked: &Asked,
    id: &RequestId,
    began: Instant,
) -> Result<Response, Refusal> {
    let (known, content) = asked.read(resources)?;
    let members = match content {
        Content::Sip(invite) => return sip_text::verify(resources, &known, &invite, began).await,
        Content::Members(members) => members,
    };
    let request = VerificationRequest::read(members, id.of_the_peer())?;
    let VerificationRequest { call, request_id } = request;
    let said = lines::Said::of_incoming(&call, request_id.as_deref());
    let verdict = resources.calls.verify(&known.trunk, call).await;
    resources.call_log.record(|| {
        let line = lines::of_verdict(&verdict, said, &known);
        lines::finished(line, resources.clock.now(), began)
    });
    let body = verification::answer(&verdict, request_id.as_deref());
    Ok(json(&body))
}

/// What a body has in it.
enum Content {
    Members(Members),
    Sip(Box<Request>),
}

/// A request as it came.
struct Asked {
    client: Option<Extension<ClientAddress>>,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    /// Reads the request of a peer that may ask, and finds its trunk.
    fn read(&self, resources: &Resources) -> Result<(Arc<KnownTrunk>, Content), Refusal> {
        let in_force = resources.settings.current();
        // The listener puts it there.
        let address = self.client.ok_or(Refusal::Address)?.0.0;
        in_force.access.admit_address(address)?;
        self.require_length()?;
        let media = Media::of(self.header(&CONTENT_TYPE)?)?;
        let (content, in_form) = self.content(media)?;
        let key = in_force
            .access
            .admit_key(&self.headers, in_form.as_deref())?;
        let known = in_force.trunks.of(address, key.as_ref());
        let known = known.ok_or(Refusal::NoTrunk)?;
        Ok((Arc::clone(known), content))
    }

    /// What is in the body, and the API key that stands in a form.
    fn content(&self, media: Media) -> Result<(Content, Option<String>), Refusal> {
        if media == Media::Sip {
            let invite = sip_text::read(&self.body)?;
            return Ok((Content::Sip(Box::new(invite)), None));
        }
        require_json_accepted(self.header(&ACCEPT)?)?;
        let mut members = media.read(&self.body)?;
        let in_form = members.text("api_key", MAX_API_KEY)?;
        Ok((Content::Members(members), in_form))
    }

    /// HTTP/1.1 alone has bodies whose end nobody knows. Chunked ones have an end.
    fn require_length(&self) -> Result<(), Refusal> {
        let has = |name| self.headers.contains_key(name);
        match self.version {
            Version::HTTP_10 | Version::HTTP_11
                if !has(CONTENT_LENGTH) && !has(TRANSFER_ENCODING) =>
            {
                Err(Refusal::NoLength)
            }
            _ => Ok(()),
        }
    }

    fn header(&self, name: &http::HeaderName) -> Result<Option<&str>, Refusal> {
        let value = self.headers.get(name).map(|value| value.to_str());
        let value = value.transpose();
        value.map_err(|_| Refusal::Unreadable(format!("{name} is not ASCII")))
    }
}

#[cfg(test)]
mod tests;
