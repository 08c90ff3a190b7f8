//! From the data directory to one Redis, and from there to a cluster, as
//! docs/redis.md says: no token can be spent again on the way, and no entry is lost.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use pennyblack_base::problem::ProblemType;
use pennyblack_protocol::store_request::SignedStoreRequest;
use pennyblack_redis::testing::{Cluster, Options, RedisServer};
use pennyblack_redis::{Durability, RedisOptions};
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::drawing::Spendable;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::process::{Process, Role, write_config};
use pennyblack_tests::world::World;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");

/// Calls at each step: enough that, of the names made of random bytes, some are odd.
const CALLS: usize = 8;

/// Tokens that are spent, what for, and tokens that are not.
struct Calls {
    mailbox: Mailbox,
    fresh: Vec<Spendable>,
    stored: Vec<(Spendable, SignedStoreRequest, String)>,
}

impl Calls {
    async fn store_some(&mut self, world: &World) {
        for _ in 0..CALLS {
            self.store_one(world).await;
        }
    }

    async fn store_one(&mut self, world: &World) {
        let token = self.fresh.pop().unwrap();
        let passport = format!("passport.{}.x", self.stored.len());
        let request = world.spend(&token, &self.mailbox, &passport);
        world.store(&request).await.unwrap().assert_created();
        self.stored.push((token, request, passport));
    }

    /// Everything is as it was before the store moved. Repeating what was stored comes
    /// last, since it heals.
    async fn assert_kept(&self, world: &World) {
        self.assert_found(world).await;
        for (token, _, _) in &self.stored {
            let other = world.spend(token, &self.mailbox, "another.pass.port");
            let answer = world.store(&other).await.unwrap();
            assert_eq!(answer.problem(), ProblemType::TokenAlreadySpent);
        }
        for (_, request, _) in &self.stored {
            world.store(request).await.unwrap().assert_created();
        }
        self.assert_found(world).await;
    }

    async fn assert_found(&self, world: &World) {
        let found = world.read(&self.mailbox).await;
        assert_eq!(found.len(), self.stored.len());
        let found: BTreeSet<_> = found.into_iter().collect();
        let expected = self.stored.iter().map(|(_, _, passport)| passport.clone());
        assert_eq!(found, expected.collect());
    }
}

fn redis(url: &str, durability: Durability) -> Option<RedisOptions> {
    let mut options = RedisOptions::new(url.parse().unwrap());
    options.durability = durability;
    Some(options)
}

fn succeeded(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
}

fn cps_command(world: &World) -> Command {
    let mut command = Command::new("timeout");
    command.args(["60", SERVICE, "cps", "--config"]);
    command.arg(write_config(Role::Cps, world));
    command
}

/// The configuration from before the move does not begin another store.
fn assert_no_way_back(world: &World) {
    let now = write_config(Role::Cps, world);
    let text = std::fs::read_to_string(&now).unwrap();
    let mut before: toml::Table = toml::from_str(&text).unwrap();
    before.remove("store");
    let path = world.path("cps-before.toml");
    std::fs::write(&path, before.to_string()).unwrap();
    let mut command = Command::new("timeout");
    let output = command.args(["60", SERVICE, "cps", "--config"]).arg(path);
    let output = output.output().unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complained}");
    assert!(
        complained.contains("Set [store] to that Redis"),
        "{complained}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_to_a_redis_and_to_a_cluster_with_all_that_is_in_it() {
    let mut world = World::new(Clock::system());
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let options = Options::durable().with("hash-max-listpack-value", "128");

    let cps = Process::start(SERVICE, Role::Cps, &world).await;
    let mut calls = Calls {
        mailbox: world.mailbox().await,
        fresh: world.draw(3 * CALLS).await,
        stored: Vec::new(),
    };
    calls.store_some(&world).await;
    cps.kill();

    let one = RedisServer::start(options.clone()).await;
    world.cps.store = redis(&one.url(), Durability::SingleFsync);
    let mut command = cps_command(&world);
    succeeded(&command.arg("--move-store-to-redis").output().unwrap());
    assert_no_way_back(&world);
    let cps = Process::start(SERVICE, Role::Cps, &world).await;
    calls.assert_kept(&world).await;
    calls.store_some(&world).await;
    cps.kill();

    let cluster = Cluster::start(options.with("min-replicas-to-write", "1")).await;
    let nodes: Vec<_> = cluster
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut import = Command::new("redis-cli");
    import.args(["--cluster", "import", &nodes[0], "--cluster-from"]);
    succeeded(&import.arg(one.address().to_string()).output().unwrap());
    assert_eq!(one.command::<u64>("DBSIZE").await, 0, "left behind");
    let url = format!("redis+cluster://{}", nodes.join(","));
    world.cps.store = redis(&url, Durability::Replicated);
    let cps = Process::start(SERVICE, Role::Cps, &world).await;
    calls.assert_kept(&world).await;
    calls.store_some(&world).await;
    calls.assert_kept(&world).await;
    cps.kill();
}
