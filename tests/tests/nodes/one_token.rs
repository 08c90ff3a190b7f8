//! One token at every node of a CPS at the same instant, in several requests: all nodes
//! agree on the one that it pays for.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_cps::Config;
use pennyblack_cps::log::LogLine;
use pennyblack_redis::testing::{Cluster, Options, RedisServer};
use pennyblack_redis::{Durability, RedisOptions};
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::nodes::Nodes;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::world::World;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const NODES: usize = 3;
const TOKENS: usize = 12;
/// Different requests with each token, each of them sent to every node.
const REQUESTS: usize = 4;

fn options() -> Options {
    Options::durable().with("hash-max-listpack-value", "128")
}

fn over(url: &str, durability: Durability) -> impl Fn(usize, &mut Config) {
    let mut options = RedisOptions::new(url.parse().unwrap());
    options.durability = durability;
    move |_, config| config.store = Some(options.clone())
}

async fn get(world: &World, node: SocketAddr, path: &str) -> Answer {
    let url = format!("http://{node}{path}");
    Answer::to(world.client.get(url)).await.unwrap()
}

/// What is in a mailbox by what a node says.
async fn found(world: &World, node: SocketAddr, mailbox: &Mailbox) -> Vec<String> {
    let path = format!("/v1/mailboxes/{}?slots=64", mailbox.id());
    let answer = get(world, node, &path).await;
    let page = mailbox.open(world.cps_name(), answer.content());
    mailbox.read(world.cps_name(), &page)
}

/// The tokens that were spent twice by what a node says.
async fn accused(world: &World, node: SocketAddr) -> Vec<[u8; 32]> {
    let answer = get(world, node, "/v1/double-spends").await;
    let text = String::from_utf8(answer.content().to_vec()).unwrap();
    let lines = text.lines().map(|line| {
        let line: LogLine = serde_json::from_str(line).unwrap();
        line.evidence().unwrap().token.nonce.0
    });
    lines.collect()
}

async fn at_every_node_at_once(change: impl Fn(usize, &mut Config)) {
    let world = Arc::new(World::new(Clock::system()));
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let nodes = Nodes::start(SERVICE, &world, NODES, change).await;
    let addresses = nodes.addresses();
    let mailbox = world.mailbox_at(&addresses).await;
    let tokens = world.draw(TOKENS).await;

    let start = Arc::new(Barrier::new(TOKENS * REQUESTS * NODES));
    let mut sending = JoinSet::new();
    for (number, token) in tokens.iter().enumerate() {
        for passport in (0..REQUESTS).map(|request| format!("{number}.{request}.x")) {
            let request = Arc::new(world.spend(token, &mailbox, &passport));
            for node in addresses.clone() {
                let (world, start) = (Arc::clone(&world), Arc::clone(&start));
                let (request, passport) = (Arc::clone(&request), passport.clone());
                sending.spawn(async move {
                    start.wait().await;
                    (number, passport, world.store_at(node, &request).await)
                });
            }
        }
    }
    let mut paid = vec![Vec::new(); TOKENS];
    for (number, passport, answer) in sending.join_all().await {
        match answer.status {
            StatusCode::CREATED => paid[number].push(passport),
            _ => assert_eq!(answer.problem(), ProblemType::TokenAlreadySpent),
        }
    }
    // One request with each token is answered 201, by every node.
    let winners = paid.iter().map(|paid| {
        let different: BTreeSet<_> = paid.iter().collect();
        assert_eq!((different.len(), paid.len()), (1, NODES), "{paid:?}");
        paid[0].clone()
    });
    let winners: BTreeSet<_> = winners.collect();
    let spent: BTreeSet<_> = tokens.iter().map(|token| token.token.nonce.0).collect();
    for node in addresses {
        let found = found(&world, node, &mailbox).await;
        assert_eq!(found.len(), TOKENS, "{found:?}");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), winners);
        let accused = accused(&world, node).await;
        assert_eq!(accused.len(), TOKENS);
        assert_eq!(accused.into_iter().collect::<BTreeSet<_>>(), spent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_at_all_nodes_over_a_redis_at_once_pays_for_one_request() {
    let redis = RedisServer::start(options()).await;
    at_every_node_at_once(over(&redis.url(), Durability::SingleFsync)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_at_all_nodes_over_a_cluster_at_once_pays_for_one_request() {
    let cluster = Cluster::start(options().with("min-replicas-to-write", "1")).await;
    let servers: Vec<_> = cluster
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    let url = format!("redis+cluster://{}", servers.join(","));
    at_every_node_at_once(over(&url, Durability::Replicated)).await;
}
