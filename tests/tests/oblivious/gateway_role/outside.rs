//! What a gateway says outside of the seal, and how little.

use http::StatusCode;
use pennyblack_base::problem::{PROBLEM_MEDIA_TYPE, Problem, ProblemType};
use pennyblack_base::service_paths::{OHTTP_GATEWAY_PATH, OHTTP_KEY_PROBLEM};
use pennyblack_ohttp::encapsulation::MAX_REQUEST_SIZE;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::sealed::{first_key, inner_get, open, post, post_as, seal};

use super::gateway;

/// The status of an answer that tells a client to fetch the keys again.
pub(super) fn status_of_key_problem(answer: &Answer) -> u16 {
    assert_eq!(answer.headers["content-type"], PROBLEM_MEDIA_TYPE);
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem.kind, OHTTP_KEY_PROBLEM);
    assert_eq!(problem.status, answer.status.as_u16());
    problem.status
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_open_is_refused_outside_with_its_status() {
    let scene = gateway(|_| ()).await;
    let world = &scene.world;
    let key = first_key(world).await;
    let (sealed, _) = seal(&key, &inner_get(world, "/log/key"));

    let other_type = post_as(world, "application/octet-stream", sealed.clone()).await;
    assert_eq!(
        other_type.unwrap().problem(),
        ProblemType::UnsupportedMediaType
    );
    let long = post(world, vec![0; MAX_REQUEST_SIZE + 1]).await;
    assert_eq!(long.unwrap().problem(), ProblemType::BodyTooLarge);

    let changed = |place: usize| {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        changed
    };
    // The key's number, the KEM, the AEAD; then nothing, and a part of the header or of enc.
    for wrong in [
        changed(0),
        changed(2),
        changed(6),
        Vec::new(),
        sealed[..6].to_vec(),
        sealed[..30].to_vec(),
    ] {
        let answer = post(world, wrong).await.unwrap();
        assert_eq!(status_of_key_problem(&answer), 400);
    }
    for wrong in [
        changed(7),
        changed(100),
        sealed[..sealed.len() - 1].to_vec(),
    ] {
        let answer = post(world, wrong).await.unwrap();
        assert_eq!(status_of_key_problem(&answer), 422);
    }
    let url = format!("http://{}{OHTTP_GATEWAY_PATH}", world.cps_name());
    let put = Answer::to(world.client.put(url)).await.unwrap();
    assert_eq!(put.problem(), ProblemType::MethodNotAllowed);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_opens_only_for_its_own_request() {
    let scene = gateway(|_| ()).await;
    let world = &scene.world;
    let key = first_key(world).await;
    let request = inner_get(world, "/log/key");
    let ((one, opens_one), (_, opens_other)) = (seal(&key, &request), seal(&key, &request));
    let answer = post(world, one).await.unwrap();
    assert!(pennyblack_ohttp::exchange::open_response(opens_other, &answer.body).is_err());
    assert_eq!(open(opens_one, &answer).inner.status, StatusCode::OK);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_without_the_section_is_no_gateway() {
    let scene = Scene::open().await;
    let answer = scene.world.get(OHTTP_GATEWAY_PATH).await;
    assert_eq!(answer.problem(), ProblemType::NotFound);
    scene.close().await;
}
