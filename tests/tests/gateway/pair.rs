//! Two gateways side by side, and gateways that are killed under load: one PASSporT is one
//! call, one token is one copy, and calls go on.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use pennyblack_client::wallet::Wallet;
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::gateway_scene::{
    Beginning, CALLED, GatewayScene, WALLET, fill_wallet, trunk,
};
use pennyblack_tests::process::Process;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::SERVICE;

const SOON: Duration = Duration::from_secs(30);

/// Time from the start of a killed gateway until it is ready.
const READY: Duration = Duration::from_secs(2);

/// Tokens at the beginning of each wallet.
const TOKENS: usize = 512;

/// Calls of a load, and how many are made at once.
const CALLS: usize = 160;
const AT_ONCE: usize = 8;

/// Most calls of a load that are verified, while they are fresh.
const CLAIMS: usize = 48;

/// The calls after which a gateway dies.
const BEFORE_DEATH: usize = 60;

/// A call that got its PASSporT.
struct Signed {
    caller: String,
    identity: String,
    is_stored: bool,
    /// It was asked for once, so it is the caller's only PASSporT.
    is_only: bool,
}

/// What a load came to.
struct Load {
    signed: Vec<Signed>,
    /// Requests that were sent: each may have signed.
    asked: usize,
}

async fn open(more: &[String]) -> GatewayScene {
    let world = World::new(Clock::system());
    let records = world.path("records").display().to_string();
    let settings = [format!("store.records_file={records}")];
    let beginning = Beginning {
        tokens: TOKENS,
        config: trunk(&world, "switch"),
        settings: settings.into_iter().chain(more.iter().cloned()).collect(),
    };
    GatewayScene::open_in(world, SERVICE, beginning).await
}

fn caller(number: usize) -> String {
    format!("1732555{number:04}")
}

/// Asks, and returns the answer; nothing if there is none.
async fn ask(world: &World, gateway: SocketAddr, path: &str, body: &Value) -> Option<Value> {
    let url = format!("http://{gateway}/stir/v1/{path}");
    let request = world.client.post(url).timeout(SOON);
    let request = request.header("content-type", "application/json");
    let answer = Answer::to(request.body(body.to_string())).await.ok()?;
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    Some(serde_json::from_slice(&answer.body).unwrap())
}

async fn sign(world: &World, gateway: SocketAddr, caller: &str) -> Option<Signed> {
    let body = json!({"signingRequest": {
        "attest": "A", "orig": {"tn": caller}, "dest": {"tn": [CALLED]},
        "iat": world.clock.now().0,
    }});
    let answer = ask(world, gateway, "signing", &body).await?;
    let said = &answer["signingResponse"];
    Some(Signed {
        caller: caller.to_owned(),
        identity: said["identity"].as_str().unwrap().to_owned(),
        is_stored: said["oob"]["stored"].as_bool().unwrap(),
        is_only: true,
    })
}

/// Whether the call of this name passes.
async fn passes(world: &World, gateway: SocketAddr, caller: &str, call: &str) -> bool {
    let body = json!({"verificationRequest": {
        "from": {"tn": caller}, "to": {"tn": [CALLED]},
        "time": world.clock.now().0, "requestId": call,
    }});
    let answer = ask(world, gateway, "verification", &body).await.unwrap();
    answer["verificationResponse"]["verstat"] == "TN-Validation-Passed"
}

/// Makes calls as a switch does that knows these gateways: a call that one of them does not
/// answer is asked of the next. `dies` is run when some calls are answered.
async fn load(world: &World, gateways: &[SocketAddr], dies: impl FnOnce()) -> Load {
    let (next, asked, answered) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let caller_loop = async || {
        let mut signed = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= CALLS {
                return signed;
            }
            for turn in 0..gateways.len() {
                let gateway = gateways[(number + turn) % gateways.len()];
                asked.fetch_add(1, Ordering::Relaxed);
                if let Some(one) = sign(world, gateway, &caller(number)).await {
                    answered.fetch_add(1, Ordering::Relaxed);
                    let is_only = turn == 0;
                    signed.push(Signed { is_only, ..one });
                    break;
                }
            }
        }
    };
    let death = async {
        until("calls under way", SOON, async || {
            (answered.load(Ordering::Relaxed) >= BEFORE_DEATH).then_some(())
        })
        .await;
        dies();
    };
    let (signed, ()) = tokio::join!(join_all((0..AT_ONCE).map(|_| caller_loop())), death);
    Load {
        signed: signed.into_iter().flatten().collect(),
        asked: asked.into_inner(),
    }
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

fn records(world: &World) -> String {
    format!("store.records_file={}", world.path("records").display())
}

/// Tokens that are gone from the wallets; nothing while a copy is on its way.
fn spent(world: &World, wallets: &[Wallet]) -> Option<usize> {
    let mut spent = 0;
    for wallet in wallets {
        if !wallet.outbox().unwrap().is_empty() {
            return None;
        }
        let holdings = wallet.holdings(Duration::ZERO, world.clock.now());
        let holdings = holdings.unwrap().into_iter();
        let left: u64 = holdings.map(|holding| holding.tokens).sum();
        spent += TOKENS - usize::try_from(left).unwrap();
    }
    Some(spent)
}

