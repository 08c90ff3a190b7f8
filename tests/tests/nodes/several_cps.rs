//! Several nodes of one CPS over a Redis are one CPS: what recipients register at one
//! of them holds at all of them, and mailboxes that nobody has registered are answered
//! alike.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::problem::ProblemType;
use pennyblack_cps::Config;
use pennyblack_protocol::key_record::KeyRecord;
use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::Kem;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::nodes::Nodes;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::record_feed::{Feed, Told, hash_of};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::{FIRST_NUMBER, World};

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const HOUR: Duration = Duration::from_secs(3_600);
/// Longest wait for a node to notice something.
const NOTICED: Duration = Duration::from_secs(60);

async fn redis() -> RedisServer {
    RedisServer::start(Options::durable().with("hash-max-listpack-value", "128")).await
}

fn over(redis: &RedisServer) -> impl Fn(usize, &mut Config) {
    let url = redis.url();
    move |_, config| config.store = Some(RedisOptions::new(url.parse().unwrap()))
}

fn record_of(mailbox: &Mailbox, world: &World, change: impl FnOnce(&mut KeyRecord)) -> String {
    let mut record = mailbox.record(&world.holder, world.cps_name(), world.clock.now());
    change(&mut record);
    record.sign(world.holder.certificate(), world.holder.key())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_registered_at_one_node_holds_at_every_node() {
    let world = Arc::new(World::new(Clock::system()));
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let redis = redis().await;
    let mut nodes = Nodes::start(SERVICE, &world, 2, over(&redis)).await;
    let [first, second] = nodes.addresses()[..] else {
        panic!("two nodes");
    };
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let older = record_of(&mailbox, &world, |record| {
        record.iat = record.iat.minus(HOUR);
    });
    let token = world.draw_one().await;
    world.put_record_at(first, &older).await.assert_created();

    // OOB-ASs find the mailbox at the node that did not register it, at once; those
    // who ask for keys, soon.
    let request = world.spend(&token, &mailbox, "a.b.c");
    world.store_at(second, &request).await.assert_created();
    world.until_found_at(second, &older).await;

    // A newer one by the other node replaces it at both, and an older one nowhere.
    let newer = record_of(&mailbox, &world, |_| ());
    world.put_record_at(second, &newer).await.assert_created();
    world.until_found_at(first, &newer).await;
    for node in [first, second] {
        let refused = world.put_record_at(node, &older).await;
        assert_eq!(refused.problem(), ProblemType::KeyRecordNotCurrent);
        assert_eq!(world.found_at(node).await, std::slice::from_ref(&newer));
    }
    // Killed, they know it again from Redis alone.
    for place in 0..2 {
        nodes.restart(place, &world).await;
        assert!(!nodes.data_directory(place).join("keys").exists());
    }
    for node in [first, second] {
        assert_eq!(world.found_at(node).await, std::slice::from_ref(&newer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_key_registered_at_two_nodes_at_once_end_with_the_newest_everywhere() {
    let world = Arc::new(World::new(Clock::system()));
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let redis = redis().await;
    let nodes = Nodes::start(SERVICE, &world, 2, over(&redis)).await;
    let addresses = nodes.addresses();
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let records: Vec<_> = (0..20)
        .map(|age| {
            record_of(&mailbox, &world, |record| {
                record.iat = record.iat.minus(Duration::from_secs(age));
            })
        })
        .collect();
    let mut puts = Vec::new();
    for (place, record) in records.iter().rev().enumerate() {
        puts.push(world.put_record_at(addresses[place % 2], record));
    }
    futures_util::future::join_all(puts).await;
    for node in addresses {
        until("the newest record alone", NOTICED, async || {
            (world.found_at(node).await == records[..1]).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_had_alone_it_brings_to_the_others() {
    let world = Arc::new(World::new(Clock::system()));
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let redis = redis().await;
    let alone = Nodes::start(SERVICE, &world, 1, |_, _| ()).await;
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let record = record_of(&mailbox, &world, |_| ());
    let put = world.put_record_at(alone.addresses()[0], &record).await;
    put.assert_created();
    let secret = fs::read(alone.data_directory(0).join("decoy-secret")).unwrap();
    drop(alone);

    // The first node of these has the directory of the one that was alone.
    let nodes = Nodes::start_after(SERVICE, &world, 2, over(&redis), |nodes| {
        let (moved, said) = nodes.say(0, "--move-store-to-redis", &world);
        assert!(moved, "{said}");
    })
    .await;
    for (place, node) in nodes.addresses().into_iter().enumerate() {
        world.until_found_at(node, &record).await;
        let theirs = fs::read(nodes.data_directory(place).join("decoy-secret")).unwrap();
        assert_eq!(theirs, secret);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_redis_gets_records_and_decoy_secret_back_from_its_nodes() {
    let world = Arc::new(World::new(Clock::system()));
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let redis = redis().await;
    let mut nodes = Nodes::start(SERVICE, &world, 2, over(&redis)).await;
    let addresses = nodes.addresses();
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let record = record_of(&mailbox, &world, |_| ());
    world
        .put_record_at(addresses[0], &record)
        .await
        .assert_created();
    world.until_found_at(addresses[1], &record).await;
    let before = redis.command::<Vec<u8>>("GET cps{decoys}s").await;

    redis.command::<()>("FLUSHALL").await;
    nodes.until_not_ready(0, "the store is older", &world).await;
    let (accepted, said) = nodes.say(0, "--accept-older-store", &world);
    assert!(accepted, "{said}");
    until("the decoy secret", NOTICED, async || {
        let secret = redis.command::<Option<Vec<u8>>>("GET cps{decoys}s").await;
        (secret.as_ref() == Some(&before)).then_some(())
    })
    .await;
    // A node that begins anew has it from Redis alone, sooner or later.
    nodes.kill(1);
    fs::remove_dir_all(nodes.data_directory(1)).unwrap();
    nodes.restart(1, &world).await;
    world.until_found_at(addresses[1], &record).await;
    let secret = fs::read(nodes.data_directory(1).join("decoy-secret")).unwrap();
    assert_eq!(secret, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_logs_what_is_registered_anywhere_and_every_node_has_the_same_feed() {
    let world = Arc::new(World::new(Clock::system()));
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let redis = redis().await;
    let mut nodes = Nodes::start(SERVICE, &world, 2, over(&redis)).await;
    let addresses = nodes.addresses();
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let older = record_of(&mailbox, &world, |record| {
        record.iat = record.iat.minus(HOUR);
    });
    let follower = addresses[1];
    let put = world.put_record_at(follower, &older).await;
    put.assert_created();
    let readers = addresses
        .iter()
        .map(|node| Feed::at(&world, &node.to_string()));
    let mut readers: Vec<_> = readers.collect();
    for (reader, node) in readers.iter_mut().zip(&addresses) {
        reader.read_until(&world, &Told::Record(&older)).await;
        let url = format!("http://{node}/v1/records/{}", hash_of(&older));
        let record = Answer::to(world.client.get(url)).await.unwrap();
        assert_eq!(record.content(), older.as_bytes());
    }

    // While the leader is away, another record takes the place of this one.
    nodes.kill(0);
    let newer = record_of(&mailbox, &world, |_| ());
    let put = world.put_record_at(follower, &newer).await;
    put.assert_created();
    nodes.restart(0, &world).await;
    for reader in &mut readers {
        reader.read_until(&world, &Told::end_of(&older)).await;
        let expected = [
            Told::Record(&older),
            Told::Record(&newer),
            Told::end_of(&older),
        ];
        assert_eq!(reader.told(), expected);
    }
    let mut anew = Vec::new();
    for node in &addresses {
        let answer = Feed::at(&world, &node.to_string()).ask(&world).await;
        anew.push((answer.headers["etag"].clone(), answer.body));
    }
    assert_eq!(anew[0], anew[1]);
}
