//! Ready means that a spend would be accepted now.

use std::time::Instant;

use pennyblack_redis::{Durability, Value, cmd};

use tokio::task::JoinSet;

use super::super::keys::Shard;
use super::*;

/// Sooner than the next look at what servers say of themselves.
const SOON: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_node_is_unready_while_its_servers_accept_no_spend_and_no_longer() {
    let mut both = Replicated::start(options().with("min-replicas-to-write", "1")).await;
    let mut options = at(&both.primary.url());
    options.durability = Durability::Replicated;
    options.answer = Duration::from_millis(600);
    let directory = tempfile::tempdir().unwrap();
    let store = redeeming(&options, &directory).await;
    let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
    let watching = tokio::spawn(store.clone().watch(readiness.clone(), shutdown.clone()));
    let becomes = async |ready: bool| {
        let start = Instant::now();
        until("readiness to change", PATIENCE, async || {
            (readiness.is_ready() == ready).then_some(())
        })
        .await;
        let took = start.elapsed();
        assert!(took < SOON, "ready: {ready}, after {took:?}");
    };
    // A replica that hangs: its server does not know yet.
    both.replica.pause();
    becomes(false).await;
    both.replica.resume();
    becomes(true).await;
    // A server that takes nothing more.
    both.primary.set_config("maxmemory", "1").await;
    becomes(false).await;
    both.primary.set_config("maxmemory", "0").await;
    becomes(true).await;
    shutdown.trigger();
    watching.await.unwrap();
}

#[tokio::test]
async fn a_part_of_a_cluster_that_was_away_is_looked_at_again_when_it_is_back() {
    let mut cluster = Cluster::start(options()).await;
    let mut options = at(&cluster_url(&cluster));
    options.answer = Duration::from_millis(600);
    let directory = tempfile::tempdir().unwrap();
    let store = redeeming(&options, &directory).await;
    // A primary and its replica: nobody takes their hash slots over.
    let lost = [0, 3];
    for node in lost {
        cluster.nodes[node].kill();
    }
    let (redis, keys) = store.0.at();
    until("the breakers to open", PATIENCE, async || {
        let asked = Shard::all().map(|shard| {
            let (redis, key) = (redis.clone(), keys.fence(shard));
            async move {
                let mut get = cmd("HGET");
                get.arg(&key).arg("id");
                redis.command::<Value>(get, &key).await
            }
        });
        let answers = asked.collect::<JoinSet<_>>().join_all().await;
        let is_settled = |answer: &Result<_, _>| matches!(answer, Ok(_) | Err(RedisError::Away));
        answers.iter().all(is_settled).then_some(())
    })
    .await;
    for node in lost {
        cluster.nodes[node].restart().await;
    }
    cluster.until_ok().await;
    until("the store to be looked at", PATIENCE, async || {
        let guard = &store.0.guard;
        examination::examine(redis, keys, guard).await.ok()
    })
    .await;
}
