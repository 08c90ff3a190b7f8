//! Records that lead outside of the roster, beside one that does not: **they are left out before
//! anything is counted**, or they would crowd out the key of who is called.

use std::sync::Arc;

use pennyblack_client::auth_service::{KeyLookup, OobAuthenticationService};
use pennyblack_client::wallet::Wallet;
use pennyblack_engine::{
    Engine, EngineParts, OutgoingCall, Reason, SigningConfig, SigningParts, StoreConfig, Trunk,
};
use pennyblack_http::HttpOptions;
use pennyblack_passport::IdentityHeader;
use pennyblack_pki::TnAuthEntry;
use pennyblack_protocol::key_record::{KeyRecord, Placement};
use pennyblack_sealing::mailbox::RecipientKey;
use pennyblack_tests::wait::until;

use super::calls::{SOON, caller, passport};
use super::scene::*;

/// The office's key of the callee; and two of somebody whose certificate is for that number
/// alone, so that they come first: a key of its own, and a copy of the office's.
async fn crowded() -> (Scene, RecipientKey) {
    let scene = Scene::set(1).await;
    let (office, other) = (key(), key());
    let rogue = scene.holder_of("rogue", TnAuthEntry::one(CALLEE).unwrap());
    let outside = |key: &RecipientKey| {
        let record = KeyRecord {
            iss: rogue.iss().to_owned(),
            placement: Placement::at("https://outside.test".parse().unwrap()),
            ..scene.record(key, callee(), 0)
        };
        record.sign(rogue.certificate(), rogue.key())
    };
    let own = scene.sign(&scene.record(&office, callee(), 0));
    let records = [outside(&other), outside(&office), own];
    scene.feeds[0].publish(records).await;
    scene.sync().await;
    (scene, office)
}

/// An OOB-AS that has room for one key.
fn caller_of_one(scene: &Scene) -> OobAuthenticationService {
    OobAuthenticationService {
        max_copies: 1,
        ..caller(scene, &[])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_sealed_to_the_key_that_leads_to_the_roster() {
    let (scene, office) = crowded().await;
    let (caller, called) = (caller_of_one(&scene), number(CALLEE));
    let found = caller.keys_of(&called, KeyLookup::Number, NOW);
    let found = found.await.unwrap();
    let mailboxes: Vec<_> = found.keys.iter().map(|key| key.mailbox()).collect();
    assert_eq!(mailboxes, [office.mailbox()]);
    assert_eq!((found.limits.len(), found.not_in_roster.len()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn so_is_a_call_of_a_gateway() {
    let (scene, _) = crowded().await;
    let signing = SigningParts {
        service: caller(&scene, &[]),
        wallet: Wallet::open(&scene.federation.home().join("wallet.db")).unwrap(),
        transport: Arc::new(HttpOptions::default().fresh_clients().unwrap()),
        signing: SigningConfig::default(),
        store: StoreConfig {
            max_copies: 1,
            ..StoreConfig::default()
        },
        key_records_file: None,
    };
    let engine = Engine::start(EngineParts {
        signing: Some(signing),
        verifying: None,
        clock: scene.federation.clock().clone(),
    });
    let engine = engine.unwrap();
    until("the key records", SOON, async || {
        let status = engine.status(&[]).await;
        (status.key_records?.records == 3).then_some(())
    })
    .await;
    let call = OutgoingCall {
        identities: vec![IdentityHeader::new(passport(&scene)).unwrap().to_string()],
        dest: vec![CALLEE.to_owned()],
        ..OutgoingCall::default()
    };
    let oob = engine.sign(&Trunk::default(), call).await.unwrap().oob;
    // It would be stored, if there were a token.
    assert_eq!(oob.reason, Some(Reason::NoToken), "{oob:?}");
    engine.stop().await;
}
