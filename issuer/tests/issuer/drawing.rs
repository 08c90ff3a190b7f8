//! Drawing tokens: single and in batches, retries, and quotas that outlive the
//! process.

use crate::scene::{Scene, finished, pending};
use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_issuer::config::SubjectQuota;
use pennyblack_privacypass::blind_rsa::{PendingToken, TokenPublicKey};
use pennyblack_privacypass::issuance::TokenRequest;
use pennyblack_privacypass::token::TokenType;

fn requests(pending: &[PendingToken]) -> Vec<TokenRequest> {
    pending.iter().map(PendingToken::request).collect()
}

fn several(key: &TokenPublicKey, count: usize) -> Vec<PendingToken> {
    (0..count).map(|_| pending(key)).collect()
}

#[tokio::test]
async fn one_token_is_drawn_and_verifies() {
    let scene = Scene::open().await;
    let carrier = scene.pki.carrier("683G");
    let pending = pending(&scene.signing_key().await);
    let answer = scene.draw(&carrier, "683G", &pending.request()).await;
    finished(&pending, answer.ok());
    assert_eq!(
        answer.headers["content-type"],
        "application/private-token-response"
    );
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_batch_is_drawn_in_order_and_each_token_verifies() {
    let scene = Scene::open().await;
    let carrier = scene.pki.carrier("683G");
    let pending = several(&scene.signing_key().await, 5);
    let answer = scene
        .draw_batch(&carrier, "683G", &requests(&pending))
        .await;
    let media_type = "application/private-token-generic-batch-response";
    assert_eq!(answer.headers["content-type"], media_type);
    let signatures = answer.batch();
    assert_eq!(signatures.len(), 5);
    for (pending, signature) in pending.iter().zip(&signatures) {
        finished(pending, signature.as_ref().unwrap());
    }
}

#[tokio::test]
async fn requests_that_cannot_be_granted_leave_holes_in_a_batch_and_are_not_charged() {
    let scene = Scene::open_with(|config| config.quota.tokens = 2).await;
    let carrier = scene.pki.carrier("683G");
    let good = several(&scene.signing_key().await, 2);
    let (mut other_key, mut too_large) = (good[0].request(), good[0].request());
    other_key.truncated_token_key_id ^= 1;
    too_large.blinded = vec![0xff; 256].into();
    let other_type = TokenRequest {
        token_type: TokenType::VOPRF_RISTRETTO255,
        truncated_token_key_id: 1,
        blinded: vec![1; 32].into(),
    };
    let batch = [
        good[0].request(),
        other_key,
        too_large,
        other_type,
        good[1].request(),
    ];
    let answer = scene.draw_batch(&carrier, "683G", &batch).await;
    assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
    let answers = answer.batch();
    let granted: Vec<_> = answers.iter().map(Option::is_some).collect();
    assert_eq!(granted, [true, false, false, false, true]);
    finished(&good[1], answers[4].as_ref().unwrap());
}

#[tokio::test]
async fn the_quota_is_for_the_subject_whatever_its_certificate() {
    let scene = Scene::open_with(|config| config.quota.tokens = 3).await;
    let key = scene.signing_key().await;
    let (first, second) = (scene.pki.carrier("683G"), scene.pki.carrier("683G"));
    let (other, other_case) = (scene.pki.carrier("9ABC"), scene.pki.carrier("683g"));
    let batch = requests(&several(&key, 2));
    scene.draw_batch(&first, "683G", &batch).await.batch();
    let two_more = requests(&several(&key, 2));
    let refused = scene.draw_batch(&second, "683G", &two_more).await;
    assert_eq!(refused.problem(), ProblemType::QuotaExceeded);
    // A day's epoch has just begun.
    assert_eq!(refused.headers["retry-after"], "86400");
    scene.draw(&second, "683G", &two_more[0]).await.ok();
    let refused = scene.draw(&first, "683G", &two_more[1]).await;
    assert_eq!(refused.problem(), ProblemType::QuotaExceeded);
    let refused = scene.draw(&other_case, "683g", &two_more[1]).await;
    assert_eq!(refused.problem(), ProblemType::QuotaExceeded);
    scene.draw_batch(&other, "9ABC", &two_more).await.batch();
}

#[tokio::test]
async fn a_block_of_numbers_is_one_subject() {
    let scene = Scene::open_with(|config| config.quota.tokens = 1).await;
    let key = scene.signing_key().await;
    let holder = scene.pki.number_holder("12155550100", 10);
    scene
        .draw(&holder, "12155550101", &pending(&key).request())
        .await
        .ok();
    let refused = scene
        .draw(&holder, "12155550102", &pending(&key).request())
        .await;
    assert_eq!(refused.problem(), ProblemType::QuotaExceeded);
}

#[tokio::test]
async fn one_certificate_with_sixty_numbers_and_those_reissued_for_them_draw_one_quota() {
    let scene = Scene::open_with(|config| config.quota.tokens = 16).await;
    let key = scene.signing_key().await;
    let numbers = 12_155_550_100..12_155_550_160;
    let holder = scene.pki.holder_of_single(numbers.clone());
    let mut granted = 0;
    for number in numbers {
        let request = pending(&key).request();
        let answer = scene.draw(&holder, &number.to_string(), &request).await;
        granted += usize::from(answer.status == StatusCode::OK);
    }
    assert_eq!(granted, 16);
    for (start, count) in [
        (12_155_550_100, 60),
        (12_155_550_101, 90),
        (12_155_550_159, 1),
    ] {
        let reissued = match count {
            1 => scene.pki.holder_of_single(start..=start),
            count => scene.pki.number_holder(&start.to_string(), count),
        };
        let request = pending(&key).request();
        let refused = scene.draw(&reissued, "12155550159", &request).await;
        assert_eq!(refused.problem(), ProblemType::QuotaExceeded);
    }
    let beside = scene.pki.number_holder("12155550160", 60);
    let request = pending(&key).request();
    scene.draw(&beside, "12155550160", &request).await.ok();
}

#[tokio::test]
async fn a_named_subject_has_its_own_quota() {
    let scene = Scene::open_with(|config| {
        config.quota.tokens = 1;
        config.quota.subject = vec![SubjectQuota {
            name: "spc:683G".to_owned(),
            tokens: 3,
        }];
    })
    .await;
    let batch = requests(&several(&scene.signing_key().await, 3));
    scene
        .draw_batch(&scene.pki.carrier("683G"), "683G", &batch)
        .await
        .batch();
    let refused = scene
        .draw_batch(&scene.pki.carrier("9ABC"), "9ABC", &batch)
        .await;
    assert_eq!(refused.problem(), ProblemType::QuotaExceeded);
}

#[tokio::test]
async fn a_retry_is_answered_alike_and_not_charged_twice() {
    let scene = Scene::open_with(|config| config.quota.tokens = 2).await;
    let carrier = scene.pki.carrier("683G");
    let key = scene.signing_key().await;
    let request = pending(&key).request();
    let first = scene.draw(&carrier, "683G", &request).await;
    // Each time with a fresh attestation.
    for _ in 0..3 {
        assert_eq!(
            scene.draw(&carrier, "683G", &request).await.ok(),
            first.ok()
        );
    }
    scene
        .draw(&carrier, "683G", &pending(&key).request())
        .await
        .ok();
    let refused = scene.draw(&carrier, "683G", &pending(&key).request()).await;
    assert_eq!(refused.problem(), ProblemType::QuotaExceeded);
    assert_eq!(
        scene.draw(&carrier, "683G", &request).await.ok(),
        first.ok()
    );
}

#[tokio::test]
async fn keys_and_quotas_outlive_the_process() {
    let mut scene = Scene::open_with(|config| config.quota.tokens = 2).await;
    let carrier = scene.pki.carrier("683G");
    let key = scene.signing_key().await;
    let (spent, kept) = (pending(&key), pending(&key));
    let first = scene.draw(&carrier, "683G", &spent.request()).await;
    scene.restart().await;
    assert_eq!(scene.signing_key().await, key);
    let again = scene.draw(&carrier, "683G", &spent.request()).await;
    assert_eq!(again.ok(), first.ok());
    let last = scene.draw(&carrier, "683G", &kept.request()).await;
    finished(&kept, last.ok());
    scene.restart().await;
    let refused = scene.draw(&carrier, "683G", &pending(&key).request()).await;
    assert_eq!(refused.problem(), ProblemType::QuotaExceeded);
}

#[tokio::test]
async fn many_at_once_draw_exactly_their_quota() {
    let scene = std::sync::Arc::new(Scene::open_with(|config| config.quota.tokens = 10).await);
    let carrier = std::sync::Arc::new(scene.pki.carrier("683G"));
    let key = scene.signing_key().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let (scene, carrier) = (scene.clone(), carrier.clone());
        let request = pending(&key).request();
        tasks.spawn(async move { scene.draw(&carrier, "683G", &request).await.status });
    }
    let outcomes = tasks.join_all().await;
    let granted = outcomes
        .iter()
        .filter(|status| **status == StatusCode::OK)
        .count();
    let refused = outcomes
        .iter()
        .filter(|status| status.as_u16() == 429)
        .count();
    assert_eq!((granted, refused), (10, 20));
}
