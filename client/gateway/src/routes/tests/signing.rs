//! Signing requests and their answers.

use super::*;

#[tokio::test]
async fn a_signed_call_is_told_in_both_dialects_and_a_store_that_failed_is_no_error() {
    let gateway = gateway();
    let answer = gateway.sign(|rq| rq["requestId"] = "r-77".into()).await;
    assert_eq!(answer.status, 200);
    let said = &answer.body["signingResponse"];
    assert_eq!(said["identity"], field_identity().to_string());
    assert_eq!(said["identity"], said["identityHeader"]);
    assert_eq!(said["requestId"], "r-77");
    let oob = json!({"stored": false, "copies": 0, "reason": "no-answer"});
    assert_eq!(said["oob"], oob);
}

#[tokio::test]
async fn only_a_missing_signing_key_is_an_error_of_ours() {
    for (reason, status, id) in [
        (Reason::NoCertificate, 500, "POL5000"),
        (Reason::CertificateNotCurrent, 500, "POL5000"),
        (Reason::PassedOver, 400, "SVC4005"),
    ] {
        let engine = StandIn {
            signs_nothing: Some(reason),
            ..StandIn::default()
        };
        let answer = with(engine, &[]).sign(|_| ()).await;
        answer.assert_refused(status, id);
    }
    let engine = StandIn {
        signs_nothing: Some(Reason::Wallet),
        ..StandIn::default()
    };
    let answer = with(engine, &[]).sign(|_| ()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["signingResponse"]["oob"]["reason"], "wallet");
    assert_eq!(answer.body["signingResponse"].get("identity"), None);
}

#[tokio::test]
async fn every_way_to_write_a_signing_request_is_the_same_call() {
    let gateway = gateway();
    gateway.sign(|rq| rq["vendor"] = json!({"x": [1]})).await;
    let plain = gateway.signed();
    assert_eq!(plain.from, "17325551000");
    assert_eq!(plain.dest, ["12155550100"]);
    assert_eq!(plain.attest, Some(Attestation::Full));
    assert_eq!(plain.iat.unwrap().0, 1_795_919_340);
    let origid = plain.origid.unwrap();
    assert_eq!(origid.as_str(), "6f1d5c1e-7a51-4f0e-9a51-1f9f7e1f0a11");

    gateway
        .sign(|rq| rq["dest"]["tn"] = "12155550100".into())
        .await;
    assert_eq!(gateway.signed().dest, ["12155550100"]);
    gateway.sign(|rq| rq["origid"] = Value::Null).await;
    assert_eq!(gateway.signed().origid, None);
    gateway.sign(|rq| rq["iat"] = "1795919340".into()).await;
    assert_eq!(gateway.signed().iat.unwrap().0, 1_795_919_340);
    gateway
        .sign(|rq| rq["identityHeaders"] = json!(["a", "b"]))
        .await;
    assert_eq!(gateway.signed().identities, ["a", "b"]);

    for form in [
        "signingRequest[attest]=B&signingRequest[orig][tn]=%2B17325551000&\
         signingRequest[dest][tn]=12155550100&signingRequest[iat]=1795919340",
        "signingRequest%5Battest%5D=B&signingRequest%5Borig%5D%5Btn%5D=%2B17325551000&\
         signingRequest%5Bdest%5D%5Btn%5D=12155550100&signingRequest%5Biat%5D=1795919340",
    ] {
        let media = "application/x-www-form-urlencoded";
        assert_eq!(gateway.post(SIGNING, media, form).await.status, 200);
        let call = gateway.signed();
        assert_eq!(call.from, "+17325551000");
        assert_eq!(call.attest, Some(Attestation::Partial));
    }
}

#[tokio::test]
async fn a_signing_request_that_is_wrong_is_told_what_is_wrong() {
    let gateway = gateway();
    let refused = async |change: fn(&mut Value), id: &str, variable: &str| {
        let answer = gateway.sign(change).await;
        answer.assert_refused(400, id);
        let told = &answer.body["requestError"]["serviceException"];
        assert_eq!(told["variables"][0], variable, "{told}");
    };
    refused(|rq| rq["iat"] = Value::Null, "SVC4001", "iat").await;
    refused(|rq| rq["orig"] = Value::Null, "SVC4001", "orig").await;
    refused(|rq| rq["dest"] = Value::Null, "SVC4001", "dest").await;
    refused(|rq| rq["orig"] = json!({}), "SVC4001", "orig.tn").await;
    refused(|rq| rq["dest"]["tn"] = json!([]), "SVC4001", "dest.tn").await;
    refused(|rq| rq["attest"] = "D".into(), "SVC4005", "attest").await;
    refused(|rq| rq["attest"] = 1.into(), "SVC4005", "attest").await;
    refused(|rq| rq["iat"] = (-1).into(), "SVC4005", "iat").await;
    refused(|rq| rq["iat"] = json!(1e100), "SVC4005", "iat").await;
    refused(|rq| rq["origid"] = "x".into(), "SVC4005", "origid").await;
    refused(|rq| rq["origid"] = 7.into(), "SVC4005", "origid").await;
    refused(|rq| rq["ppt"] = "rph".into(), "SVC4005", "ppt").await;
    refused(|rq| rq["ppt"] = "div".into(), "SVC4001", "div").await;
    let two = |rq: &mut Value| {
        rq["ppt"] = "div".into();
        rq["div"]["tn"] = json!(["12155550100", "12155550101"]);
    };
    refused(two, "SVC4005", "div").await;
    refused(|rq| rq["orig"] = "17325551000".into(), "SVC4005", "orig").await;
    let letters = |rq: &mut Value| rq["orig"]["tn"] = "1800FLOWERS".into();
    refused(letters, "SVC4005", "orig").await;
    let lines = |rq: &mut Value| rq["orig"]["tn"] = "1732\r\nX-Evil: 1".into();
    refused(lines, "SVC4005", "orig").await;
    refused(|rq| rq["dest"]["tn"] = "911".into(), "SVC4005", "dest").await;
    refused(
        |rq| rq["orig"]["tn"] = "1".repeat(16).into(),
        "SVC4005",
        "orig",
    )
    .await;
    assert!(gateway.engine.signed.lock().unwrap().is_empty());
}
