//! Carriers and offices that send through a relay: what they get, what the CPS sees of them,
//! and what becomes of a call when no relay is there.

mod addresses;
mod blocks;
mod gateway;
pub(crate) mod scene;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::auth_service::{KeyLookup, OobAuthenticationError, ResendTotals};
use pennyblack_client::follower::{FollowedMailbox, Follower, FollowerConfig, Task};
use pennyblack_client::oblivious::{CpsKeys, Fallback, TrustedKeys};
use pennyblack_http::{HttpError, HttpOptions, RouteFault};
use pennyblack_sealing::mailbox::RecipientKey;
use pennyblack_tests::port::free_port;

pub(super) use self::scene::start_relay;
use self::scene::{CALLEE, Scene, number};

const MINUTE: Duration = Duration::from_secs(60);

/// What one look at the office's mailbox by `http` finds.
async fn passports(scene: &Scene, http: &HttpOptions) -> u64 {
    let mailbox = FollowedMailbox {
        key: Arc::new(RecipientKey::from_bytes(&scene.office.to_bytes()).unwrap()),
        cps: scene.cps_address(),
        source: Arc::new(http.client().unwrap()),
    };
    let config = FollowerConfig {
        every: Duration::from_millis(20),
        timeout: Duration::from_secs(30),
        ..FollowerConfig::default()
    };
    let task = Task {
        looks: Some(1),
        ..Task::default()
    };
    let (rules, clock) = (scene.federation.rules().unwrap(), scene.federation.clock());
    let rng = &mut rand::rng();
    let follower = Follower::start(&config, vec![mailbox], rules, task, clock.clone(), rng);
    let follower = follower.unwrap();
    follower.finished().await;
    let totals = follower.totals();
    assert_eq!(totals.unreadable, 0);
    totals.passports
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_looked_up_stored_and_polled_through_a_relay() {
    let scene = Scene::set(4).await;
    scene.fetch_soon().await;
    let http = scene.http_by(scene.relay.addresses().public);
    let caller = scene.caller(&http);
    let found = scene.keys(&caller).await.unwrap();
    assert_eq!(found.refused.count, 0);
    scene.store(&caller, &found.keys[0]).await.unwrap();
    let block = KeyLookup::Block { digits: 7 };
    let block = caller
        .keys_of(&number(CALLEE), block, scene.now())
        .await
        .unwrap();
    assert_eq!(block.keys.len(), 1);
    assert_eq!(passports(&scene, &http).await, 1);
    assert_eq!(scene.tokens(), 3);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_relays_nothing_goes_directly_and_no_token_is_lost() {
    let scene = Scene::set(4).await;
    scene.fetch_soon().await;
    let http = scene.http_by(scene.relay.addresses().public);
    let caller = scene.caller(&http);
    let found = scene.keys(&caller).await.unwrap();
    let key = &found.keys[0];
    scene.relay.stop().await;
    let fetches = scene.front.connections();
    let scene = Scene {
        relay: start_relay(scene.behind.address()).await,
        ..scene
    };
    // The old address is nobody's now.
    let look_up = scene.keys(&caller).await;
    assert!(
        matches!(&look_up, Err(OobAuthenticationError::KeyLookup(HttpError::Route(error)))
            if error.fault == RouteFault::NoRelay),
        "{look_up:?}"
    );
    let stored = scene.store(&caller, key).await.unwrap_err();
    assert!(stored.is_kept(), "{stored}");
    assert!(stored.to_string().contains("not stored"), "{stored}");
    assert_eq!(scene.front.connections(), fetches);
    assert_eq!(passports(&scene, &HttpOptions::default()).await, 0);
    let looks = scene.front.connections();
    // A call that knows no relay leaves it alone, and so does one that may go directly.
    let withheld = ResendTotals {
        withheld: 1,
        ..ResendTotals::default()
    };
    let relay = scene.relay.addresses().public;
    for http in [
        HttpOptions::default(),
        scene.http_with(relay, Fallback::Direct),
    ] {
        let delivery = scene.caller(&http).delivery();
        let resent = delivery.resend(&scene.wallet, scene.now());
        assert_eq!(resent.await.unwrap(), withheld);
    }
    assert_eq!(scene.front.connections(), looks);
    // The same request goes through another relay, and costs no further token.
    let other = scene.http_by(scene.relay.addresses().public);
    let delivery = scene.caller(&other).delivery();
    let resent = delivery.resend(&scene.wallet, scene.now());
    let expected = ResendTotals {
        stored: 1,
        ..ResendTotals::default()
    };
    assert_eq!(resent.await.unwrap(), expected);
    assert_eq!((passports(&scene, &other).await, scene.tokens()), (1, 3));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_one_of_two_relays_is_dead_or_has_another_path() {
    let scene = Scene::set(2).await;
    scene.fetch_soon().await;
    let fetches = scene.front.connections();
    let good = format!("http://{}/cps", scene.relay.addresses().public);
    let second = start_relay(scene.behind.address()).await;
    let dead = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    for bad in [
        format!("http://{dead}/cps"),
        format!("http://{}/other", second.addresses().public),
    ] {
        let relays = [bad, good.clone()];
        // Each does not know yet which of the two is good.
        let caller = || scene.caller(&scene.http_through(&relays, Fallback::None));
        for _ in 0..10 {
            let found = scene.keys(&caller()).await;
            assert_eq!(found.unwrap().keys.len(), 1, "{relays:?}");
        }
        let found = scene.keys(&caller()).await.unwrap();
        scene.store(&caller(), &found.keys[0]).await.unwrap();
    }
    assert_eq!((scene.front.connections(), scene.tokens()), (fetches, 0));
    assert_eq!(passports(&scene, &HttpOptions::default()).await, 2);
    second.stop().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_of_the_cps_no_token_is_spent() {
    let scene = Scene::set(2).await;
    scene.fetch_soon().await;
    let http = scene.http_by(scene.relay.addresses().public);
    let found = scene.keys(&scene.caller(&http)).await.unwrap();
    let (key, mut scene) = (&found.keys[0], scene);
    scene.fetcher.keys = TrustedKeys::default();
    let connections = scene.front.connections();
    // A CPS whose keys cannot be fetched must not be told who calls for it.
    for fallback in [Fallback::None, Fallback::Direct] {
        let ignorant = scene.http_with(scene.relay.addresses().public, fallback);
        let stored = scene
            .store(&scene.caller(&ignorant), key)
            .await
            .unwrap_err();
        assert!(
            matches!(&stored, OobAuthenticationError::NoWay(error)
                if error.fault == RouteFault::NoWay),
            "{stored}"
        );
    }
    assert_eq!(scene.front.connections(), connections);
    assert_eq!(scene.tokens(), 2);
    assert!(scene.wallet.outbox().unwrap().is_empty());
    // Another process has the key from the wallet, and asks nobody for it.
    scene
        .fetcher
        .recall(scene.cps_address().authority())
        .await
        .unwrap();
    let recalled = scene.http_by(scene.relay.addresses().public);
    scene.store(&scene.caller(&recalled), key).await.unwrap();
    scene.end().await;
}

fn has_a_key_after(known: &Arc<CpsKeys>, end: UnixTime) -> bool {
    let mut ends = known.keys.iter().map(|key| key.announced().not_after);
    ends.any(|not_after| not_after > end)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_three_times_and_no_call_fails() {
    let scene = Scene::set(4).await;
    let mut keys = vec![scene.fetch_soon().await];
    let http = scene.http_by(scene.relay.addresses().public);
    for _ in 0..3 {
        scene.keys(&scene.caller(&http)).await.unwrap();
        let newest = keys.last().unwrap();
        let now = scene.now();
        let used = newest.newest(now).unwrap().clone();
        // The next key is there hours before the epoch's end. The timer runs last a quarter
        // of an hour before that, and half an hour after it not yet again.
        let ends = used.announced().not_after;
        let before = |seconds: u64| ends.minus(Duration::from_secs(seconds));
        scene.moved_to(before(20 * 3_600)).await;
        // A clock that has jumped announces nothing until it has gone on for ten minutes.
        while !has_a_key_after(&scene.fetch_soon().await, ends) {
            assert!(scene.now() < before(3 * 3_600), "the next key is not there");
            scene.moved_to(scene.now().plus(MINUTE)).await;
        }
        scene.moved_to(before(4_500)).await;
        scene.fetch().await.unwrap();
        let grace = before(1_800);
        scene.moved_to(grace).await;
        scene.keys(&scene.caller(&http)).await.unwrap();
        // The clock alone has brought the next key into use.
        let known = scene.fetcher.keys.of(scene.cps_address().authority());
        let known = known.unwrap();
        assert_ne!(known.newest(grace).unwrap().config(), used.config());
        keys.push(scene.fetch_soon().await);
        scene.keys(&scene.caller(&http)).await.unwrap();
    }
    scene.end().await;
}
