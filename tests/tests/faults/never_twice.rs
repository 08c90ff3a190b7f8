//! A CPS of two nodes that keep spent tokens themselves, over a Redis that loses what
//! it has acknowledged, and nodes that are away: no token is taken twice. What was lost
//! of mailboxes is there again when its request is repeated.
//!
//! `PENNYBLACK_SCHEDULES` sets how many schedules of faults each test runs, and
//! `PENNYBLACK_SEED` the seed of the first.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use pennyblack_cps::NeverTwiceConfig;
use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, Proxy, RedisServer, Replicated};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::PublicConfig;
use pennyblack_sealing::mailbox::Kem;
use pennyblack_tests::history::Rules;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::nodes::Nodes;
use pennyblack_tests::port::free_port;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::redis_faults::{Level, Servers, Stage};
use pennyblack_tests::schedule::Figures;
use pennyblack_tests::traffic::{Traffic, mailboxes};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::{FIRST_NUMBER, World};

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const RULES: Rules = Rules {
    lifetime: Duration::from_secs(5),
    tolerance: Duration::from_secs(2),
    capacity: 1_024,
};
const CLIENTS: u64 = 8;
const TOKENS: usize = 200;
/// Within which lost key records are back, on a busy machine.
const MENDED: Duration = Duration::from_secs(20);
/// Longest wait for anything.
const NOTICED: Duration = Duration::from_secs(60);

fn world() -> Arc<World> {
    let mut world = World::new(Clock::system());
    world.issuer.quota.tokens = 100_000_000;
    world.cps.entries.lifetime = RULES.lifetime;
    world.cps.entries.oldest_signature = Duration::from_secs(3_600);
    Arc::new(world)
}

fn durable() -> Options {
    Options::durable().with("hash-max-listpack-value", "128")
}

fn two_addresses() -> [SocketAddr; 2] {
    [free_port(), free_port()].map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
}

/// Two nodes, over whatever is at `redis`.
async fn start_nodes(world: &Arc<World>, redis: &str) -> Nodes {
    let addresses = two_addresses();
    start_nodes_at(world, addresses, addresses, |_| redis.to_owned()).await
}

/// Two nodes that reach each other at the address among `peers`.
async fn start_nodes_at(
    world: &Arc<World>,
    addresses: [SocketAddr; 2],
    peers: [SocketAddr; 2],
    redis: impl Fn(usize) -> String,
) -> Nodes {
    Nodes::start(SERVICE, world, 2, |place, config| {
        config.public = PublicConfig::plain(addresses[place]);
        config.store = Some(RedisOptions::new(redis(place).parse().unwrap()));
        config.never_twice = Some(NeverTwiceConfig {
            nodes: peers.map(|peer| format!("http://{peer}")).to_vec(),
            node: place,
            tls_roots: None,
        });
    })
    .await
}

