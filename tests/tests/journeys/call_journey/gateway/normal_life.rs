//! Forwarded calls, other mailboxes, and numbers of which nothing can be said.

use std::sync::Arc;

use pennyblack_client::follower::FollowedMailbox;
use pennyblack_engine::{Finding, Reason};
use pennyblack_http::HttpOptions;
use pennyblack_passport::{Attestation, Extension};
use pennyblack_protocol::key_record::Coverage;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_tests::federation::{address_of, cps_name};

use super::super::scene::{Scene, number};
use super::super::{CALLEE, CALLER};
use super::desk::{Desk, incoming, outgoing, trunk};
use super::passports::{Signed, party};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_goes_elsewhere_than_its_passport_says_is_retargeted() {
    let scene = Scene::set(2).await;
    let desk = Desk::open(&scene, |_| ()).await;
    let trunk = trunk(&scene, Some("carrier"));
    let call = outgoing("2155550100", "2125550142");
    desk.stores(&trunk, call).await;
    let mut call = incoming("a", CALLER);
    call.request_uri = Some("sip:+12125550177@h;user=phone".to_owned());
    let verdict = desk.engine.verify(&trunk, call).await;
    let Finding::Passed(found) = &verdict.finding else {
        panic!("{verdict:?}");
    };
    assert_eq!(found.dest.as_str(), CALLEE);
    let to = found
        .retargeted
        .as_ref()
        .map(|retargeted| retargeted.to.as_str());
    assert_eq!(to, Some("12125550177"));
    scene.end().await;
}

/// A number that is translated to another before the call goes on.
const TOLL_FREE: &str = "18005550100";

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_translated_number_is_stored_for_where_it_goes() {
    let scene = Scene::set(2).await;
    let desk = Desk::open(&scene, |_| ()).await;
    let trunk = trunk(&scene, Some("carrier"));
    let mut call = outgoing("2155550100", TOLL_FREE);
    call.request_uri = Some(CALLEE.to_owned());
    let outcome = desk.engine.sign(&trunk, call).await.unwrap();
    assert_eq!((outcome.oob.copies, outcome.oob.wanted), (1, 1));

    let mut call = incoming("a", CALLER);
    call.to = vec![TOLL_FREE.to_owned()];
    call.request_uri = Some(CALLEE.to_owned());
    let verdict = desk.engine.verify(&trunk, call).await;
    let Finding::Passed(found) = &verdict.finding else {
        panic!("{verdict:?}");
    };
    assert_eq!(found.dest.as_str(), TOLL_FREE);
    assert!(found.retargeted.is_some());
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diverted_call_is_stored_with_all_its_passports_for_the_last_number() {
    let scene = Scene::set(4).await;
    let desk = Desk::open(&scene, |_| ()).await;
    let trunk = trunk(&scene, None);
    let shaken = Signed {
        dest: "12125550177",
        ..Signed::default()
    };
    let div = Signed {
        extension: Extension::Div {
            div: party("12125550177"),
        },
        ..Signed::default()
    };
    let (shaken, div) = (shaken.identity(&scene), div.identity(&scene));
    let mut call = outgoing("2155550100", "2125550177");
    call.identities = vec![shaken.clone(), div.clone()];
    let outcome = desk.engine.sign(&trunk, call).await.unwrap();
    assert_eq!((outcome.oob.copies, outcome.oob.wanted), (2, 2));

    let verdict = desk.engine.verify(&trunk, incoming("a", CALLER)).await;
    let Finding::Passed(found) = &verdict.finding else {
        panic!("{verdict:?}");
    };
    assert_eq!(found.attest, Some(Attestation::Full));
    assert_eq!(found.identities, [div, shaken]);
    let counts = desk.engine.counts();
    assert_eq!((counts.came_with_identity, counts.tokens_spent), (1, 2));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_some_calls_nothing_can_be_said() {
    let scene = Scene::set(1).await;
    let desk = Desk::open(&scene, |_| ()).await;
    let trunk = trunk(&scene, None);
    for (from, to, reason) in [
        ("anonymous", CALLEE, Reason::Anonymous),
        ("5550100", CALLEE, Reason::NoNumber),
        (CALLER, "sip:alice@example.com", Reason::NoNumber),
        (CALLER, "911", Reason::PassedOver),
        (CALLER, "2125550143", Reason::NoPassport),
    ] {
        let mut call = incoming("a", from);
        call.to = vec![to.to_owned()];
        let verdict = desk.engine.verify(&trunk, call).await;
        let is_so = matches!(verdict.finding, Finding::None(why) if why == reason);
        assert!(is_so, "{from} {to} {verdict:?}");
        assert_eq!(verdict.verstat(), "No-TN-Validation");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_mailboxes_are_followed_without_an_end_of_the_engine() {
    let scene = Scene::set(4).await;
    let desk = Desk::open(&scene, |parts| {
        parts.verifying.as_mut().unwrap().mailboxes.clear();
    });
    let (desk, trunk) = (desk.await, trunk(&scene, Some("carrier")));
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    let coverage = Coverage::Number(number(CALLEE));
    scene.register("office", &key, coverage).await.unwrap();
    let call = outgoing("2155550100", "2125550142");
    desk.stores(&trunk, call).await;
    let early = desk.engine.verify(&trunk, incoming("a", CALLER)).await;
    assert_eq!(early.verstat(), "No-TN-Validation");

    let mailbox = FollowedMailbox {
        key: Arc::new(RecipientKey::from_bytes(&scene.office.to_bytes()).unwrap()),
        cps: address_of(&cps_name().unwrap(), scene.address()).unwrap(),
        source: Arc::new(HttpOptions::default().client().unwrap()),
    };
    desk.engine.set_mailboxes(vec![mailbox]).await.unwrap();
    let verdict = desk.engine.verify(&trunk, incoming("a", CALLER)).await;
    assert_eq!(verdict.verstat(), "TN-Validation-Passed", "{verdict:?}");
    scene.end().await;
}
