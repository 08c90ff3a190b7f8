//! Roots and revocation lists that are renewed while the engine runs: whom certificates are
//! trusted for from then on.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_client::follower::FollowedMailbox;
use pennyblack_client::verification_service::VerificationRules;
use pennyblack_engine::{EngineParts, Finding, Passport, Reason};
use pennyblack_http::HttpOptions;
use pennyblack_pki::{PkiDirectory, RevocationReason};
use pennyblack_protocol::key_record::Coverage;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_stir::test_pki::TestPki;
use pennyblack_tests::faulty_proxy::Fault;
use pennyblack_tests::federation::{address_of, cps_name};
use pennyblack_tests::wait::until;
use tokio::time::Instant;

use super::super::scene::{Scene, number};
use super::super::{CALLEE, CALLER, NOW};
use super::desk::{Desk, SOON, incoming, outgoing, trunk};

fn call() -> pennyblack_engine::OutgoingCall {
    outgoing("2155550100", "2125550142")
}

fn often(parts: &mut EngineParts) {
    let signing = parts.signing.as_mut().unwrap();
    signing.store.key_records.every = Duration::from_millis(50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_record_is_judged_by_the_roots_of_now() {
    let scene = Scene::set(1).await;
    let desk = Desk::open(&scene, often).await;
    let engine = &desk.engine;
    engine.set_signing_trust(TestPki::new().trust(), None);
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    let coverage = Coverage::Number(number(CALLEE));
    scene.register("office", &key, coverage).await.unwrap();
    let registered = Instant::now();
    let records = until("a later reading", SOON, async || {
        let records = engine.status(&[]).await.key_records?;
        (records.read? < registered.elapsed()).then_some(records.records)
    })
    .await;
    assert_eq!(records, 1, "what was judged before stays for an hour");
    engine.set_signing_trust(scene.federation.trust().unwrap(), None);
    until("the new record", SOON, async || {
        let records = engine.status(&[]).await.key_records?;
        (records.records == 2).then_some(())
    })
    .await;
    engine.stop().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_only_signs_takes_up_newer_lists() {
    let scene = Scene::set(1).await;
    let desk = Desk::open(&scene, |parts| parts.verifying = None).await;
    let trunk = trunk(&scene, Some("carrier"));
    let mut pki = PkiDirectory::open(&scene.federation.pki()).unwrap();
    let week = Duration::from_secs(7 * 86_400);
    let reason = RevocationReason::KeyCompromise;
    pki.revoke("carrier", reason, week, NOW).unwrap();
    desk.stores(&trunk, call()).await;
    desk.engine
        .set_signing_trust(scene.federation.trust().unwrap(), None);
    let signed = desk.engine.sign(&trunk, call()).await.unwrap();
    let refused = matches!(
        signed.passport,
        Passport::None(Reason::CertificateNotCurrent)
    );
    assert!(refused, "{signed:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_come_while_other_mailboxes_are_read_hold_for_these_too() {
    let scene = Scene::set(2).await;
    let desk = Desk::open(&scene, |_| ()).await;
    let trunk = trunk(&scene, Some("carrier"));
    let mailbox = FollowedMailbox {
        key: Arc::new(RecipientKey::from_bytes(&scene.office.to_bytes()).unwrap()),
        cps: address_of(&cps_name().unwrap(), desk.proxy.address()).unwrap(),
        source: Arc::new(HttpOptions::default().client().unwrap()),
    };
    desk.proxy.set(Fault::Silent);
    let engine = desk.engine.clone();
    let taken_up = tokio::spawn(async move { engine.set_mailboxes(vec![mailbox]).await });
    // It waits for the mailbox by then: it makes nothing else wait.
    tokio::task::yield_now().await;
    let rules = VerificationRules {
        trust: TestPki::new().trust(),
        ..scene.federation.rules().unwrap()
    };
    desk.engine.set_rules(rules);
    assert!(!taken_up.is_finished());
    desk.proxy.set(Fault::None);
    taken_up.await.unwrap().unwrap();
    desk.stores(&trunk, call()).await;
    until("a PASSporT that is not trusted", SOON, async || {
        let verdict = desk.engine.verify(&trunk, incoming("a", CALLER)).await;
        match verdict.finding {
            Finding::None(Reason::NoPassport) => None,
            Finding::None(Reason::NotVerifiable) => Some(()),
            other => panic!("{other:?}"),
        }
    })
    .await;
    scene.end().await;
}
