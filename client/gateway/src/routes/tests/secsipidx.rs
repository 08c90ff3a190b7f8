//! The paths of secsipidx.

use super::*;

const CALL: &str = "+17325551000,+12155550100,B,6f1d5c1e-7a51-4f0e-9a51-1f9f7e1f0a11,https://x/";

#[tokio::test]
async fn a_line_of_text_is_signed() {
    let gateway = gateway();
    let post = async |line: &str| gateway.post("/v1/sign-csv", "text/plain", line).await;
    let answer = post(CALL).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text, field_identity().to_string());
    let call = gateway.signed();
    assert_eq!(
        (call.from.as_str(), &*call.dest[0]),
        ("+17325551000", "+12155550100")
    );
    assert_eq!(call.attest, Some(Attestation::Partial));
    post("").await.assert_refused(400, "SVC4000");
    post("a,b").await.assert_refused(400, "SVC4006");
    post(&CALL.replace(",B,", ",D,"))
        .await
        .assert_refused(400, "SVC4005");
    post(&CALL.replace("6f1d", "x"))
        .await
        .assert_refused(400, "SVC4005");
    post(&CALL.replace("+1732", "911+"))
        .await
        .assert_refused(400, "SVC4005");
}

#[tokio::test]
async fn an_identity_is_checked_for_the_call_that_it_names() {
    let found = Found {
        source: Source::InBand,
        identities: Vec::new(),
        attest: None,
        origid: None,
        orig: "17325551000".parse().unwrap(),
        dest: "12155550100".parse().unwrap(),
        age: Duration::ZERO,
        retargeted: None,
        unrecorded: None,
    };
    let engine = StandIn {
        finding: Some(Finding::Passed(Box::new(found))),
        ..StandIn::default()
    };
    let good = with(engine, &[]);
    let identity = field_identity().to_string();
    let answer = good.post("/v1/check", "text/plain", identity.clone()).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "OK\n"));
    assert_eq!(good.verified().identities[0], identity);
    let bad = gateway();
    for value in [identity.as_str(), "nonsense"] {
        let answer = bad.post("/v1/check", "text/plain", value).await;
        assert_eq!((answer.status, answer.text.as_str()), (500, "FAILED\n"));
    }
}
