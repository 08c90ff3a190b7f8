//! Calls at a gateway over HTTP, many at once, and what became of them: how many tokens they
//! cost, and whose each PASSporT is.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use pennyblack_client::wallet::Wallet;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::answer::Answer;
use crate::gateway_scene::{CALLED, GatewayScene};
use crate::wait::until;
use crate::world::World;

/// Longest wait for what must come.
const SOON: Duration = Duration::from_secs(30);

/// Calls that are made at once.
pub const AT_ONCE: usize = 8;

/// How often it is looked whether the last copy has arrived.
const LOOK: Duration = Duration::from_millis(20);

/// The number of the nth caller.
#[must_use]
pub fn caller(number: usize) -> String {
    format!("1732{:07}", 5_550_000 + number)
}

/// A call that got its PASSporT.
#[derive(Debug)]
pub struct Signed {
    /// Who calls.
    pub caller: String,
    /// The Identity header.
    pub identity: String,
    /// The gateway says so.
    pub is_stored: bool,
    /// It was asked for once, so it is the caller's only PASSporT.
    pub is_only: bool,
}

/// What a load came to.
#[derive(Debug)]
pub struct Load {
    /// In no order.
    pub signed: Vec<Signed>,
    /// Requests that were sent: each may have signed.
    pub asked: usize,
}

/// Asks, and returns the answer; nothing if there is none.
async fn ask(world: &World, gateway: SocketAddr, path: &str, body: &Value) -> Option<Value> {
    let url = format!("http://{gateway}/stir/v1/{path}");
    let request = world.client.post(url).timeout(SOON);
    let request = request.header("content-type", "application/json");
    let answer = Answer::to(request.body(body.to_string())).await.ok()?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Some(serde_json::from_slice(&answer.body).unwrap())
}

/// Has a call signed; nothing if the gateway does not answer.
pub async fn sign(world: &World, gateway: SocketAddr, caller: &str) -> Option<Signed> {
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
pub async fn passes(world: &World, gateway: SocketAddr, caller: &str, call: &str) -> bool {
    let body = json!({"verificationRequest": {
        "from": {"tn": caller}, "to": {"tn": [CALLED]},
        "time": world.clock.now().0, "requestId": call,
    }});
    let answer = ask(world, gateway, "verification", &body).await.unwrap();
    answer["verificationResponse"]["verstat"] == "TN-Validation-Passed"
}

/// A load in which something happens.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The first caller.
    pub first: usize,
    /// All calls.
    pub calls: usize,
    /// So many calls are answered before it happens.
    pub before: usize,
}

impl Plan {
    /// Makes calls as a switch does that knows these gateways: a call that one of them does
    /// not answer is asked of the next.
    pub async fn run(self, world: &World, gateways: &[SocketAddr], happens: impl FnOnce()) -> Load {
        let [next, asked, answered] = [0; 3].map(AtomicUsize::new);
        let caller_loop = async || {
            let mut signed = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.calls {
                    return signed;
                }
                let caller = caller(self.first + number);
                for turn in 0..gateways.len() {
                    let gateway = gateways[(number + turn) % gateways.len()];
                    asked.fetch_add(1, Ordering::Relaxed);
                    if let Some(one) = sign(world, gateway, &caller).await {
                        answered.fetch_add(1, Ordering::Relaxed);
                        let is_only = turn == 0;
                        signed.push(Signed { is_only, ..one });
                        break;
                    }
                }
            }
        };
        let event = async {
            until("calls under way", SOON, async || {
                (answered.load(Ordering::Relaxed) >= self.before).then_some(())
            })
            .await;
            happens();
        };
        let (signed, ()) = tokio::join!(join_all((0..AT_ONCE).map(|_| caller_loop())), event);
        Load {
            signed: signed.into_iter().flatten().collect(),
            asked: asked.into_inner(),
        }
    }
}

/// What calls have cost, and what the CPS has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    /// Tokens that are gone from the wallets.
    pub spent: usize,
    /// Copies that the CPS has taken.
    pub stored: usize,
    /// Tokens that were spent twice.
    pub double_spends: usize,
}

