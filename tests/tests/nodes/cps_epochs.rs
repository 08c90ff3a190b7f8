//! Two nodes of one CPS, over one Redis and with the time of one clock, take up the
//! keys of an issuer at the same second, let go of them at the same second, and share
//! what was spent in between.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_cps::Cps;
use pennyblack_issuer::Issuer;
use pennyblack_privacypass::directory::DirectoryKey;
use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_runtime::clock::{Clock, ClockHand};
use pennyblack_runtime::config::PublicConfig;
use pennyblack_service::start::RunningService;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::drawing::Spendable;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::port::free_port;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;

/// How much earlier than its beginning a CPS takes a key, for clocks that differ; and
/// how much later it forgets one.
const SKEW: Duration = Duration::from_secs(60);
/// How much later still it is closed in the log of several nodes.
const SETTLED: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
/// Longest wait for what has nothing to wait for but this machine.
const SOON: Duration = Duration::from_secs(60);

/// A node and where it keeps what it knows of the issuer.
struct Node {
    name: &'static str,
    address: SocketAddr,
    cps: RunningService,
}

impl Node {
    /// `leader` leads the log, unless this node does.
    async fn start(
        world: &World,
        name: &'static str,
        redis: &RedisServer,
        leader: Option<&Self>,
    ) -> Self {
        let mut config = world.cps.clone();
        let address = ([127, 0, 0, 1], free_port()).into();
        config.public = PublicConfig::plain(address);
        config.cps.data_directory = world.path(name);
        config.store = Some(RedisOptions::new(redis.url().parse().unwrap()));
        let leader = leader.map(|leader| format!("http://{}", leader.address));
        config.transparency_log.leader = leader;
        let cps = Cps::start(config, world.clock.clone()).await.unwrap();
        let url = format!("http://{}/readyz", cps.addresses().admin);
        until("readiness", SOON, async || {
            let answer = Answer::to(world.client.get(&url)).await.ok()?;
            (answer.status == StatusCode::OK).then_some(())
        })
        .await;
        Self { name, address, cps }
    }

    /// How many keys of the issuer it knows, begun or not.
    fn known(&self, world: &World) -> usize {
        let file = format!("{}/issuers/{}.json", self.name, world.issuer_name());
        let known = fs::read(world.path(&file)).unwrap_or_else(|_| b"[]".to_vec());
        let known: Vec<serde_json::Value> = serde_json::from_slice(&known).unwrap();
        known.len()
    }

    /// The key that it asks OOB-ASs for.
    async fn current(&self, world: &World) -> Vec<u8> {
        let answer = world.post_nothing_at(&self.address.to_string()).await;
        answer.challenges().pop().unwrap().token_key
    }

    async fn store(&self, world: &World, token: &Spendable, mailbox: &Mailbox) -> Answer {
        let request = world.spend(token, mailbox, "a.b.c");
        world.store_at(self.address, &request).await
    }
}

/// Two nodes and an issuer, with one clock.
struct Scene {
    world: World,
    hand: ClockHand,
    issuer: RunningService,
    nodes: [Node; 2],
}

impl Scene {
    async fn open(redis: &RedisServer) -> Self {
        let (clock, hand) = Clock::by_hand(Clock::system().now());
        let world = World::new(clock.clone());
        let issuer = Issuer::start(world.issuer.clone(), clock).await.unwrap();
        let first = Node::start(&world, "first", redis, None).await;
        let second = Node::start(&world, "second", redis, Some(&first)).await;
        let nodes = [first, second];
        Self {
            world,
            hand,
            issuer,
            nodes,
        }
    }

