//! What others say without proof: an issuer's directory that claims to hold for a year or
//! leaves a key out, and a log that claims entries it does not serve. Nothing that lasts
//! follows from any of it. Lying witnesses are in `witness`.

use std::fs;
use std::time::Duration;

use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_base::time::UnixTime;
use pennyblack_client::carrier::CarrierError;
use pennyblack_client::wallet::Wallet;
use pennyblack_evidence::key_log_view::FollowError;
use pennyblack_http::{HttpOptions, RetryPolicy};
use pennyblack_privacypass::directory::WELL_KNOWN_PATH;
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::federation::{Federation, cps_name, issuer_name};
use pennyblack_tests::meddler::{Meddler, answer};
use pennyblack_tests::scene::Scene;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

const NOW: UnixTime = UnixTime(1_800_000_000);
const SOON: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_secs(60);
const BATCH: usize = 4;

/// A world whose CPS reaches the issuer through somebody who changes its answers.
async fn scene_behind(change: fn(&str, Vec<u8>) -> Vec<u8>) -> (Scene, Meddler) {
    let mut front = None;
    let scene = Scene::open_with(|world| {
        let issuer = world.issuer_name().as_str().parse().unwrap();
        let meddler = Meddler::start(Some(issuer), change);
        let meddler = block_in_place(|| Handle::current().block_on(meddler)).unwrap();
        world.cps.issuer[0].url = Some(format!("http://{}", meddler.address()));
        front = Some(meddler);
    })
    .await;
    (scene, front.unwrap())
}

/// How many keys of the issuer the CPS knows.
fn known(world: &World) -> usize {
    let directory = world.cps.cps.data_directory.join("issuers");
    let known = fs::read(directory.join(format!("{}.json", world.issuer_name())));
    let known: Vec<serde_json::Value> =
        serde_json::from_slice(&known.unwrap_or_else(|_| b"[]".to_vec())).unwrap();
    known.len()
}

/// Sets the clock to when the issuer announces its second key, and waits until it has.
async fn second_key_is_announced(scene: &Scene) -> UnixTime {
    let keys = &scene.world.issuer.token_keys;
    let first = scene.world.issuer_keys().await[0].not_before.unwrap();
    let second = first.plus(keys.epoch);
    scene.hand.set(second.minus(keys.announce_ahead));
    until("the second key", SOON, async || {
        (scene.world.issuer_keys().await.len() == 2).then_some(())
    })
    .await;
    second
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_claims_to_hold_for_a_year_hides_no_key() {
    let (scene, _front) = scene_behind(|_, honest| {
        let text = String::from_utf8_lossy(&honest);
        match text.contains("max-age=3600") {
            true => text
                .replacen("max-age=3600", "max-age=31536000", 1)
                .into_bytes(),
            false => honest,
        }
    })
    .await;
    second_key_is_announced(&scene).await;
    scene.hand.advance(10 * MINUTE);
    until("the second key at the CPS", SOON, async || {
        (known(&scene.world) == 2).then_some(())
    })
    .await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_an_unknown_key_has_the_directory_fetched_once_a_minute_at_most() {
    let (scene, front) = scene_behind(|_, honest| honest).await;
    let world = &scene.world;
    // The issuer is hidden from the CPS until the second key has begun.
    front.turn_to(|_, _| answer("503 Service Unavailable", ""));
    let begins = second_key_is_announced(&scene).await;
    scene.hand.set(begins.plus(MINUTE));
    let (token, mailbox) = (world.draw_one().await, world.mailbox().await);
    let refused = async || {
        let answer = world.store(&world.spend(&token, &mailbox, "a.b.c")).await;
        answer.unwrap()
    };
    assert_eq!(refused().await.problem(), ProblemType::TokenInvalid);
    // It is shown again, as it was before the second key was there.
    let first = {
        let url = format!("http://{}{WELL_KNOWN_PATH}", world.issuer_name());
        let body = world.client.get(url).send().await.unwrap().text().await;
        let mut directory: serde_json::Value = serde_json::from_str(&body.unwrap()).unwrap();
        let keys = directory["token-keys"].as_array_mut().unwrap();
        keys.sort_by_key(|key| key["not-before"].as_u64());
        keys.truncate(1);
        answer("200 OK", &directory.to_string())
    };
    let asked = || front.asked(WELL_KNOWN_PATH);
    let before = asked();
    front.turn_to(move |path, honest| match path {
        WELL_KNOWN_PATH => first.clone(),
        _ => honest,
    });
    scene.hand.advance(MINUTE);
    until("the old directory", SOON, async || {
        (asked() > before).then_some(())
    })
    .await;
    front.become_honest();
    let fetched = asked();
    for _ in 0..50 {
        assert_eq!(refused().await.problem(), ProblemType::TokenInvalid);
    }
    assert_eq!(asked(), fetched);
    // Long before the directory is out of date; and the key is taken, since it is in the
    // log, though it has begun.
    scene.hand.advance(MINUTE);
    until("the second key", SOON, async || {
        (refused().await.status == StatusCode::CREATED).then_some(())
    })
    .await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_leaves_a_key_out_empties_no_wallet() {
    let (clock, _hand) = Clock::by_hand(NOW);
    let federation = Federation::found(clock).unwrap();
    let issuer = federation.start_issuer(1000).await.unwrap();
    let other = Federation::found(federation.clock().clone()).unwrap();
    let stranger = other.start_issuer(1000).await.unwrap();
    let client = HttpOptions::default().client().unwrap();
    let wallet = Wallet::open(&federation.home().join("wallet.db")).unwrap();
    let carrier = |address| {
        federation
            .carrier(address, BATCH, RetryPolicy::NONE)
            .unwrap()
    };
    let (honest, lying) = (
        carrier(issuer.addresses().public),
        carrier(stranger.addresses().public),
    );
    let cps = cps_name().unwrap();
    honest.draw(&client, &wallet, &cps, NOW).await.unwrap();
    let count = || wallet.count(&issuer_name().unwrap(), &cps).unwrap();
    assert_eq!(count(), BATCH as u64);
    // Another directory under the issuer's name, in which its key is not.
    lying.draw(&client, &wallet, &cps, NOW).await.unwrap_err();
    assert_eq!(count(), BATCH as u64);
    honest.draw(&client, &wallet, &cps, NOW).await.unwrap();
    assert_eq!(count(), 2 * BATCH as u64);
    stranger.stop().await;
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_log_that_claims_what_it_does_not_serve_nothing_follows() {
    let (clock, _hand) = Clock::by_hand(NOW);
    let federation = Federation::found(clock).unwrap();
    let issuer = federation.start_issuer(1000).await.unwrap();
    let front = Meddler::start(Some(issuer.addresses().public), |path, honest| {
        match path.starts_with("/log/tile/") {
            true => answer("404 Not Found", ""),
            false => honest,
        }
    });
    let front = front.await.unwrap();
    let client = HttpOptions::default().client().unwrap();
    let wallet = Wallet::open(&federation.home().join("wallet.db")).unwrap();
    let carrier = federation.carrier(front.address(), BATCH, RetryPolicy::NONE);
    let carrier = carrier.unwrap();
    let cps = cps_name().unwrap();
    let refused = carrier.draw(&client, &wallet, &cps, NOW).await.unwrap_err();
    assert!(
        matches!(
            refused,
            CarrierError::IssuerLog(FollowError::Unserved { .. })
        ),
        "{refused}"
    );
    front.become_honest();
    let drawn = carrier.draw(&client, &wallet, &cps, NOW).await.unwrap();
    assert_eq!(drawn.received, BATCH);
    issuer.stop().await;
}
