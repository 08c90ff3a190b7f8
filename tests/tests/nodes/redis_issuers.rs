//! Two issuer processes over one Redis, and a CPS that takes the tokens of both:
//! while each of them dies and comes back, carriers go on drawing, and nothing that
//! was granted is lost, doubled or refused.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_issuer::Config;
use pennyblack_privacypass::directory::WELL_KNOWN_PATH;
use pennyblack_privacypass::issuance::BATCH_REQUEST_TYPE;
use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::PublicConfig;
use pennyblack_storage::atomic_file;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::drawing::{Drawing, attestation};
use pennyblack_tests::port::free_port;
use pennyblack_tests::process::{Process, Role, write_config_of};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const NODES: usize = 2;
/// Drawings at once, drawings in all, and tokens of each.
const AT_ONCE: usize = 8;
const DRAWINGS: usize = NODES * DEATHS * AT_ONCE;
const BATCH: usize = 8;
/// How often each node ends.
const DEATHS: usize = 3;
/// Longest wait for a drawing to be granted, restarts included.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a node ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// At once (SIGKILL).
    Killed,
    /// Asked to (SIGTERM), after its open requests.
    Asked,
}

/// A node's configuration, and its process when it has one.
struct Node {
    name: String,
    config: Config,
    process: Option<Process>,
}

impl Node {
    fn of(world: &World, place: usize) -> Self {
        let name = format!("issuer-{place}");
        let mut config = world.issuer.clone();
        config.issuer.data_directory = world.path(&format!("{name}-data"));
        if place > 0 {
            let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
            let leader = std::mem::replace(&mut config.public, PublicConfig::plain(address));
            config.transparency_log.leader = Some(format!("http://{}", leader.listen));
        }
        Self {
            name,
            config,
            process: None,
        }
    }

    const fn address(&self) -> SocketAddr {
        self.config.public.listen
    }

    /// Ends it at this instant if it runs, and starts it.
    async fn restart(&mut self, world: &World) {
        self.end(End::Killed).await;
        self.start(world).await;
    }

    async fn end(&mut self, end: End) {
        match (self.process.take(), end) {
            (Some(process), End::Killed) => process.kill(),
            (Some(process), End::Asked) => process.stop().await,
            (None, _) => {}
        }
    }

    async fn start(&mut self, world: &World) {
        let config = write_config_of(&self.name, &self.config, world);
        let mut command = Command::new(SERVICE);
        command.arg("issuer").arg("--config").arg(config);
        self.process = Some(Process::start_named(command, &self.name, world).await);
    }
}

fn world_over(server: &RedisServer, quota: usize) -> World {
    let mut world = World::new(Clock::system());
    let key = world.path("wrapping.key");
    atomic_file::write_private(&key, "5e".repeat(32).as_bytes()).unwrap();
    world.issuer.token_keys.wrapping_key = Some(key);
    world.issuer.store = Some(RedisOptions::new(server.url().parse().unwrap()));
    world.issuer.quota.tokens = quota.try_into().unwrap();
    world
}

/// Sends a drawing to the node at an address.
async fn send(
    world: &World,
    node: SocketAddr,
    drawing: &Drawing,
) -> Result<Answer, reqwest::Error> {
    let body = drawing.body();
    let now = world.clock.now();
    let jwt = attestation(&world.carrier, world.issuer_name(), &body, now);
    let post = world
        .client
        .post(format!("http://{node}/token-request"))
        .bearer_auth(jwt)
        .header("content-type", BATCH_REQUEST_TYPE)
        .body(body);
    Answer::to(post).await
}

/// Sends a drawing to the nodes by turns, the first one first, until it is granted.
async fn granted(world: &World, nodes: &[SocketAddr], first: usize, drawing: &Drawing) -> Vec<u8> {
    let mut turn = first;
    until("a granted drawing", PATIENCE, async || {
        let node = nodes[turn % nodes.len()];
        turn += 1;
        let answer = send(world, node, drawing).await.ok()?;
        match answer.status {
            StatusCode::OK => Some(answer.content().to_vec()),
            // Which may be sent again.
            StatusCode::SERVICE_UNAVAILABLE => None,
            other => panic!("{other}: {}", answer.text()),
        }
    })
    .await
}

