//! Requests to sign.

use std::sync::Arc;

use pennyblack_tests::gateway_scene::CALLED;
use reqwest::Method;
use serde_json::json;

use super::super::judge;
use super::desk::{Desk, JSON, ORIGID, SIGNING, VERIFICATION};

pub(super) async fn answers_both_specifications(desk: Arc<Desk>) {
    let from = desk.caller();
    let said = desk.sign(&from, json!({"requestId": "r-77"})).await;
    let signed = said.signed();
    assert_eq!(signed["identity"], signed["identityHeader"], "{signed}");
    assert_eq!(signed["requestId"], "r-77", "{signed}");
    let claims = said.claims();
    assert_eq!(claims["orig"], json!({"tn": from}), "{claims}");
    assert_eq!(claims["dest"], json!({"tn": [CALLED]}), "{claims}");
    assert!(claims["iat"].is_u64(), "{claims}");
    assert_eq!(claims["attest"], "A", "{claims}");
    assert_eq!(claims["origid"], ORIGID, "{claims}");
}

pub(super) async fn stores_out_of_band(desk: Arc<Desk>) {
    let from = desk.caller();
    let signed = desk.sign(&from, json!({})).await.signed();
    assert_eq!(signed["oob"]["stored"], true, "{signed}");
    let verified = desk.verify(&from, json!({})).await.verified();
    assert_eq!(verified["verstat"], "TN-Validation-Passed", "{verified}");
    assert_eq!(
        verified["verstatValue"], "TN-Validation-Passed",
        "{verified}"
    );
    assert_eq!(verified["oob"]["source"], "out-of-band", "{verified}");
    assert_eq!(
        verified["oob"]["identity"], signed["identity"],
        "{verified}"
    );
}

pub(super) async fn makes_numbers_canonical(desk: Arc<Desk>) {
    let from = desk.caller();
    let odd = format!("+1-{}-{}.{}", &from[1..4], &from[4..7], &from[7..]);
    let dest = format!("+1 ({}) {}", &CALLED[1..4], &CALLED[4..]);
    let said = desk.sign(&odd, json!({"dest": {"tn": [dest]}})).await;
    let claims = said.claims();
    assert_eq!(claims["orig"]["tn"], from, "{claims}");
    assert_eq!(claims["dest"]["tn"], json!([CALLED]), "{claims}");
}

pub(super) async fn takes_one_dest_as_text(desk: Arc<Desk>) {
    let said = desk
        .sign(&desk.caller(), json!({"dest": {"tn": CALLED}}))
        .await;
    assert_eq!(said.claims()["dest"]["tn"], json!([CALLED]));
}

pub(super) async fn makes_an_origid(desk: Arc<Desk>) {
    let said = desk.sign(&desk.caller(), json!({"origid": null})).await;
    assert!(said.claims()["origid"].is_string(), "{}", said.text());
}

pub(super) async fn refuses_a_request_without_iat(desk: Arc<Desk>) {
    let said = desk.sign(&desk.caller(), json!({"iat": null})).await;
    said.is_refusal(400, "SVC4001");
}

pub(super) async fn refuses_a_request_without_orig(desk: Arc<Desk>) {
    let said = desk.sign(&desk.caller(), json!({"orig": null})).await;
    said.is_refusal(400, "SVC4001");
}

pub(super) async fn refuses_an_attest_that_is_none(desk: Arc<Desk>) {
    let said = desk.sign(&desk.caller(), json!({"attest": "D"})).await;
    said.is_refusal(400, "SVC4005");
}

pub(super) async fn refuses_an_old_iat(desk: Arc<Desk>) {
    let iat = desk.now() - 3_600;
    let said = desk.sign(&desk.caller(), json!({"iat": iat})).await;
    said.is_refusal(400, "SVC4005");
}

pub(super) async fn refuses_letters_in_a_number(desk: Arc<Desk>) {
    let said = desk.sign("1800FLOWERS", json!({})).await;
    said.is_refusal(400, "SVC4005");
}

