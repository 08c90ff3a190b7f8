//! Requests to verify.

use std::sync::Arc;

use pennyblack_tests::gateway_scene::CALLED;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::desk::{Desk, JSON, VERIFICATION};

const PASSED: &str = "TN-Validation-Passed";
const FAILED: &str = "TN-Validation-Failed";
const NONE: &str = "No-TN-Validation";

pub(super) async fn sends_the_request_id_back(desk: Arc<Desk>) {
    let headers = [("content-type", JSON), ("x-requestid", "AA97B177")];
    let body = request(&desk);
    let said = desk.ask(Method::POST, VERIFICATION, &headers, body).await;
    assert_eq!(said.header("x-requestid"), Some("AA97B177"));
}

/// Three requests on one connection.
pub(super) async fn keeps_a_connection_open(desk: Arc<Desk>) {
    let mut connection = TcpStream::connect(desk.http()).await.unwrap();
    for _ in 0..3 {
        let body = request(&desk);
        let length = body.len();
        let head = format!(
            "POST {VERIFICATION} HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: {length}\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all(body.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"}") {
            assert!(connection.read_buf(&mut said).await.unwrap() > 0, "closed");
        }
        assert!(said.starts_with(b"HTTP/1.1 200 "));
    }
}

fn request(desk: &Desk) -> String {
    let (from, now) = (desk.caller(), desk.now());
    let request = json!({"from": {"tn": from}, "to": {"tn": [CALLED]}, "time": now});
    json!({"verificationRequest": request}).to_string()
}

pub(super) async fn finds_nothing(desk: Arc<Desk>) {
    let verified = desk.verify(&desk.caller(), json!({})).await.verified();
    assert_eq!(verified["verstat"], NONE, "{verified}");
    assert_eq!(verified["oob"]["source"], "none", "{verified}");
    assert_eq!(verified["oob"].get("identity"), None, "{verified}");
    assert_eq!(verified.get("reasoncode"), None, "{verified}");
}

pub(super) async fn requires_no_identity(desk: Arc<Desk>) {
    for nothing in [json!({"identity": ""}), json!({}), json!({"identity": []})] {
        let said = desk.verify(&desk.caller(), nothing).await;
        assert_eq!(said.verstat(), NONE, "{}", said.text());
    }
    let body = json!({"verificationRequest": {
        "identity": null, "from": {"tn": desk.caller()}, "to": {"tn": [CALLED]},
        "time": desk.now(),
    }});
    let said = desk.post(VERIFICATION, JSON, body.to_string()).await;
    assert_eq!(said.verstat(), NONE, "{}", said.text());
}

pub(super) async fn takes_no_passport_of_another_caller(desk: Arc<Desk>) {
    desk.sign(&desk.caller(), json!({})).await.signed();
    assert_eq!(desk.verify(&desk.caller(), json!({})).await.verstat(), NONE);
}

pub(super) async fn goes_on_without_a_callers_number(desk: Arc<Desk>) {
    for from in ["anonymous", "Anonymous", "", "Restricted"] {
        assert_eq!(desk.verify(from, json!({})).await.verstat(), NONE, "{from}");
    }
}

pub(super) async fn takes_national_numbers(desk: Arc<Desk>) {
    let from = desk.caller();
    desk.sign(&from, json!({})).await.signed();
    let to = json!({"to": {"tn": [CALLED[1..]]}});
    assert_eq!(desk.verify(&from[1..], to).await.verstat(), PASSED);
}

/// `dest` is where it goes, `to` who was called first.
pub(super) async fn finds_a_call_that_was_sent_on(desk: Arc<Desk>) {
    let from = desk.caller();
    desk.sign(&from, json!({})).await.signed();
    let sent_on = json!({"to": {"tn": ["12125559999"]}, "dest": {"tn": CALLED}});
    assert_eq!(desk.verify(&from, sent_on).await.verstat(), PASSED);
}

pub(super) async fn refuses_the_identity_of_another_call(desk: Arc<Desk>) {
    let mut signed = desk.sign(&desk.caller(), json!({})).await.signed();
    let identity = signed["identity"].take();
    let said = desk
        .verify(&desk.caller(), json!({"identity": identity}))
        .await;
    let verified = said.verified();
    assert_eq!(verified["verstat"], FAILED, "{verified}");
    // A number: Oracle takes a text for none.
    assert_eq!(verified["reasoncode"], Value::from(438), "{verified}");
    let result = &verified["verifyResults"][0]["verifyResult"];
    assert_eq!(result["status"], "fail", "{verified}");
    assert_eq!(result["reasonCode"], Value::from(438), "{verified}");
}

pub(super) async fn refuses_a_request_without_time(desk: Arc<Desk>) {
    let said = desk.verify(&desk.caller(), json!({"time": null})).await;
    said.is_refusal(400, "SVC4001");
}