impl Books {
    /// Once no copy is on its way, and for each token that is gone there is a copy. Some time
    /// later it is as it is. A store that missed its deadline may begin after its call.
    pub async fn settled(scene: &GatewayScene, wallets: &[&str], tokens: usize) -> Self {
        let open = |name: &&str| Wallet::open(&scene.world.path(name)).unwrap();
        let wallets: Vec<_> = wallets.iter().map(open).collect();
        let end = Instant::now() + SOON;
        loop {
            let stored = counted(scene, "pennyblack_cps_stored_total").await;
            let is_on_its_way = |wallet: &Wallet| !wallet.outbox().unwrap().is_empty();
            let books = Self {
                spent: wallets.len() * tokens - left(&wallets, &scene.world),
                stored,
                double_spends: counted(scene, "pennyblack_cps_double_spends_total").await,
            };
            let is_settled = !wallets.iter().any(is_on_its_way) && books.spent == books.stored;
            if is_settled || Instant::now() > end {
                return books;
            }
            sleep(LOOK).await;
        }
    }
}

fn left(wallets: &[Wallet], world: &World) -> usize {
    let holdings = |wallet: &Wallet| wallet.holdings(Duration::ZERO, world.clock.now()).unwrap();
    let holdings = wallets.iter().flat_map(holdings);
    let left: u64 = holdings.map(|holding| holding.tokens).sum();
    usize::try_from(left).unwrap()
}

/// What the CPS has counted.
pub async fn counted(scene: &GatewayScene, series: &str) -> usize {
    let admin = scene.cps.as_ref().unwrap().addresses().admin;
    let url = format!("http://{admin}/metrics");
    let answer = Answer::to(scene.world.client.get(url)).await.unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    let mut values = text
        .lines()
        .filter_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    values.next().unwrap_or(0)
}

/// Whose PASSporTs are.
#[derive(Debug, Default)]
pub struct Claims {
    /// The callers, and the names of their calls that passed.
    pub own: Vec<(String, String)>,
    /// Callers with two calls that passed by one PASSporT.
    pub twice: Vec<String>,
}

impl Claims {
    /// Has so many calls of a load verified while they are fresh, each under two names at
    /// once, at two places.
    pub async fn make(world: &World, at: [SocketAddr; 2], load: &Load, most: usize) -> Self {
        let claim = async |one: &Signed| {
            let names = ["a", "b"].map(|name| format!("{name}-{}", one.caller));
            let [first, second] = &names;
            let passed = tokio::join!(
                passes(world, at[0], &one.caller, first),
                passes(world, at[1], &one.caller, second),
            );
            (one.caller.clone(), names, passed)
        };
        let found = load
            .signed
            .iter()
            .filter(|one| one.is_stored && one.is_only);
        let claims = stream::iter(found.take(most).map(claim));
        let claims: Vec<_> = claims.buffered(AT_ONCE).collect().await;
        let mut made = Self::default();
        for (caller, [first, second], passed) in claims {
            match passed {
                (true, false) => made.own.push((caller, first)),
                (false, true) => made.own.push((caller, second)),
                // Its machine was busy for longer than a call waits.
                (false, false) => {}
                (true, true) => made.twice.push(caller),
            }
        }
        made
    }

    /// What is no longer so: the owners pass again, wherever they ask, and nobody else does.
    pub async fn broken(&self, world: &World, gateway: SocketAddr) -> Vec<String> {
        let check = async |(caller, call): &(String, String)| {
            let stranger = passes(world, gateway, caller, &format!("other-{caller}")).await;
            let owner = passes(world, gateway, caller, call).await;
            let mut broken = Vec::new();
            if stranger {
                broken.push(format!("{caller}: used, and used again"));
            }
            if !owner {
                broken.push(format!("{caller}: the claim is lost"));
            }
            broken
        };
        let checks = stream::iter(self.own.iter().map(check));
        let broken: Vec<_> = checks.buffered(AT_ONCE).collect().await;
        broken.concat()
    }
}