/// What the CPS has counted.
async fn counted(scene: &GatewayScene, series: &str) -> usize {
    let admin = scene.cps.as_ref().unwrap().addresses().admin;
    let url = format!("http://{admin}/metrics");
    let answer = Answer::to(scene.world.client.get(url)).await.unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    let mut values = text
        .lines()
        .filter_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    values.next().unwrap_or(0)
}

/// **Each token that left a wallet is one copy at the CPS**, and each copy is one PASSporT.
async fn assert_exact(scene: &GatewayScene, wallets: &[&str], load: &Load) {
    let open = |name: &&str| Wallet::open(&scene.world.path(name)).unwrap();
    let wallets: Vec<_> = wallets.iter().map(open).collect();
    // A store that missed its deadline may begin after its call.
    let stored = until("as many copies as tokens are gone", SOON, async || {
        let stored = counted(scene, "pennyblack_cps_stored_total").await;
        (spent(&scene.world, &wallets)? == stored).then_some(stored)
    })
    .await;
    assert_eq!(
        counted(scene, "pennyblack_cps_double_spends_total").await,
        0
    );
    let told = load.signed.iter().filter(|one| one.is_stored);
    let told: HashSet<_> = told.map(|one| &one.identity).collect();
    assert!(
        (told.len()..=load.asked).contains(&stored),
        "{stored}: {} to {}",
        told.len(),
        load.asked
    );
}

/// Has each call of the load verified under two names at once, at two places.
async fn claim_all(world: &World, at: [SocketAddr; 2], load: &Load) -> Vec<(String, String)> {
    let claim = async |one: &Signed| {
        let names = ["a", "b"].map(|name| format!("{name}-{}", one.caller));
        let [first, second] = &names;
        let (first, second) = tokio::join!(
            passes(world, at[0], &one.caller, first),
            passes(world, at[1], &one.caller, second),
        );
        (one.caller.clone(), names, [first, second])
    };
    let found = load
        .signed
        .iter()
        .filter(|one| one.is_stored && one.is_only);
    let claims = stream::iter(found.take(CLAIMS).map(claim));
    let claims: Vec<_> = claims.buffered(AT_ONCE).collect().await;
    let mut own = Vec::new();
    for (caller, names, passed) in claims {
        match passed {
            [true, false] => own.push((caller, names[0].clone())),
            [false, true] => own.push((caller, names[1].clone())),
            // Its machine was busy for longer than a call waits.
            [false, false] => {}
            [true, true] => panic!("{caller}: one PASSporT, two calls"),
        }
    }
    assert!(own.len() > CLAIMS / 2, "{} passed", own.len());
    own
}

/// The owners pass again, wherever they ask, and nobody else does.
async fn assert_kept(world: &World, gateway: SocketAddr, own: &[(String, String)]) {
    let check = async |(caller, call): &(String, String)| {
        let stranger = passes(world, gateway, caller, &format!("other-{caller}")).await;
        assert!(!stranger, "{caller}: used, and used again");
        let owner = passes(world, gateway, caller, call).await;
        assert!(owner, "{caller}: the claim is lost");
    };
    let checks = stream::iter(own.iter().map(check));
    checks.buffered(AT_ONCE).collect::<()>().await;
}

/// With one wallet, or one each.
async fn two_gateways(wallets: &[&str]) {
    let mut scene = open(&[]).await;
    let mut settings = vec![records(&scene.world)];
    for wallet in wallets.iter().filter(|wallet| **wallet != WALLET) {
        fill_wallet(&scene.world, wallet, TOKENS).await;
        let path = scene.world.path(wallet);
        settings.push(format!("store.wallet={}", path.display()));
    }
    let second = scene.start_another(SERVICE, "second", &settings).await;
    let mut first = std::mem::replace(&mut scene.gateway, second);
    let at = [&first, &scene.gateway].map(|one| one.addresses().public);
    let load = load(&scene.world, &at, || first.kill_in_place()).await;
    assert_eq!(load.signed.len(), CALLS, "no call is lost");
    let first = started_in_time(&scene, "first", &[records(&scene.world)]).await;
    assert_exact(&scene, wallets, &load).await;

    let at = [&first, &scene.gateway].map(|one| one.addresses().public);
    let own = claim_all(&scene.world, at, &load).await;
    scene.gateway.kill_in_place();
    assert_kept(&scene.world, at[0], &own).await;
    scene.gateway = started_in_time(&scene, "second", &settings).await;
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
    let load = load(world, &[at], || gateway.kill_in_place()).await;
    assert!((BEFORE_DEATH..CALLS).contains(&load.signed.len()));
    scene.gateway = started_in_time(&scene, "first", &[records(&scene.world)]).await;
    assert_exact(&scene, &[WALLET], &load).await;

    let at = scene.gateway.addresses().public;
    let own = claim_all(&scene.world, [at; 2], &load).await;
    scene.gateway.kill_in_place();
    scene.gateway = started_in_time(&scene, "first", &[records(&scene.world)]).await;
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
    let settings = [records(world)];
    let (_second, ()) = tokio::join!(scene.start_another(SERVICE, "second", &settings), thaw);
    let asked = signed.len();
    assert_exact(&scene, &[WALLET], &Load { signed, asked }).await;
    let stored = counted(&scene, "pennyblack_cps_stored_total").await;
    assert_eq!(stored, AT_ONCE, "each call, and each once");
}
