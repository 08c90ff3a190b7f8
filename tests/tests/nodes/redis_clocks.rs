//! A CPS of two nodes over Redis whose clocks jump apart and back.
//!
//! `PENNYBLACK_SCHEDULES` sets how many schedules of jumps are run, and
//! `PENNYBLACK_SEED` the seed of the first.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use pennyblack_base::time::UnixTime;
use pennyblack_cps::Cps;
use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::PublicConfig;
use pennyblack_service::start::RunningService;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::history::Rules;
use pennyblack_tests::port::free_port;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::schedule::{Figures, a_while, seeds};
use pennyblack_tests::traffic::{Traffic, mailboxes};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::AbortHandle;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
/// How wrong a clock is at most, in seconds, either way.
const WRONG: u64 = 2;
const RULES: Rules = Rules {
    lifetime: Duration::from_secs(10),
    // Of two clocks that are wrong in opposite ways, and count in seconds.
    tolerance: Duration::from_secs(2 * WRONG + 2),
    capacity: 1_024,
};
const CLIENTS: u64 = 6;
const TOKENS: usize = 250;
const JUMPS: usize = 15;
/// Longest time between two jumps.
const LONGEST: Duration = Duration::from_millis(400);
const START: Duration = Duration::from_secs(60);

/// A node in this process, with a clock that goes, and goes wrong.
struct Node {
    cps: RunningService,
    address: SocketAddr,
    /// How far ahead its clock is, in seconds, plus [`WRONG`].
    ahead: Arc<AtomicU64>,
    going: AbortHandle,
}

impl Node {
    /// `leader` leads the log, unless this node does.
    async fn start(world: &World, name: &str, redis: &RedisServer, leader: Option<&Self>) -> Self {
        let (clock, hand) = Clock::by_hand(Clock::system().now());
        let ahead = Arc::new(AtomicU64::new(WRONG));
        let shown = Arc::clone(&ahead);
        let going = tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            loop {
                tick.tick().await;
                let now = Clock::system().now().0 + shown.load(Ordering::SeqCst);
                hand.set(UnixTime(now - WRONG));
            }
        });
        let mut config = world.cps.clone();
        let address = ([127, 0, 0, 1], free_port()).into();
        config.public = PublicConfig::plain(address);
        config.cps.data_directory = world.path(name);
        config.store = Some(RedisOptions::new(redis.url().parse().unwrap()));
        let leader = leader.map(|leader| format!("http://{}", leader.address));
        config.transparency_log.leader = leader;
        let cps = Cps::start(config, clock).await.unwrap();
        let url = format!("http://{}/readyz", cps.addresses().admin);
        until("readiness", START, async || {
            let answer = Answer::to(world.client.get(&url)).await.ok()?;
            (answer.status == StatusCode::OK).then_some(())
        })
        .await;
        Self {
            cps,
            address,
            ahead,
            going: going.abort_handle(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_whose_clocks_jump_give_their_clients_a_legal_history() {
    let mut world = World::new(Clock::system());
    world.issuer.quota.tokens = 100_000_000;
    world.cps.entries.lifetime = RULES.lifetime;
    world.cps.entries.oldest_signature = Duration::from_secs(3_600);
    let world = Arc::new(world);
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let options = Options::durable().with("hash-max-listpack-value", "128");
    let redis = RedisServer::start(options).await;
    let first = Node::start(&world, "first", &redis, None).await;
    let second = Node::start(&world, "second", &redis, Some(&first)).await;
    let nodes = [first, second];
    let addresses = nodes.each_ref().map(|node| node.address).to_vec();
    let mailboxes = mailboxes(&world, &addresses, 3).await;
    let mut figures = Figures::default();
    for seed in seeds(1) {
        eprintln!("seed {seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let traffic = Traffic::new(&world, addresses.clone(), &mailboxes, TOKENS).await;
        let jumps = async {
            for _ in 0..JUMPS {
                a_while(&mut rng, LONGEST).await;
                let ahead = rng.random_range(0..=2 * WRONG);
                let node = &nodes[rng.random_range(0..nodes.len())];
                node.ahead.store(ahead, Ordering::SeqCst);
                figures.count("clock jumped");
            }
        };
        traffic.during(CLIENTS, seed, jumps).await;
        // By the slowest clock there is: what is gone then is gone for good. Another
        // shows again, when it is set back, what it has hidden too early.
        for node in &nodes {
            node.ahead.store(0, Ordering::SeqCst);
        }
        traffic.settle(RULES.lifetime).await;
        figures.assert_legal(seed, &traffic, &RULES);
    }
    println!("{figures:?}");
    for node in nodes {
        node.going.abort();
        node.cps.stop().await;
    }
}
