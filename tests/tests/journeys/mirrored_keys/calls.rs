//! Calls with keys of a directory: **nobody is asked for one, and nothing goes where the roster
//! does not lead**.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pennyblack_client::auth_service::{
    KeyLookup, KeySource, OobAuthenticationError, OobAuthenticationService, SecondAttempt,
    ShakenCall,
};
use pennyblack_client::directory::MirroredKeys;
use pennyblack_client::wallet::Wallet;
use pennyblack_http::{HttpOptions, RetryPolicy, ServiceAddress};
use pennyblack_passport::{Attestation, UnverifiedPassport};
use pennyblack_protocol::key_record::{KeyRecord, Placement};
use pennyblack_sealing::mailbox::RecipientKey;
use pennyblack_service::start::RunningService;
use pennyblack_tests::federation::{address_of, cps_name};
use pennyblack_tests::meddler::Meddler;
use pennyblack_tests::wait::until;
use pennyblack_tlog::VerifierKey;
use tokio::net::TcpListener;

use super::scene::*;

const CALLS: usize = 100;
/// Longest wait for what is published at once.
pub(super) const SOON: Duration = Duration::from_secs(60);

/// An OOB-AS with the scene's directory; the CPSs are reached at these addresses.
pub(super) fn caller(scene: &Scene, reached: &[ServiceAddress]) -> OobAuthenticationService {
    let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let cpss = scene.cpss(reached);
    OobAuthenticationService {
        keys: KeySource::Directory(MirroredKeys::new(&scene.directory, cpss)),
        ..scene.federation.caller(nowhere, RetryPolicy::NONE).unwrap()
    }
}

pub(super) fn passport(scene: &Scene) -> UnverifiedPassport {
    let call = ShakenCall {
        orig: number("12155550100"),
        dest: number(CALLEE),
        attest: Attestation::Full,
        x5u: Some("https://certs.test/carrier.pem".parse().unwrap()),
    };
    let identity = scene.federation.identity("carrier").unwrap();
    UnverifiedPassport::parse(&call.sign(&identity, NOW).unwrap()).unwrap()
}

