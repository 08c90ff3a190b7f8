//! Double spends that a follower has seen, at the leader. Each is checked like an auditor
//! checks it: the nodes know each other by a credential, and even with it nobody can be
//! accused who has not signed twice.

use axum::body::Bytes;
use http::{HeaderMap, StatusCode};
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_runtime::clock::Clock;
use pennyblack_service::headers::at_most_one;
use pennyblack_service::repeated_causes::report;
use subtle::ConstantTimeEq as _;

use super::CpsLog;
use crate::issuers::Issuers;

/// Where a node sends the evidence, in the form of [`DoubleSpendEvidence::to_json`].
pub(crate) const REPORT_PATH: &str = "/log/double-spends";

/// Takes evidence in, if it proves what it says: 201 when it was entered into the log, 204
/// when it was there before, or need not be.
pub(crate) async fn take(
    log: &CpsLog,
    issuers: &Issuers,
    clock: &Clock,
    headers: &HeaderMap,
    body: &Bytes,
) -> StatusCode {
    // A node without followers knows nobody.
    let Some(expected) = log.credential() else {
        return StatusCode::NOT_FOUND;
    };
    let Ok(shown) = at_most_one(headers, "Authorization") else {
        return StatusCode::UNAUTHORIZED;
    };
    let shown = shown.and_then(|value| value.strip_prefix("Bearer "));
    let shown = shown.unwrap_or_default().as_bytes();
    if !bool::from(shown.ct_eq(expected.as_bytes())) {
        return StatusCode::UNAUTHORIZED;
    }
    let parsed = std::str::from_utf8(body).map(str::parse::<DoubleSpendEvidence>);
    let Ok(Ok(evidence)) = parsed else {
        return StatusCode::BAD_REQUEST;
    };
    // This node may be a moment behind in the issuer's keys.
    let Some(key) = issuers.key(evidence.token.token_key_id) else {
        return StatusCode::SERVICE_UNAVAILABLE;
    };
    if evidence.cps != *log.cps() || evidence.verify(&key).is_err() {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    match log.double_spend(evidence, clock.now()).await {
        Ok(true) => StatusCode::CREATED,
        Ok(false) => StatusCode::NO_CONTENT,
        Err(error) => {
            report(
                "a double spend that another node has seen is not in the log",
                &error,
            );
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