    /// Lets the time pass in which the issuer announces the key after the one that it
    /// signs with, and both nodes hear of it. The key.
    async fn announced(&self) -> DirectoryKey {
        let keys = &self.world.issuer.token_keys;
        let now = self.world.clock.now();
        let newest = |keys: Vec<DirectoryKey>| keys.into_iter().max_by_key(|key| key.not_before);
        let begun = newest(self.world.issuer_keys().await).unwrap();
        let next = begun.not_before.unwrap().plus(keys.epoch);
        self.hand.set(next.minus(keys.announce_ahead).max(now));
        let announced = until("the next key", SOON, async || {
            let newest = newest(self.world.issuer_keys().await)?;
            (newest.not_before > begun.not_before).then_some(newest)
        })
        .await;
        let known = self.nodes.each_ref().map(|node| node.known(&self.world));
        if known.iter().any(|known| *known < 2) || known[0] != known[1] {
            // Their directories are out of date by then.
            self.hand.advance(keys.directory_max_age);
        }
        until("both nodes to know it", SOON, async || {
            let known = self.nodes.each_ref().map(|node| node.known(&self.world));
            (known[0] >= 2 && known[0] == known[1]).then_some(())
        })
        .await;
        announced
    }

    async fn mailbox(&self) -> Mailbox {
        let addresses = self.nodes.each_ref().map(|node| node.address);
        self.world.mailbox_at(&addresses).await
    }

    /// Waits until both nodes ask for this key.
    async fn until_current(&self, key: &DirectoryKey) {
        for node in &self.nodes {
            until("the next key at a node", SOON, async || {
                (node.current(&self.world).await == key.encoded).then_some(())
            })
            .await;
        }
    }

    async fn assert_not_current(&self, key: &DirectoryKey) {
        for node in &self.nodes {
            assert_ne!(node.current(&self.world).await, key.encoded);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_take_up_a_key_and_let_go_of_one_at_the_same_second() {
    let redis = RedisServer::start(Options::durable().with("hash-max-listpack-value", "128")).await;
    let scene = Scene::open(&redis).await;
    let (world, nodes) = (&scene.world, &scene.nodes);
    let of_first = world.draw(4).await;
    let second = scene.announced().await;
    let begins = second.not_before.unwrap();

    scene.hand.set(begins.minus(SKEW + SECOND));
    scene.assert_not_current(&second).await;
    scene.hand.set(begins.minus(SKEW));
    scene.until_current(&second).await;
    // The one before is good at both; what is spent at one of them is at the other.
    scene.hand.set(begins);
    let mailbox = scene.mailbox().await;
    let of_second = world.draw(2).await;
    for (place, token) in [&of_first[0], &of_first[1], &of_second[0], &of_second[1]]
        .into_iter()
        .enumerate()
    {
        let [here, there] = [&nodes[place % 2], &nodes[(place + 1) % 2]];
        here.store(world, token, &mailbox).await.assert_created();
        let again = there.store(world, token, &mailbox).await;
        assert_eq!(again.problem(), ProblemType::TokenAlreadySpent);
    }

    let third = scene.announced().await;
    let begins = third.not_before.unwrap();
    scene.hand.set(begins.minus(SKEW + SECOND));
    scene.assert_not_current(&third).await;
    let mailbox = scene.mailbox().await;
    for (node, token) in nodes.iter().zip(&of_first[2..]) {
        node.store(world, token, &mailbox).await.assert_created();
    }
    scene.hand.set(begins.minus(SKEW));
    scene.until_current(&third).await;
    for node in nodes {
        // Spent or not: the key is no longer asked about.
        for token in &of_first {
            let late = node.store(world, token, &mailbox).await;
            assert_eq!(late.problem(), ProblemType::TokenInvalid);
        }
        let twice = node.store(world, &of_second[0], &mailbox).await;
        assert_eq!(twice.problem(), ProblemType::TokenAlreadySpent);
    }
    // Its spends are forgotten by both a while after that, and it stays closed.
    scene.hand.set(begins.plus(SKEW + SETTLED));
    until("one key of each node to be closed", SOON, async || {
        nodes
            .iter()
            .all(|node| node.known(world) == 2)
            .then_some(())
    })
    .await;
    for node in nodes {
        let late = node.store(world, &of_first[0], &mailbox).await;
        assert_eq!(late.problem(), ProblemType::TokenInvalid);
    }
    let Scene { nodes, issuer, .. } = scene;
    for node in nodes {
        node.cps.stop().await;
    }
    issuer.stop().await;
}
