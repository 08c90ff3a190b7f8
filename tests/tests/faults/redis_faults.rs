//! A CPS of two nodes over Redis, while nodes, connections and servers fail at
//! random: clients see nothing that it does not promise.
//!
//! `PENNYBLACK_SCHEDULES` sets how many schedules of faults each test runs, and
//! `PENNYBLACK_SEED` the seed of the first.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_redis::testing::{Cluster, Manner, Options, Proxy, RedisServer, Replicated};
use pennyblack_redis::{Durability, RedisOptions};
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::history::{Rules, StoreAnswer};
use pennyblack_tests::nodes::Nodes;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::redis_faults::{Level, SPENDING, Servers, Stage};
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
const NODES: usize = 2;
const CLIENTS: u64 = 8;
const TOKENS: usize = 200;
/// Longest wait for nodes to notice something.
const NOTICED: Duration = Duration::from_secs(60);

/// A world whose CPS takes requests again long after they were signed.
fn world() -> Arc<World> {
    let mut world = World::new(Clock::system());
    world.issuer.quota.tokens = 100_000_000;
    world.cps.entries.lifetime = RULES.lifetime;
    world.cps.entries.oldest_signature = Duration::from_secs(3_600);
    Arc::new(world)
}

/// What the servers must be like.
fn durable() -> Options {
    Options::durable().with("hash-max-listpack-value", "128")
}

fn replicated() -> Options {
    durable().with("min-replicas-to-write", "1")
}

async fn start_nodes(
    world: &Arc<World>,
    durability: Durability,
    url_of: impl Fn(usize) -> String,
) -> Nodes {
    Nodes::start(SERVICE, world, NODES, |place, config| {
        let mut options = RedisOptions::new(url_of(place).parse().unwrap());
        options.durability = durability;
        config.store = options.into();
    })
    .await
}

/// Two nodes that each have a proxy of their own to the server at `target`.
async fn behind_proxies(
    world: &Arc<World>,
    durability: Durability,
    target: &RedisServer,
) -> (Nodes, Vec<Proxy>) {
    let mut proxies = Vec::new();
    for _ in 0..NODES {
        proxies.push(Proxy::start(target.address()).await);
    }
    let nodes = start_nodes(world, durability, |place| proxies[place].url()).await;
    (nodes, proxies)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_over_one_server_give_their_clients_a_legal_history() {
    let world = world();
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let server = RedisServer::start(durable()).await;
    let (nodes, proxies) = behind_proxies(&world, Durability::SingleFsync, &server).await;
    let servers = Servers::Single(Box::new(server));
    let stage = Stage {
        world,
        nodes,
        level: Level::Fenced,
        proxies,
        peers: Vec::new(),
        servers,
    };
    stage.play(1, &RULES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_over_a_primary_and_its_replica_give_their_clients_a_legal_history() {
    let world = world();
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let both = Replicated::start(replicated()).await;
    let (nodes, proxies) = behind_proxies(&world, Durability::Replicated, &both.primary).await;
    let servers = Servers::Replicated(Box::new(both));
    let stage = Stage {
        world,
        nodes,
        level: Level::Fenced,
        proxies,
        peers: Vec::new(),
        servers,
    };
    stage.play(1, &RULES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_over_a_cluster_give_their_clients_a_legal_history() {
    let world = world();
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let mut cluster = Cluster::start(replicated()).await;
    let proxies = cluster.behind_proxies().await;
    let addresses: Vec<_> = proxies
        .iter()
        .map(|proxy| proxy.address().to_string())
        .collect();
    let url = format!("redis+cluster://{}", addresses.join(","));
    let nodes = start_nodes(&world, Durability::Replicated, |_| url.clone()).await;
    let stage = Stage {
        world,
        nodes,
        level: Level::Fenced,
        proxies,
        peers: Vec::new(),
        servers: Servers::Cluster(cluster),
    };
    stage.play(1, &RULES).await;
}

/// What a node says of a store that has lost something.
const OLDER: &str = "the store is older";

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_loses_acknowledged_writes_stops_both_nodes() {
    let world = world();
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    // A replica that the promised level knows nothing of.
    let mut both = Replicated::start(durable()).await;
    let (nodes, proxies) = behind_proxies(&world, Durability::SingleFsync, &both.primary).await;
    let mailboxes = mailboxes(&world, &nodes.addresses(), 3).await;
    let traffic = Traffic::new(&world, nodes.addresses(), &mailboxes, TOKENS).await;
    let accepted = |count: usize| {
        let statuses = traffic.statuses();
        let accepted = statuses
            .get(&201)
            .is_some_and(|accepted| *accepted >= count);
        accepted.then_some(())
    };
    let losing = async {
        until("load", NOTICED, async || accepted(60)).await;
        both.part().await;
        until("load that will be lost", NOTICED, async || accepted(160)).await;
    };
    traffic.during(CLIENTS, 1, losing).await;
    both.fail_over().await;
    for proxy in &proxies {
        proxy.lead_to(both.primary.address());
    }
    for place in 0..NODES {
        nodes.until_not_ready(place, OLDER, &world).await;
    }

    // No token that was lost is redeemed again, wherever it is tried.
    assert_eq!(
        traffic.statuses_of_double_spends().await,
        BTreeSet::from([503])
    );
    let anomalies = Figures::default().verify(&traffic, &RULES);
    assert_eq!(anomalies, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_killed_between_spending_and_appending_left_is_healed_by_repeating() {
    let world = world();
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let server = RedisServer::start(durable()).await;
    let (mut nodes, proxies) = behind_proxies(&world, Durability::SingleFsync, &server).await;
    let addresses = nodes.addresses();
    // The other one leads the log.
    let (lives, dies) = (addresses[0], addresses[1]);
    let mailboxes = mailboxes(&world, &addresses, 2).await;
    let traffic = Traffic::new(&world, addresses, &mailboxes, 2).await;
    let [request, other] = [traffic.request(0, 0), traffic.request(0, 0)];
    // The server knows the scripts from now on.
    let before = traffic.request(1, 1);
    assert_eq!(traffic.send(&before, dies).await, StoreAnswer::Accepted);

    proxies[1].set(Manner::LoseAnswersTo(SPENDING));
    let answer = traffic.send(&request, dies).await;
    assert_eq!(answer, StoreAnswer::Unknown);
    nodes.kill(1);
    // Bound to its request, though no client was told that it succeeded.
    assert_eq!(traffic.read(0, lives).await, Some(0));
    assert_eq!(traffic.send(&other, lives).await, StoreAnswer::Conflict);
    for _ in 0..2 {
        let answer = traffic.send(&request, lives).await;
        assert_eq!(answer, StoreAnswer::Accepted);
        assert_eq!(traffic.read(0, lives).await, Some(1));
    }
    assert_eq!(RULES.anomalies(&traffic.history()), []);
}
