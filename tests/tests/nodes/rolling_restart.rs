//! The nodes of a CPS over one Redis are restarted one after another, as an operator
//! does it, while clients store, repeat, spend twice and read: nothing is lost.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::history::Rules;
use pennyblack_tests::nodes::Nodes;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::schedule::Figures;
use pennyblack_tests::traffic::{Traffic, mailboxes};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const RULES: Rules = Rules {
    lifetime: Duration::from_secs(5),
    tolerance: Duration::from_secs(2),
    capacity: 1_024,
};
const NODES: usize = 3;
const ROUNDS: usize = 2;
const CLIENTS: u64 = 8;
const TOKENS: usize = 1_500;
const LOADED: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_three_nodes_under_load_loses_nothing() {
    let mut world = World::new(Clock::system());
    world.issuer.quota.tokens = 100_000_000;
    world.cps.entries.lifetime = RULES.lifetime;
    world.cps.entries.oldest_signature = Duration::from_secs(3_600);
    let world = Arc::new(world);
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let redis = RedisServer::start(Options::durable().with("hash-max-listpack-value", "128")).await;
    let mut nodes = Nodes::start(SERVICE, &world, NODES, |_, config| {
        config.store = Some(RedisOptions::new(redis.url().parse().unwrap()));
    })
    .await;
    let addresses = nodes.addresses();
    let mailboxes = mailboxes(&world, &addresses, 3).await;
    let traffic = Traffic::new(&world, addresses, &mailboxes, TOKENS).await;
    let accepted = || traffic.statuses().get(&201).copied().unwrap_or_default();
    let rolling = async {
        for _ in 0..ROUNDS {
            let before = accepted();
            until("load", LOADED, async || {
                (accepted() >= before + 50).then_some(())
            })
            .await;
            nodes.roll(&world).await;
            assert!(accepted() > before, "nobody took over");
        }
    };
    traffic.during(CLIENTS, 1, rolling).await;
    // A request that comes as a node closes its connection is not answered, and sent
    // again. That is one of each client at each end of a node, at most.
    let unanswered = traffic.statuses().get(&0).copied().unwrap_or_default();
    assert!(
        unanswered <= CLIENTS as usize * NODES * ROUNDS,
        "{unanswered}"
    );
    traffic.settle(RULES.lifetime).await;
    Figures::default().assert_legal(1, &traffic, &RULES);
}
