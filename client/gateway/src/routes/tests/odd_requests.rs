//! Requests that are none, and unusual ones that are.

use super::*;

#[tokio::test]
async fn a_request_that_is_none_has_the_error_of_the_specification() {
    let gateway = gateway();
    let post = async |media: &str, body: &str| gateway.post(SIGNING, media, body).await;
    post(JSON, "{\"signingRequest\":")
        .await
        .assert_refused(400, "SVC4006");
    post(JSON, "").await.assert_refused(400, "SVC4000");
    post(JSON, " \r\n").await.assert_refused(400, "SVC4000");
    post(JSON, "{}").await.assert_refused(400, "SVC4001");
    post(JSON, "[1]").await.assert_refused(400, "SVC4006");
    post("application/xml", "<a/>")
        .await
        .assert_refused(415, "SVC4004");
    let deep = "[".repeat(60_000);
    post(JSON, &deep).await.assert_refused(400, "SVC4006");
    let answer = gateway.post("/stir/v1/sign", JSON, "{}").await;
    answer.assert_refused(404, "SVC4003");
    for method in ["GET", "PUT", "DELETE"] {
        let request = Request::builder().method(method).uri(SIGNING);
        let answer = gateway.send(request.body(Body::empty()).unwrap()).await;
        answer.assert_refused(405, "POL4050");
        assert_eq!(answer.headers["allow"], "POST");
    }
    let request = Request::post(SIGNING).header("content-type", JSON);
    let answer = gateway.send(request.body(Body::empty()).unwrap()).await;
    answer.assert_refused(411, "SVC4007");
    let request = Request::post(SIGNING)
        .header("content-length", 2)
        .header("accept", "application/xml;q=1, text/html");
    let answer = gateway.send(request.body("{}".into()).unwrap()).await;
    answer.assert_refused(406, "SVC4002");
}

#[tokio::test]
async fn chunks_parameters_and_wildcards_are_taken() {
    let gateway = gateway();
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("content-type", "Application/JSON; charset=utf-8"),
        ("accept", "text/html, */*;q=0.1"),
        ("accept", ""),
    ] {
        let body = r#"{"verificationRequest":{"from":{},"to":{},"time":1}}"#;
        let request = Request::post("/stir/v1/verification/")
            .header("content-length", body.len())
            .header(name, value);
        let answer = gateway.send(request.body(body.into()).unwrap()).await;
        assert_eq!(answer.status, 200, "{name}: {value}: {}", answer.body);
    }
}
