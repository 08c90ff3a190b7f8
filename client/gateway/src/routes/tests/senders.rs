//! Who asks: names of requests and calls, addresses, keys, roots and roles.

use pennyblack_runtime::logging::testing::lines_of;

use super::*;

#[tokio::test]
async fn a_request_keeps_its_name_and_one_without_gets_one() {
    let gateway = gateway();
    for (given, comes_back) in [("AA97B177", true), (&"x".repeat(200), false), ("", false)] {
        let request = Request::post(VERIFICATION)
            .header("content-length", 2)
            .header("x-requestid", given);
        let answer = gateway.send(request.body("{}".into()).unwrap()).await;
        let name = answer.headers["x-requestid"].to_str().unwrap();
        assert_eq!(name == given, comes_back, "{name}");
        assert!(!name.is_empty());
    }
}

#[tokio::test]
async fn a_call_is_named_by_the_request_and_asked_again_is_the_same_call() {
    let gateway = gateway();
    let mut names = Vec::new();
    for id in ["a", "a", "b", "", ""] {
        gateway.verify(|rq| rq["requestId"] = id.into()).await;
        names.push(gateway.verified().call);
    }
    assert!(names[0] == names[1] && names[1] != names[2]);
    assert!(names[3] != names[4] && names[3] != names[0]);
}

#[tokio::test]
async fn those_who_may_not_ask_are_told_so() {
    let allow = ["http.allow=[\"10.0.0.0/8\"]"];
    let answer = with(StandIn::default(), &allow).sign(|_| ()).await;
    answer.assert_refused(403, "POL0001");
    let other_trunk = ["trunk=[{name=\"a\", addresses=[\"10.0.0.0/8\"]}]"];
    let answer = with(StandIn::default(), &other_trunk).sign(|_| ()).await;
    answer.assert_refused(403, "POL0001");

    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("keys");
    let (key, line) = crate::access::api_keys::new_key("sbc-1");
    std::fs::write(&path, line).unwrap();
    let keys = format!("http.api_keys={}", path.display());
    let gateway = with(StandIn::default(), &[&keys]);
    gateway.sign(|_| ()).await.assert_refused(401, "POL0001");
    // Nothing is said of a body whose sender is not known, nor of a key that stands in JSON.
    let in_json = format!("{{\"api_key\":\"{}\"}}", *key);
    for (media, body) in [
        (JSON, "{"),
        (JSON, &*in_json),
        ("message/sip", "OPTIONS sip:a SIP/2.0\r\n\r\n"),
    ] {
        let answer = gateway.post(SIGNING, media, body).await;
        answer.assert_refused(401, "POL0001");
    }
    let form = format!(
        "api_key={}&signingRequest[orig][tn]=%2B17325551000&\
         signingRequest[dest][tn]=%2B12155550100&signingRequest[iat]=1795919340",
        *key
    );
    let media = "application/x-www-form-urlencoded";
    assert_eq!(gateway.post(SIGNING, media, form).await.status, 200);
}

#[tokio::test]
async fn a_root_stands_before_the_paths_and_a_role_has_its_own_alone() {
    let settings = ["http.root=/pb", "gateway.role=verify"];
    let gateway = with(StandIn::default(), &settings);
    let body = r#"{"verificationRequest":{"from":{},"to":{},"time":1}}"#;
    let verify = async |path: &str| gateway.post(path, JSON, body).await;
    assert_eq!(verify("/pb/stir/v1/verification").await.status, 200);
    verify("/stir/v1/verification")
        .await
        .assert_refused(404, "SVC4003");
    verify("/pb/stir/v1/signing")
        .await
        .assert_refused(404, "SVC4003");
}

/// The log lines of a request from `client`. Each test has addresses of its own, since one
/// cause has one line in a while.
fn lines_about(gateway: &Asking, client: [u8; 4], header: (&str, &str)) -> Vec<String> {
    let request = Request::post(SIGNING)
        .header("content-type", JSON)
        .header("content-length", 2)
        .header(header.0, header.1);
    let request = request.body("{}".into()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    lines_of(|| drop(runtime.block_on(gateway.send_from(client, request))))
}

#[test]
fn the_operator_reads_who_is_refused_and_by_what() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("keys");
    let (key, line) = crate::access::api_keys::new_key("sbc-1");
    std::fs::write(&path, line).unwrap();
    let keys = format!("http.api_keys={}", path.display());
    let nobody = ("x-nothing", "");
    let trunk = "trunk=[{name=\"a\", addresses=[\"10.0.0.0/8\"]}]";
    let named = ("x-api-key", key.as_str());
    for (settings, client, header, parts) in [
        (
            vec!["http.allow=[\"10.0.0.0/8\"]"],
            [192, 0, 2, 1],
            nobody,
            vec!["192.0.2.1", "http.allow"],
        ),
        (
            vec![&keys],
            [192, 0, 2, 2],
            nobody,
            vec!["192.0.2.2", "http.api_keys"],
        ),
        (
            vec![trunk],
            [192, 0, 2, 3],
            nobody,
            vec!["192.0.2.3", "[[trunk]]"],
        ),
        (
            vec![trunk, &keys],
            [192, 0, 2, 4],
            named,
            vec!["192.0.2.4", "[[trunk]]", "sbc-1"],
        ),
    ] {
        let gateway = with(StandIn::default(), &settings);
        let lines = lines_about(&gateway, client, header);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("WARN"), "{lines:?}");
        assert!(
            parts.iter().all(|part| lines[0].contains(part)),
            "{lines:?}"
        );
        assert!(!lines[0].contains(key.as_str()), "{lines:?}");
        // Asked again at once, it has no line.
        assert_eq!(lines_about(&gateway, client, header), Vec::<String>::new());
    }
    let (gateway, client) = (gateway(), [192, 0, 2, 5]);
    assert_eq!(lines_about(&gateway, client, nobody), Vec::<String>::new());
}
