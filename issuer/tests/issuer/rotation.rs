//! The directory, and how one key follows the other while the issuer runs. The
//! tests own the clock.

use std::fs;
use std::time::Duration;

use crate::scene::{DAY, HOUR, NOW, Scene, finished, ids, pending};
use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_privacypass::blind_rsa::TokenPublicKey;
use pennyblack_privacypass::directory::WELL_KNOWN_PATH;
use pennyblack_privacypass::token::TokenType;

/// How long before it signs a key is announced, by default.
const AHEAD: Duration = Duration::from_secs(3 * 3_600);

#[tokio::test]
async fn the_directory_is_cacheable_and_revalidates() {
    let scene = Scene::open().await;
    let full = scene.get(WELL_KNOWN_PATH, &[]).await;
    assert_eq!(full.status, StatusCode::OK);
    assert_eq!(
        full.headers["content-type"],
        "application/private-token-issuer-directory"
    );
    assert_eq!(full.headers["cache-control"], "public, max-age=3600");
    let etag = full.headers["etag"].to_str().unwrap().to_owned();
    for known in [etag.clone(), format!("\"other\", W/{etag}"), "*".to_owned()] {
        let answer = scene
            .get(WELL_KNOWN_PATH, &[("if-none-match", &known)])
            .await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
        assert_eq!(answer.headers["etag"].to_str().unwrap(), etag);
        assert!(answer.body.is_empty());
    }
    let answer = scene
        .get(WELL_KNOWN_PATH, &[("if-none-match", "\"other\"")])
        .await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn the_directory_has_what_rfc_9578_asks_for() {
    let scene = Scene::open().await;
    let body = scene.get(WELL_KNOWN_PATH, &[]).await.body;
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["issuer-request-uri"], "/token-request");
    assert_eq!(json["token-keys"][0]["token-type"], 2);
    assert_eq!(json["token-keys"][0]["not-before"], NOW.0);
    let keys = scene.directory_keys().await;
    assert_eq!(keys[0].token_type, TokenType::BLIND_RSA_2048);
    TokenPublicKey::parse(&keys[0].encoded).unwrap();
}

#[tokio::test]
async fn keys_follow_one_another_announced_ahead() {
    let scene = Scene::open().await;
    let carrier = scene.pki.carrier("683G");
    let first = scene.signing_key().await;

    // Three hours before the end, the next key is announced and not yet used.
    scene.hand.set(NOW.plus(DAY - AHEAD));
    let keys = scene.directory_until(|keys| keys.len() == 2).await;
    assert_eq!(keys[0].not_before, Some(NOW.plus(DAY)));
    assert_ne!(keys[0].id().truncated(), keys[1].id().truncated());
    assert_eq!(scene.signing_key().await, first);
    let second = TokenPublicKey::parse(&keys[0].encoded).unwrap();
    let early = scene
        .draw(&carrier, "683G", &pending(&second).request())
        .await;
    assert_eq!(early.problem(), ProblemType::UnknownTokenKey);

    // Then it signs, and the first signs nothing new; but it is still listed, so
    // that its tokens can be spent.
    scene.hand.set(NOW.plus(DAY + Duration::from_secs(31)));
    assert_eq!(scene.signing_key().await, second);
    let drawn = pending(&second);
    finished(
        &drawn,
        scene.draw(&carrier, "683G", &drawn.request()).await.ok(),
    );
    let late = scene
        .draw(&carrier, "683G", &pending(&first).request())
        .await;
    assert_eq!(late.problem(), ProblemType::UnknownTokenKey);
    assert!(ids(&scene.directory_keys().await).contains(&first.id()));

    // When a third takes over, the first is gone, from the directory and the disk.
    scene.hand.set(NOW.plus(2 * DAY - AHEAD));
    scene.directory_until(|keys| keys.len() == 3).await;
    scene.hand.set(NOW.plus(2 * DAY));
    let keys = scene.directory_until(|keys| keys.len() == 2).await;
    assert!(!ids(&keys).contains(&first.id()));
    scene.until_ready_is(StatusCode::OK).await;
}

#[tokio::test]
async fn a_lost_answer_is_given_again_after_the_key_was_followed_by_another() {
    let mut scene = Scene::open().await;
    let carrier = scene.pki.carrier("683G");
    let drawn = pending(&scene.signing_key().await);
    let first = scene.draw(&carrier, "683G", &drawn.request()).await;
    scene.hand.set(NOW.plus(DAY - AHEAD));
    scene.directory_until(|keys| keys.len() == 2).await;
    scene.hand.set(NOW.plus(DAY + HOUR));
    scene.restart().await;
    let again = scene.draw(&carrier, "683G", &drawn.request()).await;
    assert_eq!(again.ok(), first.ok());
    // Another subject has no claim to it.
    let other = scene.pki.carrier("9ABC");
    let refused = scene.draw(&other, "9ABC", &drawn.request()).await;
    assert_eq!(refused.problem(), ProblemType::UnknownTokenKey);
}

