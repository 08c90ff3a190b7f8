//! A whole INVITE as the body of a request, and header lines to add to it as the answer: for
//! switches whose scripts have the message at hand and no JSON.

use std::time::Instant;

use axum::response::Response;
use pennyblack_sip::SyntaxError;
use pennyblack_sip::request::{Method, Request};

use super::Resources;
use super::answers::header_lines;
use crate::sip_call::deciding::Decided;
use crate::stir_rest::Refusal;
use crate::trunks::KnownTrunk;

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
    let decided = resources.deciding.sign(known, invite, began).await;
    lines_of(decided)
}

/// Verifies the call. A call of which nothing can be said gets no lines.
pub(super) async fn verify(
    resources: &Resources,
    known: &KnownTrunk,
    invite: &Request,
    began: Instant,
) -> Result<Response, Refusal> {
    let decided = resources.deciding.verify(known, invite, began).await;
    lines_of(decided)
}

fn lines_of(decided: Result<Decided, SyntaxError>) -> Result<Response, Refusal> {
    match decided.map_err(|error| Refusal::Unreadable(error.to_string()))? {
        Decided::NoSigningKey => Err(Refusal::NoSigningKey),
        decided => Ok(header_lines(&decided.headers())),
    }
}
