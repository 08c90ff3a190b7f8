//! Calls that come with an Identity: stored as it is, and verified in band.

use pennyblack_base::time::UnixTime;
use pennyblack_engine::{Finding, Passport, Reason, Source, StirCode};
use pennyblack_passport::{
    Attestation, Claims, Destinations, Extension, IdentityHeader, OrigId, Party, UnverifiedPassport,
};
use pennyblack_stir::jws::CertificateReference;

use super::super::scene::Scene;
use super::super::{CALLEE, CALLER, NOW};
use super::desk::{Desk, incoming, outgoing, trunk};

/// An Identity of a credential of the PKI.
fn identity(scene: &Scene, signer: &str, iat: UnixTime, extension: Extension) -> String {
    let url = format!("https://certs.test/{signer}.pem");
    identity_at(&url, scene, signer, iat, extension)
}

fn identity_at(
    url: &str,
    scene: &Scene,
    signer: &str,
    iat: UnixTime,
    extension: Extension,
) -> String {
    let claims = Claims {
        orig: party(CALLER),
        dest: Destinations::new([party(CALLEE)]).unwrap(),
        iat,
        mky: Vec::new(),
        extension,
        others: serde_json::Map::new(),
    };
    let signer_identity = scene.federation.identity(signer).unwrap();
    let certificate = CertificateReference::X5u(url.parse().unwrap());
    let token = claims.sign(&certificate, signer_identity.key());
    let passport = UnverifiedPassport::parse_to_carry(&token).unwrap();
    IdentityHeader::new(passport).unwrap().to_string()
}

fn party(text: &str) -> Party {
    Party::Number(text.parse().unwrap())
}

fn shaken() -> Extension {
    Extension::Shaken {
        attest: Attestation::Full,
        origid: OrigId::random(),
    }
}

fn plus(seconds: u64) -> UnixTime {
    UnixTime(NOW.0 + seconds)
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
    let header = identity(&scene, "carrier", NOW, shaken());
    let other_kind = identity(&scene, "carrier", NOW, Extension::Other("rph".to_owned()));
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
    let stale = identity(&scene, "carrier", UnixTime(NOW.0 - 61), shaken());
    let future = identity(&scene, "carrier", plus(3600), shaken());
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
    let header = identity(&scene, "carrier", NOW, shaken());
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
    assert!(
        desk.engine
            .sign(&trunk, call)
            .await
            .unwrap()
            .oob
            .is_stored()
    );
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
        let header = identity(&scene, "carrier", NOW, shaken());
        let mut call = outgoing("2155550100", "2125550142");
        call.identities = vec![header.clone()];
        assert!(
            desk.engine
                .sign(&trunk, call)
                .await
                .unwrap()
                .oob
                .is_stored()
        );
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
    let good = identity(&scene, "carrier", NOW, shaken());
    let stale = identity(&scene, "carrier", UnixTime(NOW.0 - 61), shaken());
    let without_authority = identity(&scene, "office", NOW, Extension::Base);
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
    let nowhere = "https://certs.test/nowhere.pem";
    let mut call = incoming("b", CALLER);
    call.identities = vec![identity_at(nowhere, &scene, "carrier", NOW, shaken())];
    let verdict = desk.engine.verify(&trunk, call).await;
    let awaited = matches!(verdict.finding, Finding::None(Reason::CertificateAwaited));
    assert!(awaited, "{verdict:?}");
    scene.end().await;
}
