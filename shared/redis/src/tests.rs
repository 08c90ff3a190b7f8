//! The connection against real servers.

mod sentinel;
mod tls;

use std::net::TcpListener;
use std::time::Duration;

use super::testing::{Cluster, Manner, Options, Proxy, RedisServer, until};
use super::*;

fn redis(url: &str) -> Redis {
    let mut options = RedisOptions::new(url.parse().unwrap());
    options.answer = Duration::from_millis(500);
    Redis::new(&options).unwrap()
}

fn echo() -> Script {
    Script::new("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])")
}

/// All its servers, the given one first.
fn url_from(cluster: &Cluster, first: usize) -> String {
    let mut addresses = cluster.addresses();
    addresses.rotate_left(first);
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    format!("redis+cluster://{}", addresses.join(","))
}

fn url_of(cluster: &Cluster) -> String {
    url_from(cluster, 0)
}

const SOON: Duration = Duration::from_secs(60);

async fn write(redis: &Redis) -> Result<Vec<u8>, RedisError> {
    redis.write(&echo(), &[b"key"], &[b"value"]).await
}

#[tokio::test]
async fn scripts_run_on_a_server_that_has_never_seen_them() {
    let server = RedisServer::start(Options::durable()).await;
    let redis = redis(&server.url());
    for value in [b"one", b"two"] {
        let answer: Vec<u8> = redis.write(&echo(), &[b"key"], &[value]).await.unwrap();
        assert_eq!(answer, value);
    }
    assert_eq!(redis.shortfalls().await.unwrap(), []);
    server.set_config("appendfsync", "everysec").await;
    let said = redis.shortfalls().await.unwrap();
    assert!(
        said[0]
            .to_string()
            .contains("CONFIG SET appendfsync always")
    );
}

#[tokio::test]
async fn a_cluster_is_asked_where_the_key_is_and_every_primary_is_surveyed() {
    let cluster = Cluster::start(Options::durable()).await;
    let redis = redis(&url_of(&cluster));
    for number in 0..50u8 {
        let key = [b'k', number];
        let answer: Vec<u8> = redis.write(&echo(), &[&key], &[&key]).await.unwrap();
        assert_eq!(answer, key);
    }
    assert_eq!(redis.survey().await.unwrap().len(), 3);
    assert_eq!(redis.shortfalls().await.unwrap(), []);
    for key in ["abc", "{tag}abc", "a{}b", "a{b"] {
        assert_eq!(slot_of(key.as_bytes()), cluster.slot_of(key).await);
    }
}

#[tokio::test]
async fn a_server_of_a_cluster_that_hangs_for_good_is_done_without() {
    let mut cluster = Cluster::start(Options::durable()).await;
    let redis = redis(&url_of(&cluster));
    write(&redis).await.unwrap();
    let primary = cluster.primary_of(slot_of(b"key")).await;
    cluster.nodes[primary].pause();
    until("its heir to answer", SOON, async || {
        write(&redis).await.ok()
    })
    .await;
    let primaries = async || {
        let reports = redis.survey().await.ok()?;
        let is_primary = |report: &NodeReport| report.info["role"] == "master";
        (reports.len() == 3 && reports.iter().all(is_primary)).then_some(())
    };
    until("a survey without it", SOON, primaries).await;
    // One that begins now asks it first of all.
    let other = self::redis(&url_from(&cluster, primary));
    until("an answer to another", SOON, async || {
        write(&other).await.ok()
    })
    .await;
    cluster.nodes[primary].resume();
    cluster.until_ok().await;
    until("an answer", SOON, async || write(&redis).await.ok()).await;
}

#[tokio::test]
async fn a_seed_that_never_answers_keeps_nobody_from_the_cluster() {
    let cluster = Cluster::start(Options::in_memory()).await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let [silent, good] = [silent.local_addr().unwrap(), cluster.addresses()[0]];
    let redis = redis(&format!("redis+cluster://{silent},{good}"));
    assert_eq!(write(&redis).await.unwrap(), b"value");
}

