//! The two paths of secsipidx's server that scripts of Kamailio know: a call as comma-separated
//! text to sign, and an Identity header to check by itself. Not here: the specifications'
//! dialects (`stir_rest`).

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use pennyblack_client::assignments::CallName;
use pennyblack_client::auth_service::read_passport;
use pennyblack_engine::{Finding, IncomingCall, OutgoingCall, Passport, Source};
use pennyblack_service::problem_response::AsPrescribed;

use super::Resources;
use super::asked::Asked;
use crate::lines;
use crate::stir_rest::{Refusal, verification};
use crate::trunks::KnownTrunk;

/// Most bytes of a field of a call.
const MAX_FIELD: usize = 256;

/// Signs `orig,dest,attest,origid,x5u`, of which the last may be missing: the trunk says where
/// its certificate is. The answer is the value of an Identity header.
pub(super) async fn sign_csv(
    resources: &Resources,
    asked: &Asked,
    began: Instant,
) -> Result<Response, Refusal> {
    let (known, line) = asked.read_text(resources)?;
    let call = call_of(line)?;
    let said = lines::Said::of_outgoing(&call, None);
    let outcome = resources
        .deciding
        .calls
        .sign(began, &known.trunk, call)
        .await?;
    resources
        .deciding
        .record(began, || lines::of_signed(&outcome, said, &known));
    match outcome.passport {
        Passport::Signed { identity, .. } => Ok(text(StatusCode::OK, identity.to_string())),
        _ => Err(Refusal::NoSigningKey),
    }
}

fn call_of(line: &str) -> Result<OutgoingCall, Refusal> {
    let fields: Vec<_> = line.trim().split(',').map(str::trim).collect();
    let [orig, dest, attest, origid, ..] = *fields else {
        let expected = "the body is not orig,dest,attest,origid,x5u";
        return Err(Refusal::Unreadable(expected.to_owned()));
    };
    if fields.iter().any(|field| field.len() > MAX_FIELD) {
        return Err(Refusal::Unreadable("a field is too long".to_owned()));
    }
    let attest = attest.parse();
    let attest = attest.map_err(|_| Refusal::invalid("attest", "must be A, B or C"))?;
    let origid = Some(origid).filter(|id| !id.is_empty()).map(str::parse);
    let origid = origid.transpose();
    let origid = origid.map_err(|_| Refusal::invalid("origid", "must be a UUID (RFC 4122)"))?;
    Ok(OutgoingCall {
        from: orig.to_owned(),
        dest: vec![dest.to_owned()],
        attest: Some(attest),
        origid,
        ..OutgoingCall::default()
    })
}

/// Checks an Identity header for the call that it names itself: 200, or 500 as secsipidx has
/// it.
pub(super) async fn check(resources: &Resources, asked: &Asked) -> Result<Response, Refusal> {
    let (known, value) = asked.read_text(resources)?;
    match is_good(resources, &known, value.trim()).await {
        true => Ok(text(StatusCode::OK, "OK\n".to_owned())),
        false => Ok(text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "FAILED\n".to_owned(),
        )),
    }
}

async fn is_good(resources: &Resources, known: &Arc<KnownTrunk>, value: &str) -> bool {
    let Some((orig, dest)) = parties(value) else {
        return false;
    };
    let call = IncomingCall {
        call: CallName::new(value),
        asserted: Vec::new(),
        from: orig,
        to: vec![dest],
        request_uri: None,
        identities: vec![value.to_owned()],
    };
    let verdict = resources
        .deciding
        .calls
        .verify(Instant::now(), &known.trunk, call)
        .await;
    matches!(verdict.finding, Finding::Passed(found) if found.source == Source::InBand)
}

/// Who calls whom by the PASSporT's own word.
fn parties(value: &str) -> Option<(String, String)> {
    let passport = read_passport(value).ok()?;
    let claims = verification::claims(passport.as_str())?;
    let global = |number: &serde_json::Value| Some(format!("+{}", number.as_str()?));
    let orig = claims.get("orig")?.get("tn")?;
    let dest = claims.get("dest")?.get("tn")?.get(0)?;
    Some((global(orig)?, global(dest)?))
}

fn text(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response.extensions_mut().insert(AsPrescribed);
    response
}