/// Two nodes with proxies between them and in front of their Redis.
async fn stage(world: Arc<World>, servers: Servers) -> Stage {
    let redis = match &servers {
        Servers::Single(server) => server.address(),
        Servers::Replicated(both) => both.primary.address(),
        Servers::Cluster(_) => unreachable!("no test of this level has one"),
    };
    let addresses = two_addresses();
    let mut peers = Vec::new();
    let mut proxies = Vec::new();
    for address in addresses {
        peers.push(Proxy::start(address).await);
        proxies.push(Proxy::start(redis).await);
    }
    let between = [peers[0].address(), peers[1].address()];
    let nodes = start_nodes_at(&world, addresses, between, |place| proxies[place].url()).await;
    Stage {
        world,
        nodes,
        level: Level::NeverTwice,
        proxies,
        peers,
        servers,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_over_a_redis_that_is_emptied_give_their_clients_a_legal_history() {
    let world = world();
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let server = RedisServer::start(durable()).await;
    let stage = stage(world, Servers::Single(Box::new(server))).await;
    stage.play(1, &RULES).await;
}

/// How many key records there are in Redis.
async fn key_records(server: &RedisServer) -> usize {
    let mut count = 0;
    for shard in server.command::<Vec<String>>("KEYS cps{keys-*}r").await {
        count += server.command::<usize>(&format!("HLEN {shard}")).await;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn key_records_come_back_however_often_redis_is_emptied_and_a_node_writes_since() {
    let world = world();
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let server = RedisServer::start(durable()).await;
    let nodes = start_nodes(&world, &server.url()).await;
    let addresses = nodes.addresses();
    let before = mailboxes(&world, &addresses, 4).await.len();
    for round in 0..10 {
        server.command::<()>("FLUSHALL").await;
        // Registered since the loss, and lost itself before the node's next look.
        let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
        let record = mailbox.record(&world.holder, world.cps_name(), world.clock.now());
        let token = record.sign(world.holder.certificate(), world.holder.key());
        let put = world.put_record_at(addresses[round % 2], &token).await;
        put.assert_created();
        until("all key records", MENDED, async || {
            (key_records(&server).await == before + round + 1).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_over_a_replica_that_lags_behind_give_their_clients_a_legal_history() {
    let world = world();
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let both = Replicated::start(durable()).await;
    let stage = stage(world, Servers::Replicated(Box::new(both))).await;
    stage.play(1, &RULES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_loses_acknowledged_writes_makes_no_token_good_again() {
    let world = world();
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let mut both = Replicated::start(durable()).await;
    let proxy = Proxy::start(both.primary.address()).await;
    let nodes = start_nodes(&world, &proxy.url()).await;
    let mailboxes = mailboxes(&world, &nodes.addresses(), 3).await;
    let traffic = Traffic::new(&world, nodes.addresses(), &mailboxes, TOKENS).await;
    let accepted = |count: usize| {
        let statuses = traffic.statuses();
        let accepted = statuses.get(&201).is_some_and(|found| *found >= count);
        accepted.then_some(())
    };
    let losing = async {
        until("load", NOTICED, async || accepted(60)).await;
        both.part().await;
        until("load that will be lost", NOTICED, async || accepted(160)).await;
    };
    traffic.during(CLIENTS, 1, losing).await;
    both.fail_over().await;
    proxy.lead_to(both.primary.address());

    // Every token that was spent is refused on anything else, at both nodes, as soon
    // as they reach their Redis again: with proof, and without an operator.
    until("conflicts alone", NOTICED, async || {
        let statuses = traffic.statuses_of_double_spends().await;
        (statuses == BTreeSet::from([409])).then_some(())
    })
    .await;
    let anomalies = Figures::default().verify(&traffic, &RULES);
    assert_eq!(anomalies, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_waits_for_the_node_that_decides_and_goes_on_when_it_is_back() {
    let world = world();
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let server = RedisServer::start(durable()).await;
    let mut nodes = start_nodes(&world, &server.url()).await;
    let [here, there] = [nodes.addresses()[0], nodes.addresses()[1]];
    let mailbox = world.mailbox_at(&[here, there]).await;
    let mut requests = Vec::new();
    for token in world.draw(16).await {
        let [one, other] = ["one.passport.x", "another.passport.x"]
            .map(|passport| world.spend(&token, &mailbox, passport));
        requests.push((one, other));
    }

    nodes.kill(1);
    let mut waiting = Vec::new();
    for (one, other) in &requests {
        let answer = world.store_at(here, one).await;
        match answer.status {
            StatusCode::CREATED => {}
            StatusCode::SERVICE_UNAVAILABLE => {
                assert!(answer.headers.contains_key("retry-after"));
                waiting.push((one, other));
            }
            status => panic!("{status}: {}", answer.text()),
        }
    }
    assert!((1..16).contains(&waiting.len()), "{} of 16", waiting.len());

    nodes.restart(1, &world).await;
    for (one, other) in waiting {
        // Through the node that does not decide, and at the one that does.
        assert_eq!(world.store_at(here, one).await.status, StatusCode::CREATED);
        assert_eq!(world.store_at(there, one).await.status, StatusCode::CREATED);
        for node in [here, there] {
            let answer = world.store_at(node, other).await;
            assert_eq!(answer.status, StatusCode::CONFLICT);
        }
    }
}