/// A real issuer, and a real CPS.
async fn services(scene: &Scene) -> (RunningService, RunningService) {
    let issuer = scene.federation.start_issuer(1_000).await.unwrap();
    let public = issuer.addresses().public;
    let cps = scene.federation.start_cps(public).await.unwrap();
    (issuer, cps)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_calls_with_keys_at_hand_are_stored_and_no_look_up_is_seen() {
    let scene = Scene::set(1).await;
    let (issuer, cps) = services(&scene).await;
    let recorder = Meddler::start(Some(cps.addresses().public), |_, honest| honest);
    let recorder = recorder.await.unwrap();
    let wallet = Wallet::open(&scene.federation.home().join("wallet.db")).unwrap();
    let carrier = scene
        .federation
        .carrier(issuer.addresses().public, 128, RetryPolicy::SHORT);
    let client = HttpOptions::default().client().unwrap();
    let name = cps_name().unwrap();
    carrier
        .unwrap()
        .draw(&client, &wallet, &name, NOW)
        .await
        .unwrap();
    let reached = [address_of(&name, recorder.address()).unwrap()];
    let office = scene
        .federation
        .publisher("office", &key(), callee(), cps.addresses().public);
    office.unwrap().register(&client, NOW).await.unwrap();
    scene.keep_roster(vec![member("cps.test", &log_key(recorder.address()).await)]);
    until("the record in the CPS's feed", SOON, async || {
        let mut outcomes = scene.sync_reaching(&reached).await;
        (outcomes.remove(0).unwrap().new == 1).then_some(())
    })
    .await;
    assert!(recorder.asked("/v1/keys/feed") > 0, "it was not mirrored");
    drop(recorder.take_asked());

    let caller = caller(&scene, &reached);
    for _ in 0..CALLS {
        let found = caller
            .keys_of(&number(CALLEE), KeyLookup::Number, NOW)
            .await
            .unwrap();
        assert_eq!((found.keys.len(), found.refused.count), (1, 0));
        let second = SecondAttempt::default();
        let passport = passport(&scene);
        let stored = caller.store(&wallet, &passport, &found.keys[0], &second, NOW);
        assert_eq!(stored.await.unwrap().stored.len(), 1);
    }
    // The recorder has seen each store, and so would have seen a look-up.
    assert_eq!(recorder.asked("/v1/passports"), CALLS);
    assert_eq!(
        recorder.asked("/"),
        CALLS,
        "something else was asked: {:?}",
        recorder.take_asked()
    );
    cps.stop().await;
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_feed_shows_before_its_log_has_signed_for_it_is_taken_up_afterwards() {
    let scene = Scene::set(1).await;
    let (issuer, cps) = services(&scene).await;
    // The first checkpoint is shown until the log is free again.
    let (held, is_free) = (Mutex::new(None), Arc::new(AtomicBool::new(false)));
    let holder = Arc::clone(&is_free);
    let shown = Meddler::start(Some(cps.addresses().public), move |path, honest| {
        match path == "/log/checkpoint" && !holder.load(Ordering::SeqCst) {
            true => held.lock().unwrap().get_or_insert(honest).clone(),
            false => honest,
        }
    });
    let shown = shown.await.unwrap();
    scene.keep_roster(vec![member("cps.test", &log_key(shown.address()).await)]);
    let reached = [address_of(&cps_name().unwrap(), shown.address()).unwrap()];
    let new = async || {
        let outcomes = scene.sync_reaching(&reached).await;
        outcomes.into_iter().next().unwrap().unwrap().new
    };
    assert_eq!(new().await, 0);
    let office = scene
        .federation
        .publisher("office", &key(), callee(), cps.addresses().public);
    let client = HttpOptions::default().client().unwrap();
    office.unwrap().register(&client, NOW).await.unwrap();
    let feed = format!("http://{}/v1/keys/feed", cps.addresses().public);
    until("the record in the CPS's feed", SOON, async || {
        let shown = reqwest::get(&feed).await.unwrap().text().await.unwrap();
        shown.contains("\"record\"").then_some(())
    })
    .await;
    // Once up to what is signed, and once from there.
    assert_eq!((new().await, new().await), (0, 0));
    is_free.store(true, Ordering::SeqCst);
    assert_eq!(new().await, 1);
    cps.stop().await;
    issuer.stop().await;
}

/// The key of the log of the CPS at `address`, as it shows it.
async fn log_key(address: SocketAddr) -> VerifierKey {
    let shown = reqwest::get(format!("http://{address}/log/key")).await;
    let shown = shown.unwrap().text().await.unwrap();
    shown.trim().parse().unwrap()
}

/// Counts who connects to it.
async fn listener() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (
        listener.local_addr().unwrap(),
        Arc::new(AtomicUsize::new(0)),
    );
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    (address, count)
}

fn placed(scene: &Scene, key: &RecipientKey, first: &str, more: &[&str]) -> String {
    let more = more.iter().map(|uri| uri.parse().unwrap()).collect();
    let placement = Placement::new(first.parse().unwrap(), more, None).unwrap();
    scene.sign(&KeyRecord {
        placement,
        ..scene.record(key, callee(), 0)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_leads_to_no_host_that_is_not_in_the_roster() {
    let scene = Scene::set(1).await;
    let (outside, connections) = listener().await;
    let outside_uri = format!("http://{outside}");
    let both = placed(&scene, &key(), &outside_uri, &["https://cps-0.test"]);
    let alone = key();
    let only = placed(&scene, &alone, &outside_uri, &[]);
    scene.feeds[0].publish([both, only.clone()]).await;
    scene.sync().await;
    let caller = caller(&scene, &[]);
    let found = caller
        .keys_of(&number(CALLEE), KeyLookup::Number, NOW)
        .await
        .unwrap();
    // One copy of the first, at the CPS that is in the roster; none of the second.
    assert_eq!((found.keys.len(), found.limits[0].copies), (1, 1));
    let left = found.not_in_roster.iter().map(ToString::to_string);
    assert_eq!(left.collect::<Vec<_>>(), [outside_uri]);
    // Also if it is demanded.
    let wallet = Wallet::open(&scene.federation.home().join("wallet.db")).unwrap();
    let record = scene
        .directory
        .records_of(&number(CALLEE), &[], NOW)
        .unwrap();
    let record = record
        .records
        .into_iter()
        .find(|record| record.as_str() == only)
        .unwrap();
    let key = caller
        .verify_record(record, &Default::default(), None, NOW)
        .unwrap();
    let second = SecondAttempt::default();
    let stored = caller
        .store(&wallet, &passport(&scene), &key, &second, NOW)
        .await;
    assert!(
        matches!(stored, Err(OobAuthenticationError::NotInRoster { .. })),
        "{stored:?}"
    );
    assert_eq!(connections.load(Ordering::Relaxed), 0);
    // The listener sees who does come.
    tokio::net::TcpStream::connect(outside).await.unwrap();
    while connections.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
}
