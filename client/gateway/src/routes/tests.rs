//! The paths with a stand-in for the engine, asked as odd peers ask.

use std::sync::Mutex;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use pennyblack_engine::{
    BadParameter, BadValue, Finding, Found, IncomingCall, OobOutcome, OutgoingCall, Parameter,
    Passport, PassportResult, Reason, Refused, SignOutcome, Source, StirCode, Trunk, Verdict,
};
use pennyblack_passport::{Attestation, IdentityHeader, OrigId};
use pennyblack_runtime::clock::Clock;
use pennyblack_service::client_address::ClientAddress;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::call_log::CallLog;
use crate::calls::Calls;
use crate::config::tests::example_with;

/// An Identity of the field.
fn field_identity() -> IdentityHeader {
    let vectors = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/certs/field-passports.json"
    ));
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let text = vectors["identity_headers"][0]["text"].as_str().unwrap();
    text.trim_start_matches("y: ").parse().unwrap()
}

/// Signs everything with the same PASSporT, and finds what it is told.
#[derive(Default)]
struct StandIn {
    signs_nothing: Option<Reason>,
    finding: Option<Finding>,
    signed: Mutex<Vec<OutgoingCall>>,
    verified: Mutex<Vec<IncomingCall>>,
}

impl Calls for StandIn {
    fn sign<'a>(
        &'a self,
        trunk: &'a Trunk,
        call: OutgoingCall,
    ) -> BoxFuture<'a, Result<SignOutcome, BadParameter>> {
        Box::pin(async move {
            let bad = |parameter| {
                move |why| BadParameter {
                    parameter,
                    why: BadValue::Number(why),
                }
            };
            trunk.canonical(&call.from).map_err(bad(Parameter::Orig))?;
            for dest in &call.dest {
                trunk.canonical(dest).map_err(bad(Parameter::Dest))?;
            }
            let passport = match self.signs_nothing {
                Some(reason) => Passport::None(reason),
                None => Passport::Signed {
                    identity: Box::new(field_identity()),
                    attest: Attestation::Full,
                    origid: OrigId::random(),
                },
            };
            self.signed.lock().unwrap().push(call);
            let oob = OobOutcome {
                copies: 0,
                wanted: 1,
                reason: Some(Reason::NoAnswer),
            };
            Ok(SignOutcome { passport, oob })
        })
    }

    fn verify<'a>(&'a self, _: &'a Trunk, call: IncomingCall) -> BoxFuture<'a, Verdict> {
        self.verified.lock().unwrap().push(call);
        let finding = self.finding.clone();
        let finding = finding.unwrap_or(Finding::None(Reason::NoPassport));
        let result = match &finding {
            Finding::Failed(refused) => Some((Source::InBand, Err(refused.clone()))),
            Finding::Passed(_) => Some((Source::OutOfBand, Ok(()))),
            Finding::None(_) => None,
        };
        let results = result.into_iter().map(|(source, outcome)| PassportResult {
            source,
            ppt: Some("shaken".to_owned()),
            passport: Some(field_identity().passport().as_str().to_owned()),
            outcome,
        });
        let results = results.collect();
        Box::pin(async move { Verdict { finding, results } })
    }
}

mod odd_requests;
mod secsipidx;
mod senders;
mod signing;
mod sip_text;
mod verification;

struct Asking {
    router: Router,
    engine: Arc<StandIn>,
}

fn with(engine: StandIn, settings: &[&str]) -> Asking {
    let config = example_with(settings).unwrap();
    let settings = Settings::of(&config);
    let engine = Arc::new(engine);
    let resources = Resources {
        deciding: Deciding {
            calls: Arc::clone(&engine) as Arc<dyn Calls>,
            call_log: CallLog::open(None, config.calls.numbers).unwrap(),
            clock: Clock::system(),
            reason: config.policy.reason_header.protocol(),
        },
        settings: Arc::new(settings),
        readiness: Readiness::new(),
    };
    let router = router(resources, &config.http.root, config.gateway.role);
    Asking { router, engine }
}

fn gateway() -> Asking {
    with(StandIn::default(), &[])
}

const SIGNING: &str = "/stir/v1/signing";
const VERIFICATION: &str = "/stir/v1/verification";
const JSON: &str = "application/json";

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
    body: Value,
}

impl Asking {
    async fn send(&self, request: Request<Body>) -> Answer {
        let mut request = request;
        let client = ClientAddress([127, 0, 0, 1].into());
        request.extensions_mut().insert(client);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    async fn post(&self, path: &str, media: &str, body: impl Into<String>) -> Answer {
        let body = body.into();
        let request = Request::post(path)
            .header("content-type", media)
            .header("content-length", body.len());
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn sign(&self, change: impl FnOnce(&mut Value)) -> Answer {
        let mut request = json!({
            "attest": "A", "orig": {"tn": "17325551000"}, "dest": {"tn": ["12155550100"]},
            "iat": 1_795_919_340, "origid": "6f1d5c1e-7a51-4f0e-9a51-1f9f7e1f0a11",
        });
        change(&mut request);
        let body = json!({ "signingRequest": request }).to_string();
        self.post(SIGNING, JSON, body).await
    }

    async fn verify(&self, change: impl FnOnce(&mut Value)) -> Answer {
        let mut request = json!({
            "from": {"tn": "17325551000"}, "to": {"tn": ["12155550100"]}, "time": 1_795_919_340,
        });
        change(&mut request);
        let body = json!({ "verificationRequest": request }).to_string();
        self.post(VERIFICATION, JSON, body).await
    }

    fn signed(&self) -> OutgoingCall {
        self.engine.signed.lock().unwrap().pop().unwrap()
    }

    fn verified(&self) -> IncomingCall {
        self.engine.verified.lock().unwrap().pop().unwrap()
    }
}

impl Answer {
    fn assert_refused(&self, status: u16, id: &str) {
        let kind = match id.starts_with("POL") {
            true => "policyException",
            false => "serviceException",
        };
        let Self { body, headers, .. } = self;
        assert_eq!(self.status, status, "{id}: {body}");
        assert_eq!(body["requestError"][kind]["messageId"], id, "{body}");
        assert!(body["requestError"][kind]["variables"].is_array());
        assert!(body["error"].is_string(), "{body}");
        assert!(headers.contains_key("x-requestid"));
        assert_eq!(headers["content-type"], "application/json");
    }
}
