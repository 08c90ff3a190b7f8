//! What of a gateway's answer reaches the client, and that nothing is asked twice.

use pennyblack_base::problem::ProblemType;
use pennyblack_base::service_paths::OHTTP_KEY_PROBLEM;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::wait::until;
use std::time::Duration;

use super::scene::{REQUEST, Scene, problem};

/// Longest wait for what happens at once.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn sealed_answers_pass_and_what_is_none_is_a_problem_of_the_relays_own() {
    let scene = Scene::open(&[]).await;
    let client = scene.client([127, 0, 0, 1]);
    for size in [0, 1, 2_096, 135_216, 1_056_816, 1_060_000] {
        let answer = scene.ask(&client, &format!("size {size}")).await;
        assert_eq!(answer.content().len(), size);
    }
    for asked in [
        "status 500",
        "status 502",
        "status 302",
        "status 308",
        "status 204",
        "status 206",
        "status 401",
        "status 403",
        "status 404",
        "status 421",
        "html",
        "type",
        "long",
    ] {
        let answer = scene.ask(&client, asked).await;
        assert_eq!(answer.problem(), ProblemType::GatewayFailed, "{asked}");
        problem(&answer);
        assert_eq!(scene.gateway.asked_for(asked), 1, "{asked}: asked twice");
    }
    let elsewhere = |asked: &super::gateway::Asked| asked.uri.path() == "/elsewhere";
    assert!(
        !scene.gateway.asked().iter().any(elsewhere),
        "a redirect was followed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_gateway_passes_as_its_status_and_whether_it_is_the_key() {
    let scene = Scene::open(&[]).await;
    let client = scene.client([127, 0, 0, 1]);
    for (asked, status, kind) in [
        ("key 400", 400, OHTTP_KEY_PROBLEM),
        ("key 422", 422, OHTTP_KEY_PROBLEM),
        ("status 400", 400, "about:blank"),
        ("status 422", 422, "about:blank"),
        // The type goes with these two statuses only.
        ("key 413", 413, "about:blank"),
        ("status 415", 415, "about:blank"),
        ("status 429", 429, "about:blank"),
    ] {
        let answer = scene.ask(&client, asked).await;
        let problem = problem(&answer);
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(
            (problem.status, problem.kind.as_str()),
            (status, kind),
            "{asked}"
        );
        assert!(!answer.headers.contains_key("retry-after"), "{asked}");
    }
    let answer = scene.ask(&client, "status 503").await;
    assert_eq!(answer.problem(), ProblemType::Overloaded);
    assert_eq!(answer.headers["retry-after"], "1", "the relay's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_gateway_is_waited_for_until_the_deadline_and_asked_once() {
    let scene = Scene::open(&["forward.deadline=2s"]).await;
    let client = scene.client([127, 0, 0, 1]);
    let answer = scene.ask(&client, "silence").await;
    assert_eq!(answer.problem(), ProblemType::GatewayTimeout);
    assert_eq!(
        scene.ask(&client, "hello").await.content(),
        b"answer to hello"
    );
    assert_eq!(scene.gateway.asked_for("silence"), 1);
}

/// A client sends again what was not handed on, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_a_request_that_waits_for_its_turn_is_not_like_one_at_the_gateway() {
    let scene = Scene::open(&["forward.streams=1", "forward.deadline=1s"]).await;
    let client = scene.client([127, 0, 0, 1]);
    let ask = || {
        let request = client.post(scene.url()).header("content-type", REQUEST);
        let request = request.body("silence");
        tokio::spawn(async move { Answer::to(request).await.unwrap() })
    };
    let mut first = ask();
    until("one at the gateway", SOON, async || {
        let is_there = scene.gateway.asked_for("silence") == 1;
        // A busy machine may have let its deadline pass before it was there.
        if !is_there && first.is_finished() {
            first = ask();
        }
        is_there.then_some(())
    })
    .await;
    let waiting: Vec<_> = (0..24).map(|_| ask()).collect();
    assert_eq!(first.await.unwrap().problem(), ProblemType::GatewayTimeout);
    let mut without_turn = 0;
    for asked in waiting {
        match asked.await.unwrap().problem() {
            // It was given the turn of one whose deadline came a moment before.
            ProblemType::GatewayTimeout => {}
            problem => {
                assert_eq!(problem, ProblemType::Overloaded);
                without_turn += 1;
            }
        }
    }
    assert!(without_turn > 0);
    assert!(scene.gateway.asked_for("silence") <= 25 - without_turn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_on_a_connection_that_ends_is_not_sent_again() {
    let scene = Scene::open(&[]).await;
    let client = scene.client([127, 0, 0, 1]);
    for round in 1..=3 {
        // On a connection that was used before, which is where libraries send again.
        assert_eq!(
            scene.ask(&client, "hello").await.content(),
            b"answer to hello"
        );
        let answer = scene.ask(&client, "end").await;
        assert_eq!(answer.problem(), ProblemType::GatewayFailed);
        assert_eq!(scene.gateway.asked_for("end"), round);
    }
    assert_eq!(scene.gateway.connections(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_not_there_has_processed_nothing() {
    let unused = pennyblack_tests::port::free_port();
    let gateway = format!("gateway=[{{name=\"cps-a\", url=\"http://127.0.0.1:{unused}\"}}]");
    let scene = Scene::open(&[&gateway]).await;
    let client = scene.client([127, 0, 0, 1]);
    let answer = scene.ask(&client, "hello").await;
    assert_eq!(answer.problem(), ProblemType::Overloaded);
    assert!(
        !String::from_utf8(answer.body)
            .unwrap()
            .contains(&unused.to_string())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_replaced_and_what_is_in_flight_on_it_is_answered() {
    let scene = Scene::open(&["forward.replace_after=300ms"]).await;
    let client = scene.client([127, 0, 0, 1]);
    tokio::join!(
        async {
            assert_eq!(
                scene.ask(&client, "wait").await.content(),
                b"answer to wait"
            );
        },
        async {
            until("the request that waits", SOON, async || {
                (scene.gateway.asked_for("wait") == 1).then_some(())
            })
            .await;
            until("a third connection", SOON, async || {
                assert_eq!(
                    scene.ask(&client, "hello").await.content(),
                    b"answer to hello"
                );
                (scene.gateway.connections() >= 3).then_some(())
            })
            .await;
            scene.gateway.release();
        }
    );
    assert_eq!(scene.gateway.broken_off(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_takes_so_many_bytes_and_all_use_the_same_until_then() {
    let scene = Scene::open(&["forward.replace_after_bytes=8000"]).await;
    let clients = [1, 2, 3, 4].map(|n| scene.client([127, 0, 0, n]));
    for round in 0..20 {
        let body = format!("hello\n{}", "x".repeat(1_000));
        assert_eq!(scene.ask(&clients[round % 4], &body).await.status, 200);
    }
    // Six of 1,006 bytes and their frames fit.
    assert_eq!(scene.gateway.connections(), 4);
}