pub(super) async fn passes_over_unknown_members(desk: Arc<Desk>) {
    let unknown = json!({"profileId": "p", "vendor": {"x": [1]}});
    desk.sign(&desk.caller(), unknown).await.signed();
}

pub(super) async fn refuses_what_is_not_json(desk: Arc<Desk>) {
    let said = desk.post(SIGNING, JSON, "{\"signingRequest\":").await;
    said.is_refusal(400, "SVC4006");
}

pub(super) async fn refuses_no_body(desk: Arc<Desk>) {
    let headers = [("content-type", JSON), ("content-length", "0")];
    let said = desk.ask(Method::POST, SIGNING, &headers, "").await;
    said.is_refusal(400, "SVC4000");
}

pub(super) async fn refuses_a_body_without_a_length(desk: Arc<Desk>) {
    let headers = [("content-type", JSON)];
    let said = desk.ask(Method::POST, SIGNING, &headers, "").await;
    said.is_refusal(411, "SVC4007");
}

pub(super) async fn refuses_another_media_type(desk: Arc<Desk>) {
    let said = desk.post(SIGNING, "application/xml", "<a/>").await;
    said.is_refusal(415, "SVC4004");
}

pub(super) async fn refuses_to_answer_in_another_media_type(desk: Arc<Desk>) {
    let headers = [("content-type", JSON), ("accept", "application/xml")];
    let body = "{\"signingRequest\":{}}";
    let said = desk.ask(Method::POST, SIGNING, &headers, body).await;
    said.is_refusal(406, "SVC4002");
}

pub(super) async fn refuses_another_path(desk: Arc<Desk>) {
    desk.post("/stir/v1/sign", JSON, "{}")
        .await
        .is_refusal(404, "SVC4003");
}

pub(super) async fn refuses_another_method(desk: Arc<Desk>) {
    let said = desk.ask(Method::GET, SIGNING, &[], "").await;
    said.is_refusal(405, "POL4050");
}

const FORM: &str = "application/x-www-form-urlencoded";

/// As Asterisk's CURL() posts it.
pub(super) async fn takes_a_form(desk: Arc<Desk>) {
    let form = format!(
        "signingRequest%5Battest%5D=B&signingRequest%5Borig%5D%5Btn%5D={}&signingRequest%5Bdest%5D%5Btn%5D={CALLED}&signingRequest%5Biat%5D={}",
        desk.caller(),
        desk.now(),
    );
    let said = desk.post(SIGNING, FORM, form).await;
    assert_eq!(said.claims()["attest"], "B", "{}", said.text());
}

pub(super) async fn takes_a_form_with_bare_brackets(desk: Arc<Desk>) {
    let form = format!(
        "signingRequest[attest]=A&signingRequest[orig][tn]={}&signingRequest[dest][tn]={CALLED}&signingRequest[iat]={}",
        desk.caller(),
        desk.now(),
    );
    desk.post(SIGNING, FORM, form).await.signed();
}

/// An INVITE as text, and header lines back.
pub(super) async fn takes_sip_and_answers_in_header_lines(desk: Arc<Desk>) {
    let from = desk.caller();
    let invite = format!(
        "INVITE sip:+{CALLED}@x;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: \"A\" <sip:+{from}@x;user=phone>;tag=1\r\nTo: <sip:+{CALLED}@x;user=phone>\r\nCall-ID: text-{from}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
    let said = desk.post(SIGNING, "message/sip", invite.clone()).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    let text = said.text();
    let identity = text.strip_prefix("Identity: ").unwrap();
    let identity = identity.strip_suffix("\r\n").unwrap();
    // The attestation level comes with the INVITE, or is C.
    let claims = judge::claims(identity).unwrap();
    assert_eq!(claims["orig"]["tn"], from, "{claims}");

    let text = desk.post(VERIFICATION, "text/plain", invite).await.text();
    let asserted = text
        .lines()
        .find(|line| line.starts_with("P-Asserted-Identity: <"));
    let passed = asserted.is_some_and(|line| line.contains("verstat=TN-Validation-Passed"));
    assert!(passed, "{text}");
}
