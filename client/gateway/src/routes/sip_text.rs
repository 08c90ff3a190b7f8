//! A whole INVITE as the body of a request, and header lines to add to it as the answer: for
//! switches whose scripts have the message at hand and no JSON.

use std::time::Instant;

use axum::response::Response;
use pennyblack_engine::{Passport, Reason};
use pennyblack_sip::request::{Method, Request};

use super::Resources;
use super::answers::header_lines;
use crate::stir_rest::Refusal;
use crate::trunks::KnownTrunk;
use crate::{counts, lines, sip_call};

/// Reads the INVITE.
pub(super) fn read(body: &[u8]) -> Result<Request, Refusal> {
    if body.trim_ascii().is_empty() {
        return Err(Refusal::NoBody);
    }
    let request = Request::from_text(body);
    let request = request.map_err(|error| Refusal::Unreadable(error.to_string()))?;
    match request.method() {
        Method::Invite => Ok(request),
        _ => Err(Refusal::Unreadable("the message is no INVITE".to_owned())),
    }
}

/// Signs the call. A call with nothing to sign gets no lines, and goes on.
pub(super) async fn sign(
    resources: &Resources,
    known: &KnownTrunk,
    invite: &Request,
    began: Instant,
) -> Result<Response, Refusal> {
    let call = sip_call::outgoing(invite);
    let call = call.map_err(|error| Refusal::Unreadable(error.to_string()))?;
    if sip_call::is_emergency(invite) {
        return Ok(header_lines(&[]));
    }
    let said = lines::Said::of_outgoing(&call, sip_call::call_id(invite).as_deref());
    let outcome = match resources.calls.sign(&known.trunk, call).await {
        Ok(outcome) => outcome,
        Err(bad) => {
            counts::refused(&bad.into());
            return Ok(header_lines(&[]));
        }
    };
    resources.record(began, || lines::of_signed(&outcome, said, known));
    match outcome.passport {
        Passport::None(Reason::NoCertificate | Reason::CertificateNotCurrent) => {
            Err(Refusal::NoSigningKey)
        }
        _ => Ok(header_lines(&sip_call::of_signed(&outcome))),
    }
}

/// Verifies the call. A call of which nothing can be said gets no lines.
pub(super) async fn verify(
    resources: &Resources,
    known: &KnownTrunk,
    invite: &Request,
    began: Instant,
) -> Result<Response, Refusal> {
    let call = sip_call::incoming(invite);
    let call = call.map_err(|error| Refusal::Unreadable(error.to_string()))?;
    if sip_call::is_emergency(invite) {
        return Ok(header_lines(&[]));
    }
    let said = lines::Said::of_incoming(&call, sip_call::call_id(invite).as_deref());
    let verdict = resources.calls.verify(&known.trunk, call).await;
    resources.record(began, || lines::of_verdict(&verdict, said, known));
    let headers = sip_call::of_verdict(&verdict, invite, &known.trunk, resources.reason);
    Ok(header_lines(&headers))
}
