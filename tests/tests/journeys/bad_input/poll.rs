//! Section 4: retrieving; and what is no resource at all.

use std::time::Instant;

use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_poll_is_named() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let id = world.mailbox().await.id().to_string();
    let mailbox = |query: &str| format!("/v1/mailboxes/{id}{query}");
    let spelled = |last: char| format!("/v1/mailboxes/{}{last}", &id[..42]);
    let good = mailbox("?slots=4&after=18446744073709551615");
    assert_eq!(world.get(&good).await.status, StatusCode::OK);
    let padded = mailbox("?slots=4&after=00000000000000000000&pad=99999999999999999999");
    assert_eq!(world.get(&padded).await.status, StatusCode::OK);
    for (path, kind) in [
        (mailbox("?slots=5"), ProblemType::MalformedPageRequest),
        (mailbox("?slots=04"), ProblemType::MalformedPageRequest),
        (mailbox("?slots="), ProblemType::MalformedPageRequest),
        (mailbox("?after=-1"), ProblemType::MalformedPageRequest),
        (mailbox("?after=now"), ProblemType::MalformedPageRequest),
        (
            mailbox("?after=18446744073709551616"),
            ProblemType::MalformedPageRequest,
        ),
        (mailbox("?limit=4"), ProblemType::MalformedPageRequest),
        (mailbox("?pad=1&pad=2"), ProblemType::MalformedPageRequest),
        (
            mailbox("?slots=4&slots=4"),
            ProblemType::MalformedPageRequest,
        ),
        (
            "/v1/mailboxes/short".to_owned(),
            ProblemType::MalformedNumber,
        ),
        // A 43rd character with bits past the 256th, and one of no alphabet.
        (spelled('B'), ProblemType::MalformedNumber),
        (spelled('!'), ProblemType::MalformedNumber),
        (mailbox("A"), ProblemType::MalformedNumber),
        (
            "/v1/double-spends?after=x".to_owned(),
            ProblemType::MalformedPageRequest,
        ),
        (
            "/v1/double-spends?since=1".to_owned(),
            ProblemType::MalformedPageRequest,
        ),
    ] {
        let answer = world.get(&path).await;
        assert_eq!(answer.problem(), kind, "{path}");
    }
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_and_the_refusal_of_one_leave_no_earlier_than_their_time() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let delay = world.cps.retrieval.answer_delay;
    let id = world.mailbox().await.id();
    for query in ["", "?slots=4", "?slots=5", "?after=-1", "?limit=4"] {
        let begun = Instant::now();
        world.get(&format!("/v1/mailboxes/{id}{query}")).await;
        let left = begun.elapsed();
        assert!(left >= delay, "{query}: {left:?} instead of {delay:?}");
    }
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_resource_or_method_is_a_problem_document_too() {
    let scene = Scene::open().await;
    let world = &scene.world;
    for path in [
        "/",
        "/v1",
        "/v1/passports/",
        "/v1/mailboxes/",
        "/v2/passports",
        "/metrics",
    ] {
        assert_eq!(
            world.get(path).await.problem(),
            ProblemType::NotFound,
            "{path}"
        );
    }
    for (method, path) in [
        ("GET", "/v1/passports"),
        ("DELETE", "/v1/keys"),
        ("POST", "/v1/double-spends"),
    ] {
        let url = format!("http://{}{path}", world.cps_name());
        let request = world.client.request(method.parse().unwrap(), url);
        let answer = Answer::to(request).await.unwrap();
        assert_eq!(
            answer.problem(),
            ProblemType::MethodNotAllowed,
            "{method} {path}"
        );
        assert!(answer.headers.contains_key("allow"), "{method} {path}");
    }
    scene.close().await;
}
