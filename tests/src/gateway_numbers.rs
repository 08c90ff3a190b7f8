//! Calls of every kind at a gateway, and a search for their numbers in all that it writes.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::gateway_scene::{CALLED, GatewayScene, SipPorts};
use crate::needles::Needles;
use crate::process::Process;
use crate::sip_caller;
use crate::wait::until;

/// Who calls.
const CALLER: &str = "17325551987";

/// A number without keys.
const WITHOUT_KEYS: &str = "12129990187";

/// Longest wait for the lines of calls.
const SOON: Duration = Duration::from_secs(30);

/// A PASSporT that nobody has signed, for these numbers.
const FORGED: &str = "eyJhbGciOiJFUzI1NiIsInBwdCI6InNoYWtlbiIsInR5cCI6InBhc3Nwb3J0IiwieDV1Ijoi\
    aHR0cHM6Ly9jZXJ0cy50ZXN0L2NhcnJpZXIucGVtIn0.eyJhdHRlc3QiOiJBIiwiZGVzdCI6eyJ0biI6WyIxMjEyN\
    TU1MDEwMCJdfSwiaWF0IjoxNzk1OTE5MzQwLCJvcmlnIjp7InRuIjoiMTczMjU1NTE5ODcifSwib3JpZ2lkIjoiIn\
    0.c2lnbmF0dXJl;info=<https://certs.test/carrier.pem>;alg=ES256;ppt=shaken";

/// The numbers of [`make_calls`], as they are and in encodings.
#[must_use]
pub fn needles() -> Needles {
    let mut needles = Needles::default();
    for number in [CALLER, CALLED, WITHOUT_KEYS] {
        needles.add(number, number.as_bytes());
    }
    needles
}

/// Calls that succeed, calls that do not, and requests that are no calls, by HTTP and SIP.
/// How many lines of calls come of it at least.
pub async fn make_calls(scene: &GatewayScene, sip: SipPorts) -> usize {
    let now = scene.world.clock.now().0;
    let media = "application/json";
    let sign = async |orig: &str, dest: &str, iat: u64| {
        let body = json!({"signingRequest": {
            "orig": {"tn": orig}, "dest": {"tn": [dest]}, "iat": iat, "requestId": "one",
        }});
        let path = "/stir/v1/signing";
        scene.post(path, media, body.to_string()).await.0
    };
    let verify = async |identity: &str, call: &str| {
        let body = json!({"verificationRequest": {
            "from": {"tn": CALLER}, "to": {"tn": [CALLED]}, "time": now, "requestId": call,
            "identity": identity,
        }});
        let path = "/stir/v1/verification";
        scene.post(path, media, body.to_string()).await.0
    };
    assert_eq!(sign(CALLER, CALLED, now).await, 200);
    assert_eq!(sign(CALLER, WITHOUT_KEYS, now).await, 200);
    assert_eq!(verify("", "first").await, 200);
    assert_eq!(verify("", "second").await, 200);
    assert_eq!(verify(FORGED, "third").await, 200);
    // Refused.
    assert_eq!(sign(&format!("{CALLER}x"), CALLED, now).await, 400);
    assert_eq!(sign(CALLER, CALLED, now - 86_400).await, 400);
    let nowhere = format!("/stir/v1/{CALLER}?tn={CALLED}");
    assert_eq!(scene.post(&nowhere, media, String::new()).await.0, 404);
    let odd = format!("orig={CALLER}&dest={CALLED}");
    let odd = scene.post("/stir/v1/signing", "text/plain", odd).await;
    assert_eq!(odd.0, 400);
    for (gateway, called) in [
        (sip.sign, CALLED),
        (sip.sign, WITHOUT_KEYS),
        (sip.verify, CALLED),
        (sip.verify, WITHOUT_KEYS),
    ] {
        let answer = sip_caller::invite(gateway, CALLER, called).await.unwrap();
        assert!(answer.is_some(), "no answer");
    }
    9
}

/// All that the gateway has written, and what its operator reads, once so many calls have
/// their lines.
pub async fn written(scene: &GatewayScene, calls: usize) -> Vec<u8> {
    let mut all = until("the lines of all calls", SOON, async || {
        let lines = fs::read(scene.world.path("calls.jsonl")).ok()?;
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        (count >= calls).then_some(lines)
    })
    .await;
    for path in Process::output_of("gateway", &scene.world) {
        all.extend(fs::read(path).unwrap());
    }
    for path in ["/metrics", "/readyz", "/healthz"] {
        all.extend(scene.admin(path).await.into_bytes());
    }
    all
}
