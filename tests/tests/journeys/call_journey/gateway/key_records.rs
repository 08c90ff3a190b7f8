//! The key records that the gateway has at hand: filled by a timer, bounded, and there again
//! after a restart.

use std::fs;
use std::time::Duration;

use pennyblack_engine::{Engine, EngineParts, Reason, SigningParts};
use pennyblack_protocol::key_record::Coverage;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_tests::faulty_proxy::{Fault, FaultyProxy};
use pennyblack_tests::wait::until;

use super::super::CALLEE;
use super::super::scene::{Scene, number};
use super::desk::{Desk, SOON, outgoing, parts, trunk};

fn signing(parts: &mut EngineParts) -> &mut SigningParts {
    parts.signing.as_mut().unwrap()
}

fn call() -> pennyblack_engine::OutgoingCall {
    outgoing("2155550100", "2125550142")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_published_later_gets_its_copy_without_a_look_up_at_a_call() {
    let scene = Scene::set(8).await;
    let desk = Desk::open(&scene, |parts| {
        signing(parts).store.key_records.every = Duration::from_millis(100);
        signing(parts).signing.deadline = SOON;
    });
    let (desk, trunk) = (desk.await, trunk(&scene, Some("carrier")));
    let oob = desk.engine.sign(&trunk, call()).await.unwrap().oob;
    assert_eq!((oob.copies, oob.wanted), (1, 1));

    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    let coverage = Coverage::Number(number(CALLEE));
    scene.register("office", &key, coverage).await.unwrap();
    until("the new record", SOON, async || {
        let status = desk.engine.status(&[]).await;
        (status.key_records?.records == 2).then_some(())
    })
    .await;
    let oob = desk.engine.sign(&trunk, call()).await.unwrap().oob;
    assert_eq!((oob.copies, oob.wanted), (2, 2));
    // Another number of the block has the key of the block alone.
    let other = outgoing("2155550100", "2125550143");
    let oob = desk.engine.sign(&trunk, other).await.unwrap().oob;
    assert_eq!((oob.copies, oob.wanted), (1, 1));
    desk.engine.stop().await;
    scene.end().await;
}

/// A change, with how many records and copies there are then.
type Change = (fn(&mut EngineParts), usize, usize);

#[tokio::test(flavor = "multi_thread")]
async fn no_more_records_and_copies_are_taken_than_may_be() {
    let scene = Scene::set(16).await;
    for _ in 0..3 {
        let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
        let coverage = Coverage::Number(number(CALLEE));
        scene.register("office", &key, coverage).await.unwrap();
    }
    let trunk = trunk(&scene, Some("carrier"));
    let few_copies = |parts: &mut EngineParts| signing(parts).store.max_copies = 2;
    let few_records = |parts: &mut EngineParts| signing(parts).store.key_records.max_records = 1;
    let few_bytes = |parts: &mut EngineParts| signing(parts).store.key_records.max_bytes = 6_000;
    let changes: [Change; 3] = [(few_copies, 4, 2), (few_records, 1, 1), (few_bytes, 2, 2)];
    for (change, records, copies) in changes {
        let desk = Desk::open(&scene, |parts| {
            change(parts);
            signing(parts).signing.deadline = SOON;
        });
        let desk = desk.await;
        let status = desk.engine.status(&[]).await;
        assert_eq!(status.key_records.unwrap().records, records);
        assert_eq!(status.warnings.len(), usize::from(records < 4));
        let oob = desk.engine.sign(&trunk, call()).await.unwrap().oob;
        assert_eq!(oob.copies, copies);
        // Nor for all numbers of a call together.
        let mut both = call();
        both.dest.push("2125550143".to_owned());
        let oob = desk.engine.sign(&trunk, both).await.unwrap().oob;
        assert_eq!(oob.wanted, copies);
        desk.engine.stop().await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_they_are_at_hand_before_the_cps_answers() {
    let scene = Scene::set(8).await;
    let file = scene.federation.home().join("key-records");
    let with_file = |parts: &mut EngineParts| signing(parts).key_records_file = Some(file.clone());
    let desk = Desk::open(&scene, with_file).await;
    desk.engine.stop().await;
    drop(desk);
    // What is in the file is verified again.
    let kept = fs::read_to_string(&file).unwrap();
    let (record, signature) = kept.trim().rsplit_once('.').unwrap();
    let swapped = format!("{record}.{}\nnonsense\n", "A".repeat(signature.len()));

    for (content, reason) in [
        (kept.as_str(), None),
        (swapped.as_str(), Some(Reason::KeyRecordsUnread)),
    ] {
        fs::write(&file, content).unwrap();
        let proxy = FaultyProxy::start(scene.address()).await.unwrap();
        proxy.set(Fault::Silent);
        let mut parts = parts(&scene, proxy.address());
        with_file(&mut parts);
        let engine = Engine::start(parts).unwrap();
        let trunk = trunk(&scene, Some("carrier"));
        if reason.is_none() {
            until("the records of the file", SOON, async || {
                let status = engine.status(&[]).await;
                (status.key_records?.records == 1).then_some(())
            })
            .await;
        }
        let oob = engine.sign(&trunk, call()).await.unwrap().oob;
        assert_eq!(oob.reason, reason.or(Some(Reason::Deadline)));
        proxy.set(Fault::None);
        engine.stop().await;
    }
    scene.end().await;
}
