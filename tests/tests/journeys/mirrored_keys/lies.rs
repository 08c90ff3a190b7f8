//! CPSs that lie. What they have shown before stays in use; nothing of a lie is believed.

use std::sync::{Arc, Mutex};

use pennyblack_client::directory::{FeedError, FollowError};
use pennyblack_evidence::record_log::KeyRecordLogError;
use pennyblack_tests::feed_cps::FeedCps;
use pennyblack_tests::meddler::answer;
use pennyblack_tlog::ReadLogError;

use super::scene::*;

/// A CPS with one record, which was taken up.
async fn scene() -> (Scene, String) {
    let scene = Scene::set(1).await;
    let record = scene.sign(&scene.record(&key(), callee(), 0));
    scene.feeds[0].publish([record.clone()]).await;
    assert_eq!(scene.new_records().await, [1]);
    (scene, record)
}

async fn fault(scene: &Scene) -> FollowError {
    scene.sync().await.remove(0).unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_log_has_not_signed_for_is_not_believed() {
    let (scene, record) = scene().await;
    let (logged, forged) = (
        scene.sign(&scene.record(&key(), callee(), 0)),
        scene.sign(&scene.record(&key(), callee(), 0)),
    );
    scene.feeds[0].publish([logged]).await;
    scene.feeds[0].forge(&forged, 1);
    let error = fault(&scene).await;
    assert!(
        matches!(error, FollowError::NotLogged { index: 1, .. }),
        "{error}"
    );
    assert_eq!(scene.found(CALLEE, NOW), [record]);
    // What is not signed yet is not read yet.
    let (scene, _) = self::scene().await;
    scene.feeds[0].forge(&forged, 1);
    assert_eq!(scene.new_records().await, [0]);
    assert_eq!(
        scene.directory.state(NOW).unwrap().cpss[0].position,
        Some(0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_changed_or_is_anothers_is_counted_and_not_taken_up() {
    let (scene, record) = scene().await;
    let rogue = scene.federation.identity("carrier").unwrap();
    let claimed = scene.record(&key(), callee(), 0);
    let stolen = pennyblack_protocol::key_record::KeyRecord {
        iss: rogue.iss().to_owned(),
        ..claimed
    };
    let stolen = stolen.sign(rogue.certificate(), rogue.key());
    let mut changed = scene.sign(&scene.record(&key(), callee(), 0));
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'Q' } else { 'A' });
    scene.feeds[0]
        .publish([stolen, changed, "no.record.atall".to_owned()])
        .await;
    let followed = scene.sync().await.remove(0).unwrap();
    assert_eq!(followed.new, 0, "{followed:?}");
    assert_eq!(scene.found(CALLEE, NOW), [record]);
    // The SPC may hold the number by a table that is to come.
    assert_eq!(scene.directory.state(NOW).unwrap().waiting, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_goes_back_is_a_rollback() {
    let (scene, record) = scene().await;
    scene.feeds[0].turn_to(|path, honest| match path.starts_with("/v1/keys/feed") {
        true => page(r#"{"after":null,"complete":true}"#),
        false => honest,
    });
    let error = fault(&scene).await;
    let FollowError::Feed { error, .. } = error else {
        panic!("{error}");
    };
    assert!(
        matches!(
            error,
            FeedError::Rollback {
                known: 0,
                shown: None
            }
        ),
        "{error}"
    );
    assert_eq!(scene.found(CALLEE, NOW), [record]);
}

fn page(lines: &str) -> Vec<u8> {
    let plain = String::from_utf8(answer("200 OK", lines)).unwrap();
    let typed = plain.replace("\r\n\r\n", "\r\ncontent-type: application/jsonl\r\n\r\n");
    typed.into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_shrinks_and_one_that_has_two_histories_are_found_out() {
    let (scene, record) = scene().await;
    let first = Arc::new(Mutex::new(None));
    // The checkpoint of now, shown again when there are more entries.
    let keep = Arc::clone(&first);
    scene.feeds[0].turn_to(move |path, honest| {
        if path == "/log/checkpoint" {
            keep.lock().unwrap().get_or_insert_with(|| honest.clone());
        }
        honest
    });
    scene.sync().await;
    let more = scene.sign(&scene.record(&key(), callee(), 0));
    scene.feeds[0].publish([more]).await;
    scene.feeds[0].turn_to(|_, honest| honest);
    assert_eq!(scene.new_records().await, [1]);
    let old = first.lock().unwrap().clone().unwrap();
    scene.feeds[0].turn_to(move |path, honest| match path {
        "/log/checkpoint" => old.clone(),
        _ => honest,
    });
    let error = fault(&scene).await;
    assert!(is_rollback(&error), "{error}");
    assert_eq!(scene.found(CALLEE, NOW).len(), 2);
    assert!(scene.found(CALLEE, NOW).contains(&record));

    // The same key signs another history.
    let (scene, _) = self::scene().await;
    let other = scene.federation.home().join("other");
    copy_key(&scene.federation.home().join("cps-0"), &other);
    let twin = FeedCps::start("cps-0.test", &other, NOW).await;
    let another = scene.sign(&scene.record(&key(), callee(), 0));
    twin.publish([another]).await;
    let scene = Scene {
        feeds: vec![twin],
        ..scene
    };
    let error = fault(&scene).await;
    assert!(is_fork(&error), "{error}");
    assert_eq!(scene.found(CALLEE, NOW).len(), 1);
}

fn copy_key(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).unwrap();
    std::fs::copy(from.join("key"), to.join("key")).unwrap();
}

fn log_error(error: &FollowError) -> Option<&ReadLogError> {
    match error {
        FollowError::Log(KeyRecordLogError::Log { error, .. }) => Some(error),
        _ => None,
    }
}

fn is_rollback(error: &FollowError) -> bool {
    matches!(log_error(error), Some(ReadLogError::Rollback { .. }))
}

fn is_fork(error: &FollowError) -> bool {
    matches!(log_error(error), Some(ReadLogError::Fork { .. }))
}
