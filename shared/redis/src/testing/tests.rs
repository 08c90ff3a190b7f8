use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};

use super::{Cluster, Manner, Options, Proxy, RedisServer, Replicated, SLOTS, until};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_durable_server_keeps_what_it_acknowledged_before_it_was_killed() {
    let mut server = RedisServer::start(Options::durable()).await;
    let port = server.address();
    server.command::<()>("SET kept 1").await;
    server.kill();
    assert!(server.try_command::<u32>("GET kept").await.is_err());
    server.restart().await;
    assert_eq!(server.address(), port);
    assert_eq!(server.command::<u32>("GET kept").await, 1);
}

#[tokio::test]
async fn a_server_in_memory_forgets_when_it_is_killed() {
    let mut server = RedisServer::start(Options::in_memory()).await;
    server.command::<()>("SET gone 1").await;
    server.restart().await;
    assert_eq!(server.command::<u32>("EXISTS gone").await, 0);
}

#[tokio::test]
async fn a_paused_server_answers_when_it_is_resumed() {
    let mut server = RedisServer::start(Options::in_memory()).await;
    let mut connection = server.connect().await.unwrap();
    server.pause();
    let asked = tokio::spawn(async move {
        let answer: String = redis::cmd("PING")
            .query_async(&mut connection)
            .await
            .unwrap();
        answer
    });
    // Nothing tells that an answer will not come, but another command's time-out.
    let refused = tokio::time::timeout(Duration::from_millis(100), server.connect()).await;
    assert!(refused.is_err() && !asked.is_finished());
    server.resume();
    assert_eq!(asked.await.unwrap(), "PONG");
}

#[tokio::test]
async fn a_full_server_refuses_writes_until_it_has_room() {
    let server = RedisServer::start(Options::in_memory()).await;
    let used = server.used_memory().await;
    server.set_config("maxmemory", &used.to_string()).await;
    let refused = server.try_command::<()>("SET more 1").await.unwrap_err();
    assert_eq!(refused.code(), Some("OOM"));
    server.set_config("maxmemory", "0").await;
    server.command::<()>("SET more 1").await;
}

#[tokio::test]
async fn a_restored_backup_is_older_than_what_was_acknowledged() {
    let mut server = RedisServer::start(Options::durable()).await;
    server.command::<()>("SET old 1").await;
    let backup = server.back_up();
    server.command::<()>("SET new 1").await;
    server.restore(&backup).await;
    assert_eq!(server.command::<u32>("EXISTS old new").await, 1);
}

#[tokio::test]
async fn a_failover_to_a_replica_that_was_cut_off_loses_acknowledged_writes() {
    let mut both = Replicated::start(Options::durable()).await;
    both.primary.command::<()>("SET both 1").await;
    both.until_in_sync().await;
    both.part().await;
    both.primary.command::<()>("SET lost 1").await;
    both.fail_over().await;
    assert_eq!(both.primary.command::<u32>("EXISTS both lost").await, 1);
    both.rejoin().await;
    let exists = both.replica.command::<u32>("EXISTS both lost").await;
    assert_eq!(exists, 1, "the old primary follows the new one");
}

/// What answers rest on that found something and wrote nothing: the replica must have
/// what they found, by any writer.
#[tokio::test]
async fn waiting_after_a_look_waits_for_what_others_wrote_before() {
    let mut both = Replicated::start(Options::in_memory()).await;
    both.replica.pause();
    both.primary.command::<()>("SET spent 1").await;
    let mut other = both.primary.connect().await.unwrap();
    let mut look = redis::pipe();
    look.cmd("GET").arg("spent");
    look.cmd("WAIT").arg(1).arg(50);
    let found: (u32, u32) = look.query_async(&mut other).await.unwrap();
    assert_eq!(found, (1, 0), "found, and on no replica");
    both.replica.resume();
    look.cmd("WAIT").arg(1).arg(10_000);
    let found: (u32, u32, u32) = look.query_async(&mut other).await.unwrap();
    assert_eq!((found.0, found.2), (1, 1));
}