#[tokio::test]
async fn a_batch_over_two_keys_draws_of_one_of_them_or_of_none() {
    let scene = Scene::open_with(|config| config.quota.tokens = 2).await;
    let carrier = scene.pki.carrier("683G");
    let old = scene.signing_key().await;
    scene.hand.set(NOW.plus(DAY - AHEAD));
    scene.directory_until(|keys| keys.len() == 2).await;
    // Both keys sign.
    scene.hand.set(NOW.plus(DAY));
    let new = scene.signing_key().await;
    let of = |key: &TokenPublicKey, count| -> Vec<_> {
        (0..count).map(|_| pending(key).request()).collect()
    };
    for batch in [[of(&old, 3), of(&new, 1)], [of(&new, 3), of(&old, 1)]] {
        let refused = scene.draw_batch(&carrier, "683G", &batch.concat()).await;
        assert_eq!(refused.problem(), ProblemType::QuotaExceeded);
    }
    let both = [of(&old, 1), of(&new, 1), of(&old, 1)].concat();
    let answers = scene.draw_batch(&carrier, "683G", &both).await.batch();
    let granted: Vec<_> = answers.iter().map(Option::is_some).collect();
    assert_eq!(granted, [true, false, true]);
    // Nothing was charged of the new key.
    let all = scene.draw_batch(&carrier, "683G", &of(&new, 2)).await;
    assert!(all.batch().iter().all(Option::is_some));
    // A lost answer is given again, also when only the other key signs.
    let last = [of(&new, 1), both].concat();
    for later in [Duration::ZERO, HOUR] {
        scene.hand.set(NOW.plus(DAY + later));
        let again = scene.draw_batch(&carrier, "683G", &last[1..]).await;
        assert_eq!(again.batch(), answers);
        let refused = scene.draw_batch(&carrier, "683G", &last).await;
        assert_eq!(refused.problem(), ProblemType::QuotaExceeded);
    }
}

#[tokio::test]
async fn a_new_epoch_brings_a_new_quota_and_old_keys_leave_the_disk() {
    let scene = Scene::open_with(|config| config.quota.tokens = 1).await;
    let carrier = scene.pki.carrier("683G");
    let first = scene.signing_key().await;
    scene
        .draw(&carrier, "683G", &pending(&first).request())
        .await
        .ok();
    for day in 1..=3 {
        scene.hand.set(NOW.plus(DAY * day - AHEAD));
        let start = NOW.plus(DAY * day);
        scene
            .directory_until(|keys| keys[0].not_before == Some(start))
            .await;
        scene.hand.set(start);
        let key = scene.signing_key().await;
        scene
            .draw(&carrier, "683G", &pending(&key).request())
            .await
            .ok();
        let refused = scene.draw(&carrier, "683G", &pending(&key).request()).await;
        assert_eq!(refused.problem(), ProblemType::QuotaExceeded);
    }
    let keys = scene.directory_until(|keys| keys.len() == 2).await;
    // A file goes after its key has left the directory.
    let files = || fs::read_dir(scene.path("data/keys")).unwrap().count();
    scene.until(|| files() == keys.len()).await;
}

#[tokio::test]
async fn after_a_long_standstill_the_old_key_signs_until_the_next_was_announced() {
    let mut scene = Scene::open().await;
    let carrier = scene.pki.carrier("683G");
    let first = scene.signing_key().await;
    scene.stop().await;
    scene.hand.set(NOW.plus(10 * DAY));
    scene.start().await;
    let keys = scene.directory_keys().await;
    assert_eq!(keys[0].not_before, Some(NOW.plus(10 * DAY + AHEAD)));
    let drawn = pending(&first);
    finished(
        &drawn,
        scene.draw(&carrier, "683G", &drawn.request()).await.ok(),
    );
}

#[tokio::test]
async fn an_issuer_whose_keys_are_lost_is_not_ready_before_the_next_one_begins() {
    let mut scene = Scene::open().await;
    scene.until_ready_is(StatusCode::OK).await;
    scene.stop().await;
    fs::remove_dir_all(scene.config.issuer.data_directory.join("keys")).unwrap();
    scene.hand.set(NOW.plus(Duration::from_secs(60)));
    scene.start().await;
    let first = scene.directory_keys().await[0].not_before.unwrap();
    assert!(first > NOW.plus(Duration::from_secs(60)));
    let why = format!("no token key signs before {first}");
    let is_told = async {
        loop {
            let answer = scene.admin("/readyz").await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
            if String::from_utf8(answer.body).unwrap().contains(&why) {
                return;
            }
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(30), is_told).await;
    told.expect("why it is not ready is told");
    scene.hand.set(first);
    scene.until_ready_is(StatusCode::OK).await;
}

#[tokio::test]
async fn key_files_are_for_the_issuer_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::open().await;
    let mut files = fs::read_dir(scene.path("data/keys")).unwrap();
    let metadata = files.next().unwrap().unwrap().metadata().unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}
