//! Several nodes of one CPS as one gateway.

use std::fs;
use std::sync::Arc;

use http::StatusCode;
use pennyblack_cps::ObliviousConfig;
use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::nodes::Nodes;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::sealed::{ask_at, inner_store, served_keys_at};
use pennyblack_tests::world::World;

use crate::SERVICE;

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_copies_of_one_seed_open_what_is_sealed_to_either() {
    let mut world = World::new(Clock::system());
    world.cps.oblivious = Some(ObliviousConfig::default());
    let world = Arc::new(world);
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let redis = Options::durable().with("hash-max-listpack-value", "128");
    let redis = RedisServer::start(redis).await;
    let url = redis.url();
    let over_redis = |_: usize, config: &mut pennyblack_cps::Config| {
        config.store = Some(RedisOptions::new(url.parse().unwrap()));
    };
    let prepare = |nodes: &Nodes| {
        let seed = |place| nodes.data_directory(place).join("oblivious-seed");
        // None makes one of its own, and says what to do.
        let (is_good, said) = nodes.say(1, "--check-config", &world);
        assert!(!is_good && said.contains("--make-oblivious-seed"), "{said}");
        assert!(!seed(1).exists());
        let (is_made, said) = nodes.say(0, "--make-oblivious-seed", &world);
        assert!(is_made, "{said}");
        fs::create_dir_all(nodes.data_directory(1)).unwrap();
        fs::copy(seed(0), seed(1)).unwrap();
        let (is_made, said) = nodes.say(0, "--make-oblivious-seed", &world);
        assert!(!is_made && said.contains("exists"), "{said}");
    };
    let nodes = Nodes::start_after(SERVICE, &world, 2, over_redis, prepare).await;
    let addresses = nodes.addresses();
    let hosts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let keys = served_keys_at(&world, &hosts[0]).await;
    assert_eq!(keys, served_keys_at(&world, &hosts[1]).await);
    let mailbox = world.mailbox_at(&addresses).await;
    let signed = world.spend(&world.draw_one().await, &mailbox, "a.b.c");
    for host in &hosts {
        let answer = ask_at(&world, host, &keys[0], &inner_store(&world, &signed)).await;
        assert_eq!(answer.inner.status, StatusCode::CREATED, "{host}");
    }
}