async fn directory(world: &World, node: SocketAddr) -> (Vec<u8>, String) {
    let get = world.client.get(format!("http://{node}{WELL_KNOWN_PATH}"));
    let answer = Answer::to(get).await.unwrap();
    let etag = answer.headers["etag"].to_str().unwrap().to_owned();
    (answer.content().to_vec(), etag)
}

#[tokio::test]
async fn two_issuers_killed_in_turn_lose_nothing() {
    issuers_that_end_in_turn_lose_nothing(End::Killed).await;
}

#[tokio::test]
async fn a_rolling_restart_of_two_issuers_loses_nothing() {
    issuers_that_end_in_turn_lose_nothing(End::Asked).await;
}

async fn issuers_that_end_in_turn_lose_nothing(end: End) {
    let server = RedisServer::start(Options::durable()).await;
    let world = world_over(&server, DRAWINGS * BATCH);
    let mut nodes: Vec<_> = (0..NODES).map(|place| Node::of(&world, place)).collect();
    for node in &mut nodes {
        node.restart(&world).await;
    }
    let addresses: Vec<_> = nodes.iter().map(Node::address).collect();
    let cps = Process::start(SERVICE, Role::Cps, &world).await;
    let shown = directory(&world, addresses[0]).await;
    assert_eq!(directory(&world, addresses[1]).await, shown);

    let mut drawings = Vec::new();
    for _ in 0..DRAWINGS {
        drawings.push(world.drawing(BATCH).await);
    }
    // While each node ends and comes back, some carriers draw at once from both.
    let mut answers = Vec::new();
    for (turn, drawn) in drawings.chunks(AT_ONCE).enumerate() {
        let draws = drawn.iter().enumerate();
        let draws = draws.map(|(first, drawing)| granted(&world, &addresses, first, drawing));
        let node = &mut nodes[turn % NODES];
        let restart = async {
            node.end(end).await;
            node.start(&world).await;
        };
        let (granted, ()) = tokio::join!(futures_util::future::join_all(draws), restart);
        answers.extend(granted);
    }

    // A client that lost an answer gets the same again, from either node.
    for (drawing, answer) in drawings.iter().zip(&answers) {
        for node in &addresses {
            let again = send(&world, *node, drawing).await.unwrap();
            assert_eq!(again.content(), answer.as_slice());
        }
    }
    // The quota was charged to the token, over both nodes and all their lives.
    let one_more = world.drawing(1).await;
    for node in &addresses {
        let refused = send(&world, *node, &one_more).await.unwrap();
        assert_eq!(refused.problem(), ProblemType::QuotaExceeded);
        assert_eq!(directory(&world, *node).await, shown);
    }
    // Every token is good at the CPS.
    let mailbox = world.mailbox().await;
    for (place, (drawing, answer)) in drawings.into_iter().zip(&answers).enumerate() {
        let token = drawing.finish(answer).pop().unwrap();
        let request = world.spend(&token, &mailbox, &format!("call.{place}.x"));
        world.store(&request).await.unwrap().assert_created();
    }
    cps.kill();
}

#[tokio::test]
async fn an_issuer_over_an_emptied_redis_does_not_come_up_again_by_itself() {
    let server = RedisServer::start(Options::durable()).await;
    let world = world_over(&server, 10);
    let mut node = Node::of(&world, 0);
    node.restart(&world).await;
    node.process.take().unwrap().kill();
    server.command::<()>("FLUSHALL").await;
    let config = write_config_of(&node.name, &node.config, &world);
    let mut command = Command::new(SERVICE);
    command.arg("issuer").arg("--config").arg(config);
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
    let ended = ended.await.unwrap();
    assert!(!ended.status.success());
    let said = String::from_utf8(ended.stderr).unwrap();
    let last = said.lines().last().unwrap_or_default();
    assert!(
        last.contains("lost token keys") && last.contains("seen.json"),
        "{said}"
    );
}