#[tokio::test]
async fn a_slot_is_followed_while_it_moves_and_when_it_has() {
    let cluster = Cluster::start(Options::in_memory()).await;
    let redis = redis(&url_of(&cluster));
    let read = Script::new("return redis.call('GET', KEYS[1])");
    let found: Option<Vec<u8>> = redis.read(&read, &[b"key"], &[]).await.unwrap();
    assert_eq!(found, None);
    let slot = slot_of(b"key");
    let from = cluster.primary_of(slot).await;
    let [from, to] = [&cluster.nodes[from], &cluster.nodes[(from + 1) % 3]];
    let [from_id, to_id]: [String; 2] = [
        from.command("CLUSTER MYID").await,
        to.command("CLUSTER MYID").await,
    ];
    let importing = format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}");
    to.command::<()>(&importing).await;
    let migrating = format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}");
    from.command::<()>(&migrating).await;
    assert_eq!(write(&redis).await.unwrap(), b"value");
    for node in [to, from] {
        let moved = format!("CLUSTER SETSLOT {slot} NODE {to_id}");
        node.command::<()>(&moved).await;
    }
    assert_eq!(
        to.command::<String>("GET key").await,
        "value",
        "it was asked"
    );
    let found: Option<Vec<u8>> = redis.read(&read, &[b"key"], &[]).await.unwrap();
    assert_eq!(found.as_deref(), Some(&b"value"[..]), "it was followed");
}

#[tokio::test]
async fn a_server_that_dies_is_left_alone_and_used_again_when_it_is_back() {
    let mut server = RedisServer::start(Options::durable()).await;
    let redis = redis(&server.url());
    let script = echo();
    let write = async || {
        redis
            .write::<Vec<u8>>(&script, &[b"key"], &[b"value"])
            .await
    };
    write().await.unwrap();
    server.kill();
    until("the breaker to open", Duration::from_secs(20), async || {
        matches!(write().await, Err(RedisError::Away)).then_some(())
    })
    .await;
    server.restart().await;
    until("an answer", Duration::from_secs(20), async || {
        write().await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_in_time() {
    let server = RedisServer::start(Options::durable()).await;
    let proxy = Proxy::start(server.address()).await;
    let redis = redis(&proxy.url());
    let script = echo();
    let write = async || {
        redis
            .write::<Vec<u8>>(&script, &[b"key"], &[b"value"])
            .await
    };
    write().await.unwrap();
    proxy.set(Manner::Stall);
    assert!(matches!(write().await, Err(RedisError::TimedOut(_))));
    until("the breaker to open", Duration::from_secs(20), async || {
        matches!(write().await, Err(RedisError::Away)).then_some(())
    })
    .await;
    proxy.set(Manner::Pass);
    until("an answer", Duration::from_secs(20), async || {
        write().await.ok()
    })
    .await;
}

#[tokio::test]
async fn tries_that_nobody_waits_for_close_the_breaker_all_the_same() {
    let mut server = RedisServer::start(Options::durable()).await;
    let proxy = Proxy::start(server.address()).await;
    let redis = redis(&proxy.url());
    server.kill();
    until("the breaker to open", SOON, async || {
        matches!(write(&redis).await, Err(RedisError::Away)).then_some(())
    })
    .await;
    server.restart().await;
    // Every asker is gone before an answer can be there.
    proxy.set(Manner::Delay(Duration::from_millis(100)));
    let survey = async || redis.survey().await.map(drop);
    let written = async || write(&redis).await.map(drop);
    until("the breaker to close", SOON, async || {
        let patience = Duration::from_millis(5);
        let (first, second) = tokio::join!(
            tokio::time::timeout(patience, written()),
            tokio::time::timeout(patience, survey()),
        );
        let was_turned_away = |ended: &Result<Result<(), RedisError>, _>| ended.is_ok();
        (![first, second].iter().any(was_turned_away)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_write_that_the_replicas_do_not_have_is_not_acknowledged() {
    let both = testing::Replicated::start(Options::durable()).await;
    let mut options = RedisOptions::new(both.primary.url().parse().unwrap());
    options.durability = Durability::Replicated;
    let redis = Redis::new(&options).unwrap();
    let script = echo();
    let write = async || {
        redis
            .write::<Vec<u8>>(&script, &[b"key"], &[b"value"])
            .await
    };
    assert_eq!(write().await.unwrap(), b"value");
    let said = redis.shortfalls().await.unwrap();
    assert!(said[0].to_string().contains("min-replicas-to-write 1"));
    both.part().await;
    until(
        "a shortage of replicas",
        Duration::from_secs(20),
        async || matches!(write().await, Err(RedisError::Replicas { .. })).then_some(()),
    )
    .await;
    both.reunite().await;
    until("an answer", Duration::from_secs(20), async || {
        write().await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_a_right_one_is_read_from_its_file() {
    let server = RedisServer::start(Options::durable()).await;
    server.set_config("requirepass", "sesame").await;
    let address = server.address();
    let refused = redis(&format!("redis://:wrong@{address}"));
    assert!(refused.survey().await.is_err());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    pennyblack_storage::atomic_file::write_private(&file, b"sesame\n").unwrap();
    let mut options = RedisOptions::new(server.url().parse().unwrap());
    options.password_file = Some(file);
    let redis = Redis::new(&options).unwrap();
    assert_eq!(redis.survey().await.unwrap().len(), 1);
}
