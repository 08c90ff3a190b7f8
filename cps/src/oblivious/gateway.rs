//! The gateway resource (RFC 9458, found as RFC 9540 says): the keys for everybody, and
//! oblivious requests, each opened, handed to the router of direct requests in this process,
//! and answered sealed. **What opens is answered 200, and all answers leave at the times at
//! which those to polls do**: the relay learns neither how a request ended nor what it took.
//! Decisions about a request are the router's.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use pennyblack_base::authority::Authority;
use pennyblack_base::service_paths::{
    OHTTP_GATEWAY_PATH, OHTTP_KEYS_MEDIA_TYPE, OHTTP_REQUEST_MEDIA_TYPE, OHTTP_RESPONSE_MEDIA_TYPE,
};
use pennyblack_ohttp::exchange::open_request;
use pennyblack_ohttp::size_class::{LARGEST_RESPONSE, ResponseClass};
use pennyblack_runtime::clock::Clock;
use pennyblack_service::answer_room::AnswerRoom;
use pennyblack_service::answer_times::{self, AnswerTimes};
use pennyblack_service::headers::content_type;
use pennyblack_service::inner_requests::InnerRouter;
use pennyblack_service::problem_response::{PublicRefusal as _, respond};
use pennyblack_service::public_router::PublicRouter;

use super::inner::{InnerRequest, answer_to_seal};
use super::offered::OfferedKeys;
use super::outcome::Outcome;
use super::refusal::OutsideRefusal;
use super::sealer::OneAnswer;
use crate::large_answers::LargeAnswers;
use crate::refusal::Refusal;

/// The longest answers that are sealed in the task that answers: in about 100 µs.
const SMALL: ResponseClass = ResponseClass::Kib132;

/// What an inner answer has beside its content.
const FIELDS: usize = 512;

/// The gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) service: Authority,
    pub(crate) keys: Arc<OfferedKeys>,
    pub(crate) inner: InnerRouter,
    pub(crate) large: Arc<LargeAnswers>,
    pub(crate) clock: Clock,
    pub(crate) answer_times: AnswerTimes,
}

/// Its resource. The inner router has none: nothing is sealed twice.
pub(crate) fn router(gateway: Gateway) -> PublicRouter {
    Outcome::show_all();
    metrics::gauge!("pennyblack_cps_oblivious_keys").set(0.0);
    // Around all that is done for a request. What does not open is refused at these times,
    // too: there is one way through here. The keys are nobody's, and leave at once.
    let delayed = from_fn_with_state(gateway.answer_times, answer_times::delayed);
    let resource = post(answer).layer(delayed).get(keys);
    PublicRouter::new()
        .route(OHTTP_GATEWAY_PATH, resource)
        .with_state(Arc::new(gateway))
}

async fn keys(State(gateway): State<Arc<Gateway>>) -> Response {
    let Some(keys) = gateway.keys.now() else {
        return respond(&OutsideRefusal::NoKey).into_response();
    };
    let max_age = format!("max-age={}", keys.max_age().as_secs());
    let media_type = HeaderValue::from_static(OHTTP_KEYS_MEDIA_TYPE);
    let mut response = Response::new(Body::from(keys.list()));
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, media_type);
    if let Ok(max_age) = HeaderValue::from_str(&max_age) {
        fields.insert(CACHE_CONTROL, max_age);
    }
    response
}

async fn answer(
    State(gateway): State<Arc<Gateway>>,
    room: AnswerRoom,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answered = gateway.answer(&room, &headers, &body).await;
    answered.unwrap_or_else(OutsideRefusal::into_response)
}

impl Gateway {
    /// Opens a request in the task that received it: it costs 40 µs (X-Wing: 100), less
    /// than verifying what is inside, and a queue before it would be one more for a forger
    /// to fill.
    async fn answer(
        &self,
        room: &AnswerRoom,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Response, OutsideRefusal> {
        content_type(headers, &[(OHTTP_REQUEST_MEDIA_TYPE, ())])?;
        let keys = self.keys.now().ok_or(OutsideRefusal::NoKey)?;
        let opened = open_request(keys.keys(), body)?;
        drop(keys);
        let (response, least) = match InnerRequest::of(opened.request, &self.service) {
            Ok(InnerRequest { request, least }) => {
                (self.inner.answer(request, room, beside).await, least)
            }
            Err(refusal) => (respond(&refusal).into_response(), None),
        };
        let sealer = OneAnswer::by(opened.sealer);
        let response = match self.seal(&sealer, response, least, room).await {
            Ok(sealed) => sealed_response(sealed),
            Err(refusal) => self.refuse(&sealer, &refusal, least).await?,
        };
        Outcome::Answered.count();
        Ok(response)
    }

    /// Seals an answer, where that is long on a thread for such.
    async fn seal(
        &self,
        sealer: &OneAnswer,
        response: Response,
        least: Option<ResponseClass>,
        room: &AnswerRoom,
    ) -> Result<Vec<u8>, Refusal> {
        let (answer, class) = answer_to_seal(response, least, self.clock.now()).await;
        let bytes = answer.content.len() + 2 * class.size();
        room.reserve_in_all(bytes).await?;
        if class <= SMALL {
            return sealer.seal(&answer, class);
        }
        let sealer = sealer.clone();
        let sealed = self.large.make(room, move || sealer.seal(&answer, class));
        sealed.await?
    }

    /// Refuses inside what cannot be answered: outside, it would tell the relay which requests
    /// have long answers. Each request has the room for that from the start; while the longest
    /// class that a client can ask for is sealed, which is not interrupted, 4 KiB more.
    async fn refuse(
        &self,
        sealer: &OneAnswer,
        refusal: &Refusal,
        least: Option<ResponseClass>,
    ) -> Result<Response, OutsideRefusal> {
        let refused = respond(refusal).into_response();
        let kind = refusal.problem_type();
        let (answer, class) = answer_to_seal(refused, least, self.clock.now()).await;
        let sealed = sealer.seal(&answer, class);
        let mut response = sealed_response(sealed.map_err(OutsideRefusal::NotSealed)?);
        // By which it is counted.
        response.extensions_mut().insert(kind);
        Ok(response)
    }
}

/// What is made of an inner answer of so many bytes: its padded form, and its sealed one.
fn beside(answer: usize) -> usize {
    let class = ResponseClass::of(answer.saturating_add(FIELDS), None);
    2 * class.map_or(LARGEST_RESPONSE, ResponseClass::size)
}

fn sealed_response(sealed: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(sealed));
    let fields = response.headers_mut();
    let media_type = HeaderValue::from_static(OHTTP_RESPONSE_MEDIA_TYPE);
    fields.insert(CONTENT_TYPE, media_type);
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