#[tokio::test]
async fn a_cluster_serves_every_slot_survives_a_death_and_moves_slots() {
    let mut cluster = Cluster::start(Options::durable()).await;
    let slot = cluster.slot_of("{tag}key").await;
    assert_eq!(slot, cluster.slot_of("tag").await);
    let primary = cluster.primary_of(slot).await;
    cluster.nodes[primary].command::<()>("SET {tag}key 1").await;
    let copied = cluster.nodes[primary].command::<u32>("WAIT 1 5000").await;
    assert_eq!(copied, 1);

    let elsewhere = (primary + 1) % 3;
    cluster.migrate(slot, elsewhere).await;
    assert_eq!(cluster.primary_of(slot).await, elsewhere);
    let moved = &cluster.nodes[elsewhere];
    assert_eq!(moved.command::<u32>("GET {tag}key").await, 1);
    assert_eq!(moved.command::<u32>("WAIT 1 5000").await, 1);

    cluster.nodes[elsewhere].kill();
    // A node that had the slot before may claim it until it hears of the heir.
    let found: u32 = until("the heir to serve", SOON, async || {
        let heir = cluster.primary_of(slot).await;
        assert_ne!(heir, elsewhere);
        cluster.nodes[heir].try_command("GET {tag}key").await.ok()
    })
    .await;
    assert_eq!(found, 1);

    cluster.nodes[elsewhere].restart().await;
    cluster.until_ok().await;
    assert!(cluster.primary_of(SLOTS - 1).await < cluster.nodes.len());
}

/// A connection through the proxy that gives up soon.
async fn through(proxy: &Proxy) -> RedisResult<MultiplexedConnection> {
    let patience = Some(Duration::from_millis(200));
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(patience)
        .set_response_timeout(patience);
    let client = Client::open(proxy.url()).unwrap();
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

async fn count(connection: &mut MultiplexedConnection) -> RedisResult<u32> {
    let mut command = redis::cmd("INCR");
    command.arg("n").query_async(connection).await
}

#[tokio::test]
async fn a_proxy_loses_the_answer_to_one_command_and_no_other() {
    let server = RedisServer::start(Options::in_memory()).await;
    let proxy = Proxy::start(server.address()).await;
    proxy.set(Manner::LoseAnswersTo("INCR"));
    let mut connection = through(&proxy).await.unwrap();
    let ping = redis::cmd("PING");
    let answer: String = ping.query_async(&mut connection).await.unwrap();
    assert_eq!(answer, "PONG");
    assert!(count(&mut connection).await.is_err());
    assert_eq!(server.command::<u32>("GET n").await, 1, "it was done");
}

#[tokio::test]
async fn a_proxy_cuts_stalls_delays_loses_answers_and_leads_elsewhere() {
    let server = RedisServer::start(Options::in_memory()).await;
    let proxy = Proxy::start(server.address()).await;
    let mut connection = through(&proxy).await.unwrap();
    assert_eq!(count(&mut connection).await, Ok(1));

    proxy.set(Manner::Stall);
    assert!(count(&mut connection).await.unwrap_err().is_timeout());
    proxy.set(Manner::Pass);
    assert_eq!(count(&mut connection).await, Ok(3), "it was only late");

    proxy.set(Manner::LoseAnswers);
    assert!(count(&mut connection).await.is_err());
    proxy.set(Manner::Delay(Duration::from_millis(20)));
    let mut connection = through(&proxy).await.unwrap();
    let asked = std::time::Instant::now();
    assert_eq!(count(&mut connection).await, Ok(5), "the answer was lost");
    assert!(asked.elapsed() >= Duration::from_millis(40));

    proxy.set(Manner::Cut);
    assert!(count(&mut connection).await.is_err());
    assert!(through(&proxy).await.is_err());
    proxy.set(Manner::Pass);
    let mut connection = through(&proxy).await.unwrap();
    proxy.cut_once();
    assert!(count(&mut connection).await.is_err());

    let other = RedisServer::start(Options::in_memory()).await;
    proxy.lead_to(other.address());
    let mut connection = through(&proxy).await.unwrap();
    assert_eq!(count(&mut connection).await, Ok(1));
    assert_eq!(proxy.connections(), 5);
}
