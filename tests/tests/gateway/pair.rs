//! Two gateways side by side, and gateways that are killed under load: one PASSporT is one
//! call, one token is one copy, and calls go on.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::gateway_load::{AT_ONCE, Books, Claims, Load, Plan, caller, counted, sign};
use pennyblack_tests::gateway_scene::{Beginning, GatewayScene, WALLET, fill_wallet, trunk};
use pennyblack_tests::process::Process;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use tokio::time::Instant;

use super::SERVICE;

const SOON: Duration = Duration::from_secs(30);

/// Time from the start of a killed gateway until it is ready.
const READY: Duration = Duration::from_secs(2);

/// Tokens at the beginning of each wallet.
const TOKENS: usize = 512;

/// Calls, in whose midst a gateway dies.
const LOAD: Plan = Plan {
    first: 0,
    calls: 160,
    before: 60,
};

/// Most calls of a load that are verified, while they are fresh.
const CLAIMS: usize = 48;

async fn open(more: &[String]) -> GatewayScene {
    let world = World::new(Clock::system());
    let beginning = Beginning {
        tokens: TOKENS,
        config: trunk(&world, "switch"),
        settings: [settings(&world), more.to_vec()].concat(),
        ..Beginning::default()
    };
    GatewayScene::open_in(world, SERVICE, beginning).await
}

/// Starts a gateway anew, until it was ready in time: a busy machine delays some starts.
async fn started_in_time(scene: &GatewayScene, name: &str, settings: &[String]) -> Process {
    let mut times = Vec::new();
    for _ in 0..3 {
        let began = Instant::now();
        let mut gateway = scene.start_another(SERVICE, name, settings).await;
        times.push(began.elapsed());
        if began.elapsed() < READY {
            return gateway;
        }
        gateway.kill_in_place();
    }
    panic!("it was ready after {times:?}");
}

/// What each gateway has: a file of records, and patience, for a busy machine.
fn settings(world: &World) -> Vec<String> {
    let records = world.path("records");
    let settings = [
        &*format!("store.records_file={}", records.display()),
        "signing.deadline=1s",
        "verify.wait=1s",
        "verify.deadline=1500ms",
    ];
    settings.map(str::to_owned).to_vec()
}

/// **Each token that left a wallet is one copy at the CPS**, and each copy is one PASSporT.
async fn assert_exact(scene: &GatewayScene, wallets: &[&str], load: &Load) {
    let Books {
        spent,
        stored,
        double_spends,
    } = Books::settled(scene, wallets, TOKENS).await;
    assert_eq!(spent, stored, "as many copies as tokens are gone");
    assert_eq!(double_spends, 0);
    let told = load.signed.iter().filter(|one| one.is_stored);
    let told: HashSet<_> = told.map(|one| &one.identity).collect();
    assert!(
        (told.len()..=load.asked).contains(&stored),
        "{stored}: {} to {}",
        told.len(),
        load.asked
    );
}

async fn claim_all(world: &World, at: [SocketAddr; 2], load: &Load) -> Claims {
    let claims = Claims::make(world, at, load, CLAIMS).await;
    assert!(
        claims.twice.is_empty(),
        "one PASSporT, two calls: {claims:?}"
    );
    assert!(claims.own.len() > CLAIMS / 2, "{} passed", claims.own.len());
    claims
}

async fn assert_kept(world: &World, gateway: SocketAddr, claims: &Claims) {
    let broken = claims.broken(world, gateway).await;
    assert!(broken.is_empty(), "{broken:?}");
}

/// With one wallet, or one each.
async fn two_gateways(wallets: &[&str]) {
    let mut scene = open(&[]).await;
    let mut others = settings(&scene.world);
    for wallet in wallets.iter().filter(|wallet| **wallet != WALLET) {
        fill_wallet(&scene.world, wallet, TOKENS).await;
        let path = scene.world.path(wallet);
        others.push(format!("store.wallet={}", path.display()));
    }
    let second = scene.start_another(SERVICE, "second", &others).await;
    let mut first = std::mem::replace(&mut scene.gateway, second);
    let at = [&first, &scene.gateway].map(|one| one.addresses().public);
    let load = LOAD.run(&scene.world, &at, || first.kill_in_place()).await;
    assert_eq!(load.signed.len(), LOAD.calls, "no call is lost");
    let first = started_in_time(&scene, "first", &settings(&scene.world)).await;
    assert_exact(&scene, wallets, &load).await;

    let at = [&first, &scene.gateway].map(|one| one.addresses().public);
    let own = claim_all(&scene.world, at, &load).await;
    scene.gateway.kill_in_place();
    assert_kept(&scene.world, at[0], &own).await;
    scene.gateway = started_in_time(&scene, "second", &others).await;
    assert_kept(&scene.world, scene.gateway.addresses().public, &own).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_with_one_wallet_lose_no_call_and_no_token_when_one_is_killed() {
    two_gateways(&[WALLET]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_with_a_wallet_each_lose_no_call_and_no_token_when_one_is_killed() {
    two_gateways(&[WALLET, "second.db"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_under_load_spends_nothing_twice_and_keeps_claims() {
    let mut scene = open(&[]).await;
    let (gateway, world) = (&mut scene.gateway, &scene.world);
    let at = gateway.addresses().public;
    let load = LOAD.run(world, &[at], || gateway.kill_in_place()).await;
    assert!((LOAD.before..LOAD.calls).contains(&load.signed.len()));
    scene.gateway = started_in_time(&scene, "first", &settings(&scene.world)).await;
    assert_exact(&scene, &[WALLET], &load).await;

    let at = scene.gateway.addresses().public;
    let own = claim_all(&scene.world, [at; 2], &load).await;
    scene.gateway.kill_in_place();
    scene.gateway = started_in_time(&scene, "first", &settings(&scene.world)).await;
    assert_kept(&scene.world, scene.gateway.addresses().public, &own).await;
}

/// A gateway that starts sends again what stands in the outbox: also what another one, which
/// lives, is about to send.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_while_another_stores_spends_nothing_again() {
    let scene = open(&[]).await;
    let (world, at) = (&scene.world, scene.gateway.addresses().public);
    let cps = scene.cps.as_ref().unwrap();
    cps.freeze();
    let calls = (0..AT_ONCE).map(async |number| sign(world, at, &caller(number)).await.unwrap());
    let signed = join_all(calls).await;
    assert!(signed.iter().all(|one| !one.is_stored));
    let ready_file = world.path("second.ready");
    let thaw = async {
        until("the start of the second", SOON, async || {
            ready_file.exists().then_some(())
        })
        .await;
        cps.thaw();
    };
    let settings = settings(world);
    let (_second, ()) = tokio::join!(scene.start_another(SERVICE, "second", &settings), thaw);
    let asked = signed.len();
    assert_exact(&scene, &[WALLET], &Load { signed, asked }).await;
    let stored = counted(&scene, "pennyblack_cps_stored_total").await;
    assert_eq!(stored, AT_ONCE, "each call, and each once");
}
