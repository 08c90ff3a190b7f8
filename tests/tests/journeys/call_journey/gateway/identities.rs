//! Calls that come with an Identity: stored as it is, and verified in band.

use pennyblack_base::time::UnixTime;
use pennyblack_engine::{Finding, Passport, Reason, Source, StirCode};
use pennyblack_passport::Extension;

use super::super::scene::Scene;
use super::super::{CALLER, NOW};
use super::desk::{Desk, incoming, outgoing, trunk};
use super::passports::Signed;

/// The carrier's Identity of a call to the office.
fn identity(scene: &Scene) -> String {
    Signed::default().identity(scene)
}

fn signed_at(scene: &Scene, iat: u64) -> String {
    let signed = Signed {
        iat: UnixTime(iat),
        ..Signed::default()
    };
    signed.identity(scene)
}

/// The signature of another PASSporT.
fn forged(identity: &str) -> String {
    let (token, parameters) = identity.split_once(';').unwrap();
    let (input, _) = token.rsplit_once('.').unwrap();
    format!("{input}.{};{parameters}", "A".repeat(86))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_came_with_the_call_is_stored_as_it_is() {
    let scene = Scene::set(4).await;
    let desk = Desk::open(&scene, |_| ()).await;
    let mut call = outgoing("anonymous", "sip:alice@example.com");
    let header = identity(&scene);
    let other_kind = Signed {
        extension: Extension::Other("rph".to_owned()),
        ..Signed::default()
    };
    let other_kind = other_kind.identity(&scene);
    call.identities = vec![header.clone(), other_kind];
    let trunk = trunk(&scene, None);
    let outcome = desk.engine.sign(&trunk, call).await.unwrap();
    assert!(matches!(outcome.passport, Passport::CameWithTheCall));
    assert_eq!((outcome.oob.copies, outcome.oob.reason), (2, None));
    assert_eq!(scene.tokens(), 2, "a token for each PASSporT");

    let verdict = desk.engine.verify(&trunk, incoming("a", CALLER)).await;
    let Finding::Passed(found) = verdict.finding else {
        panic!("{verdict:?}");
    };
    assert_eq!(found.identities, [header]);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_nobody_would_accept_costs_no_token() {
    let scene = Scene::set(4).await;
    let desk = Desk::open(&scene, |_| ()).await;
    let stale = signed_at(&scene, NOW.0 - 61);
    let future = signed_at(&scene, NOW.0 + 3600);
    let (_, parameters) = stale.split_once(';').unwrap();
    let compact = format!("..{};{parameters}", "A".repeat(86));
    for (header, reason) in [
        (stale.as_str(), Reason::StaleIdentity),
        (future.as_str(), Reason::StaleIdentity),
        (compact.as_str(), Reason::CompactForm),
        ("nonsense", Reason::BadIdentity),
    ] {
        let mut call = outgoing("2155550100", "2125550142");
        call.identities = vec![header.to_owned()];
        let outcome = desk
            .engine
            .sign(&trunk(&scene, Some("carrier")), call)
            .await;
        let outcome = outcome.unwrap();
        assert!(matches!(outcome.passport, Passport::CameWithTheCall));
        assert_eq!(outcome.oob.reason, Some(reason), "{header}");
    }
    assert_eq!(scene.tokens(), 4);
    assert_eq!(desk.engine.counts().tokens_spent, 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_identity_in_band_passes_and_its_copy_is_no_other_calls() {
    let scene = Scene::set(4).await;
    let desk = Desk::open(&scene, |_| ()).await;
    let trunk = trunk(&scene, None);
    let header = identity(&scene);
    let mut call = incoming("a", CALLER);
    call.identities = vec![header.clone()];
    let verdict = desk.engine.verify(&trunk, call).await;
    let Finding::Passed(found) = &verdict.finding else {
        panic!("{verdict:?}");
    };
    assert_eq!(found.source, Source::InBand);
    assert_eq!(verdict.results.len(), 1);

    let mut call = outgoing("2155550100", "2125550142");
    call.identities = vec![header];
    desk.stores(&trunk, call).await;
    let second = desk.engine.verify(&trunk, incoming("b", CALLER)).await;
    assert_eq!(second.verstat(), "No-TN-Validation", "{second:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_in_band_and_good_out_of_band_passes_unless_strict() {
    let scene = Scene::set(4).await;
    for strict in [false, true] {
        let desk = Desk::open(&scene, |parts| {
            parts.verifying.as_mut().unwrap().config.strict_in_band = strict;
        });
        let (desk, trunk) = (desk.await, trunk(&scene, None));
        let header = identity(&scene);
        let mut call = outgoing("2155550100", "2125550142");
        call.identities = vec![header.clone()];
        desk.stores(&trunk, call).await;
        let mut call = incoming("a", CALLER);
        call.identities = vec![forged(&header)];
        let verdict = desk.engine.verify(&trunk, call).await;
        let refusal = verdict.in_band_refusal().unwrap();
        assert_eq!(refusal.code, StirCode::InvalidIdentityHeader);
        match (&verdict.finding, strict) {
            (Finding::Passed(found), false) => assert_eq!(found.source, Source::OutOfBand),
            (Finding::Failed(refused), true) => assert_eq!(refused, refusal),
            _ => panic!("{verdict:?}"),
        }
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_bad_in_band_fails_with_its_code_and_trouble_of_ours_does_not() {
    let scene = Scene::set(1).await;
    let desk = Desk::open(&scene, |_| ()).await;
    let trunk = trunk(&scene, None);
    let good = identity(&scene);
    let stale = signed_at(&scene, NOW.0 - 61);
    let without_authority = Signed {
        by: "office",
        x5u: "https://certs.test/office.pem",
        extension: Extension::Base,
        ..Signed::default()
    };
    let without_authority = without_authority.identity(&scene);
    for (header, from, code) in [
        (forged(&good), CALLER, StirCode::InvalidIdentityHeader),
        (stale, CALLER, StirCode::StaleDate),
        (without_authority, CALLER, StirCode::UnsupportedCredential),
        (good.clone(), "2155550199", StirCode::InvalidIdentityHeader),
    ] {
        let mut call = incoming("a", from);
        call.identities = vec![header.clone()];
        let verdict = desk.engine.verify(&trunk, call).await;
        let Finding::Failed(refused) = verdict.finding else {
            panic!("{verdict:?}");
        };
        assert_eq!(refused.code, code, "{header}");
    }
    let elsewhere = Signed {
        x5u: "https://certs.test/nowhere.pem",
        ..Signed::default()
    };
    let mut call = incoming("b", CALLER);
    call.identities = vec![elsewhere.identity(&scene)];
    let verdict = desk.engine.verify(&trunk, call).await;
    let awaited = matches!(verdict.finding, Finding::None(Reason::CertificateAwaited));
    assert!(awaited, "{verdict:?}");
    scene.end().await;
}
