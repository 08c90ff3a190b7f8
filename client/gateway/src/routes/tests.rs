//! The paths with a stand-in for the engine, asked as odd peers ask.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use pennyblack_engine::{
    Finding, Found, IncomingCall, OutgoingCall, Reason, Refused, Source, StirCode,
};
use pennyblack_passport::{Attestation, OrigId};
use pennyblack_service::client_address::ClientAddress;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::config::tests::example_with;
use crate::stand_in::{StandIn, deciding, field_identity};

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
        deciding: deciding(&engine, &config),
        settings: Arc::new(settings),
        readiness: Readiness::new(),
    };
    let router = router(resources, &config.http.root, config.gateway.role).into_router();
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
        self.send_from([127, 0, 0, 1], request).await
    }

    async fn send_from(&self, client: [u8; 4], mut request: Request<Body>) -> Answer {
        request
            .extensions_mut()
            .insert(ClientAddress(client.into()));
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
