//! The connection against real servers.

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
    let nodes: Vec<_> = cluster
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    let redis = redis(&format!("redis+cluster://{}", nodes.join(",")));
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
        matches!(write().await, Err(RedisError::Away(_))).then_some(())
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
        matches!(write().await, Err(RedisError::Away(_))).then_some(())
    })
    .await;
    proxy.set(Manner::Pass);
    until("an answer", Duration::from_secs(20), async || {
        write().await.ok()
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
    crate::atomic_file::write_private(&file, b"sesame\n").unwrap();
    let mut options = RedisOptions::new(server.url().parse().unwrap());
    options.password_file = Some(file);
    let redis = Redis::new(&options).unwrap();
    assert_eq!(redis.survey().await.unwrap().len(), 1);
}
