//! What checks ask with, and what comes back.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use pennyblack_runtime::clock::Clock;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::gateway_scene::{Beginning, CALLED, GatewayScene, SipPorts, trunk};
use pennyblack_tests::world::World;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::SERVICE;
use super::super::judge;

pub(super) const SIGNING: &str = "/stir/v1/signing";
pub(super) const VERIFICATION: &str = "/stir/v1/verification";
pub(super) const JSON: &str = "application/json";
pub(super) const ORIGID: &str = "6f1d5c1e-7a51-4f0e-9a51-1f9f7e1f0a11";

const NUMBERS: u64 = 17_325_552_000;

/// More than the checks spend.
const TOKENS: usize = 64;

/// A gateway to ask.
pub(super) struct Desk {
    scene: GatewayScene,
    /// Where it is asked by SIP.
    pub(super) sign: SocketAddr,
    pub(super) verify: SocketAddr,
    last: AtomicU64,
}

impl Desk {
    pub(super) async fn open() -> Self {
        let (world, ports) = (World::new(Clock::system()), SipPorts::free());
        // All checks ask at once, and what is odd about them is not their time.
        let mut settings = vec!["signing.deadline=5s".to_owned()];
        settings.extend(ports.settings());
        let beginning = Beginning {
            tokens: TOKENS,
            config: trunk(&world, "switch"),
            settings,
            ..Beginning::default()
        };
        Self {
            scene: GatewayScene::open_in(world, SERVICE, beginning).await,
            sign: ports.sign,
            verify: ports.verify,
            last: AtomicU64::new(NUMBERS),
        }
    }

    pub(super) async fn close(self) {
        self.scene.gateway.stop().await;
    }

    /// Where it is asked over HTTP.
    pub(super) fn http(&self) -> SocketAddr {
        self.scene.gateway.addresses().public
    }

    /// A number that nobody has called from.
    pub(super) fn caller(&self) -> String {
        (self.last.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }

    pub(super) fn now(&self) -> u64 {
        self.scene.world.clock.now().0
    }

    /// Asks for anything.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Said {
        let url = format!("http://{}{path}", self.http());
        let mut request = self.scene.world.client.request(method, url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Said(Answer::to(request).await.unwrap())
    }

    pub(super) async fn post(
        &self,
        path: &str,
        media: &str,
        body: impl Into<reqwest::Body>,
    ) -> Said {
        self.ask(Method::POST, path, &[("content-type", media)], body)
            .await
    }

    /// Has a call signed, with these members changed. One that is null is left out.
    pub(super) async fn sign(&self, from: &str, changes: Value) -> Said {
        let request = json!({
            "attest": "A", "orig": {"tn": from}, "dest": {"tn": [CALLED]}, "iat": self.now(),
            "origid": ORIGID,
        });
        let body = json!({"signingRequest": changed(request, changes)});
        self.post(SIGNING, JSON, body.to_string()).await
    }

    /// Has a call verified, with these members changed.
    pub(super) async fn verify(&self, from: &str, changes: Value) -> Said {
        let request = json!({"from": {"tn": from}, "to": {"tn": [CALLED]}, "time": self.now()});
        let body = json!({"verificationRequest": changed(request, changes)});
        self.post(VERIFICATION, JSON, body.to_string()).await
    }
}

fn changed(request: Value, changes: Value) -> Value {
    let (Value::Object(mut members), Value::Object(changes)) = (request, changes) else {
        panic!("a request and its changes are objects");
    };
    members.extend(changes);
    members.retain(|_, value| !value.is_null());
    Value::Object(members)
}

/// An answer.
pub(super) struct Said(Answer);

impl Said {
    pub(super) fn status(&self) -> u16 {
        self.0.status.as_u16()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.0
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap())
    }

    pub(super) fn text(&self) -> String {
        self.0.text()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.0.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The answer to signing.
    pub(super) fn signed(&self) -> Value {
        assert_eq!(self.status(), 200, "{}", self.text());
        self.json()["signingResponse"].take()
    }

    /// The claims of the PASSporT that was signed.
    pub(super) fn claims(&self) -> Value {
        let signed = self.signed();
        judge::claims(signed["identity"].as_str().unwrap()).unwrap()
    }

    /// The answer to verifying.
    pub(super) fn verified(&self) -> Value {
        assert_eq!(self.status(), 200, "{}", self.text());
        self.json()["verificationResponse"].take()
    }

    pub(super) fn verstat(&self) -> String {
        self.verified()["verstat"].as_str().unwrap().to_owned()
    }

    /// That it is a refusal in the forms of both specifications.
    pub(super) fn is_refusal(&self, status: u16, number: &str) {
        assert_eq!(self.status(), status, "{}", self.text());
        let body = self.json();
        let kind = match number.starts_with("POL") {
            true => "policyException",
            false => "serviceException",
        };
        let error = &body["requestError"][kind];
        assert_eq!(error["messageId"], number, "{body}");
        assert!(
            error["variables"].is_array() && error["text"].is_string(),
            "{body}"
        );
        assert!(body["error"].is_string(), "{body}");
        assert!(self.header("x-requestid").is_some_and(|id| !id.is_empty()));
    }
}
