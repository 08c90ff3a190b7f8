//! The telephone gateway's engine at a real issuer and CPS: a call is signed, stored,
//! followed and verified; and goes on whatever is wrong behind the gateway.

mod behind;
mod deadlines;
mod desk;
mod identities;
mod key_records;
mod normal_life;
mod passports;
mod rules;

use pennyblack_engine::{Finding, Passport, Reason, Source};
use pennyblack_passport::Attestation;

use self::desk::{Desk, incoming, outgoing, trunk};
use super::scene::Scene;
use super::{CALLEE, CALLER};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_signed_stored_followed_and_verified_once() {
    let scene = Scene::set(2).await;
    let desk = Desk::open(&scene, |_| ()).await;
    let trunk = trunk(&scene, Some("carrier"));

    let mut call = outgoing("2155550100", "2125550142");
    call.attest = Some(Attestation::Full);
    let outcome = desk.engine.sign(&trunk, call).await.unwrap();
    assert_eq!((outcome.oob.copies, outcome.oob.wanted), (1, 1));
    assert_eq!(outcome.oob.reason, None);
    let Passport::Signed {
        identity, origid, ..
    } = outcome.passport
    else {
        panic!("{outcome:?}");
    };
    assert_eq!(scene.tokens(), 1);

    let verdict = desk.engine.verify(&trunk, incoming("first", CALLER)).await;
    let Finding::Passed(found) = &verdict.finding else {
        panic!("{verdict:?}");
    };
    assert_eq!(found.source, Source::OutOfBand);
    assert_eq!(found.attest, Some(Attestation::Full));
    assert_eq!(found.origid, Some(origid));
    assert_eq!(found.identities, [identity.to_string()]);
    assert_eq!(found.dest.as_str(), CALLEE);
    assert_eq!(found.retargeted, None);

    let again = desk.engine.verify(&trunk, incoming("first", CALLER)).await;
    assert_eq!(again.verstat(), "TN-Validation-Passed");
    let second = desk.engine.verify(&trunk, incoming("second", CALLER)).await;
    assert!(matches!(second.finding, Finding::None(Reason::NoPassport)));

    let counts = desk.engine.counts();
    assert_eq!((counts.signed, counts.stored_in_time), (1, 1));
    assert_eq!((counts.tokens_spent, counts.not_stored), (1, 0));
    assert_eq!((counts.passed_out_of_band, counts.no_validation), (2, 1));
    desk.engine.stop().await;
    scene.end().await;
}
