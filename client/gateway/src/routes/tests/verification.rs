//! Verification requests and their answers.

use super::*;

#[tokio::test]
async fn nothing_found_is_no_error_and_has_no_reason_code() {
    let gateway = gateway();
    for identity in [Value::Null, "".into(), json!([])] {
        let answer = gateway.verify(|rq| rq["identity"] = identity).await;
        let said = &answer.body["verificationResponse"];
        assert_eq!(answer.status, 200, "{said}");
        assert_eq!(said["verstat"], "No-TN-Validation");
        assert_eq!(said["verstatValue"], "No-TN-Validation");
        assert_eq!(
            said["oob"],
            json!({"source": "none", "reason": "no-passport"})
        );
        for absent in ["reasoncode", "reasonCode", "verifyResults"] {
            assert_eq!(said.get(absent), None);
        }
        assert!(gateway.verified().identities.is_empty());
    }
}

#[tokio::test]
async fn every_way_to_write_a_verification_request_is_the_same_call() {
    let gateway = gateway();
    for anonymous in ["anonymous", "Anonymous", "", "Restricted"] {
        let answer = gateway
            .verify(|rq| rq["from"]["tn"] = anonymous.into())
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(gateway.verified().from, anonymous);
    }
    gateway
        .verify(|rq| rq["dest"] = json!({"tn": "12155559999"}))
        .await;
    let call = gateway.verified();
    assert_eq!(call.request_uri.as_deref(), Some("12155559999"));
    assert_eq!(call.to, ["12155550100"]);
    let other_names = json!({"verificationRequest": {
        "orig": {"tn": "17325551000"}, "dest": {"tn": ["12155550100"]}, "iat": 5,
        "identityHeader": "a", "identityHeaders": ["b", "a"],
    }});
    let answer = gateway
        .post(VERIFICATION, JSON, other_names.to_string())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let call = gateway.verified();
    assert_eq!(
        (call.from.as_str(), &*call.to),
        ("17325551000", &["12155550100".to_owned()][..])
    );
    assert_eq!(call.identities, ["a", "b"]);
    let answer = gateway.verify(|rq| rq["time"] = Value::Null).await;
    answer.assert_refused(400, "SVC4001");
    let answer = gateway.verify(|rq| rq["to"] = Value::Null).await;
    answer.assert_refused(400, "SVC4001");
}

#[tokio::test]
async fn a_failure_has_its_code_as_a_number_everywhere() {
    let refused = Refused {
        code: StirCode::InvalidIdentityHeader,
        detail: "of another call\r\n".to_owned(),
        not_judged: None,
    };
    let engine = StandIn {
        finding: Some(Finding::Failed(refused)),
        ..StandIn::default()
    };
    let answer = with(engine, &[]).verify(|_| ()).await;
    let said = &answer.body["verificationResponse"];
    assert_eq!(said["verstat"], "TN-Validation-Failed");
    assert_eq!(said["reasoncode"], 438);
    assert_eq!(said["reasonCode"], 438);
    assert_eq!(said["reasontext"], "Invalid Identity Header");
    assert_eq!(said["reasondesc"], "of another call");
    let one = &said["verifyResults"][0]["verifyResult"];
    assert_eq!(
        (&one["status"], &one["reasonCode"]),
        (&"fail".into(), &438.into())
    );
}

#[tokio::test]
async fn what_came_out_of_band_is_shown_as_an_identity_with_its_claims() {
    let found = Found {
        source: Source::OutOfBand,
        identities: vec![field_identity().to_string()],
        attest: Some(Attestation::Full),
        origid: Some(OrigId::random()),
        orig: "17325551000".parse().unwrap(),
        dest: "12155550100".parse().unwrap(),
        age: Duration::from_secs(3),
        retargeted: None,
        unrecorded: None,
    };
    let engine = StandIn {
        finding: Some(Finding::Passed(Box::new(found))),
        ..StandIn::default()
    };
    let answer = with(engine, &[]).verify(|_| ()).await;
    let said = &answer.body["verificationResponse"];
    assert_eq!(said["verstat"], "TN-Validation-Passed");
    assert_eq!(said["oob"]["source"], "out-of-band");
    assert_eq!(said["oob"]["identity"], field_identity().to_string());
    assert_eq!(said["oob"]["attest"], "A");
    assert_eq!(said["oob"]["age"], 3);
    let one = &said["verifyResults"][0]["verifyResult"];
    assert_eq!(one["status"], "pass");
    assert!(one["validClaims"]["orig"].is_object(), "{one}");
}
