mod losses;
mod pages;
mod trouble;

use pennyblack_redis::testing::{Cluster, Manner, Options, Proxy, RedisServer, Replicated, until};
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_sealing::mailbox::Kem;
use tempfile::TempDir;

use super::*;
use crate::store::conformance::{self, LIMITS, START, contents, spend};
use crate::store::embedded::EmbeddedStore;

const REPEATABLE: Duration = Duration::from_secs(120);
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Settings of a server that is not asked twice.
fn options() -> Options {
    Options::durable().with("hash-max-listpack-value", "128")
}

fn at(url: &str) -> RedisOptions {
    RedisOptions::new(url.parse().unwrap())
}

fn cluster_url(cluster: &Cluster) -> String {
    let nodes: Vec<_> = cluster
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    format!("redis+cluster://{}", nodes.join(","))
}

async fn open(options: &RedisOptions, directory: &TempDir) -> RedisStore {
    let store = RedisStore::open(options, LIMITS, REPEATABLE, directory.path()).unwrap();
    store.examine().await;
    store
}

/// Examined until it redeems: a replica may have to catch up first.
async fn redeeming(options: &RedisOptions, directory: &TempDir) -> RedisStore {
    let store = open(options, directory).await;
    until("the store to redeem", PATIENCE, async || {
        if store.refusing().is_none() {
            return Some(());
        }
        store.examine().await;
        None
    })
    .await;
    store
}

#[tokio::test]
async fn it_conforms_on_one_server_that_is_killed() {
    let mut server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let store = redeeming(&options, &directory).await;
    conformance::check(store, async |store| {
        store.save().await;
        drop(store);
        server.kill();
        server.restart().await;
        redeeming(&options, &directory).await
    })
    .await;
}

#[tokio::test]
async fn it_conforms_on_a_cluster() {
    let cluster = Cluster::start(options()).await;
    let (options, directory) = (at(&cluster_url(&cluster)), tempfile::tempdir().unwrap());
    let store = redeeming(&options, &directory).await;
    conformance::check(store, async |store| {
        drop(store);
        redeeming(&options, &directory).await
    })
    .await;
}

#[tokio::test]
async fn two_nodes_share_what_is_spent_and_what_is_stored() {
    let server = RedisServer::start(options()).await;
    let options = at(&server.url());
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (one, two) = tokio::join!(
        redeeming(&options, &directories[0]),
        redeeming(&options, &directories[1]),
    );
    let request = spend(1, 1, 1, 1);
    let stored = one.spend_and_append(request.clone(), START).await;
    assert_eq!(stored, Ok(Outcome::Stored));
    let again = two.spend_and_append(request.clone(), START).await;
    assert_eq!(again, Ok(Outcome::AlreadyStored));
    let other = two.spend_and_append(spend(1, 1, 2, 1), START).await;
    assert_eq!(other, Ok(Outcome::Conflict(request.record)));
    assert_eq!(contents(&two, 1, START).await, [1]);
}

#[tokio::test]
async fn a_death_between_spend_and_entry_heals_with_the_same_request() {
    let server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let store = redeeming(&options, &directory).await;
    let request = spend(1, 1, 1, 1);
    let record = request.record.to_bytes();
    let first = store.0.spend(request.token_key_id, &request.nonce, &record);
    assert!(matches!(first.await, Ok(Spent::Now(_))));
    assert_eq!(contents(&store, 1, START).await, [0u8; 0]);
    let other = store.spend_and_append(spend(1, 1, 2, 1), START).await;
    assert_eq!(other, Ok(Outcome::Conflict(request.record)));
    for outcome in [Outcome::Stored, Outcome::AlreadyStored] {
        let again = store.spend_and_append(request.clone(), START).await;
        assert_eq!(again, Ok(outcome));
    }
    assert_eq!(contents(&store, 1, START).await, [1]);
    assert_eq!(store.spent(request.token_key_id).await, Ok(1));
}

#[tokio::test]
async fn a_node_knows_of_spends_whose_answers_it_lost_when_it_finds_them() {
    let mut both = Replicated::start(options()).await;
    let proxy = Proxy::start(both.primary.address()).await;
    let (options, directory) = (at(&proxy.url()), tempfile::tempdir().unwrap());
    let store = redeeming(&options, &directory).await;
    // The server knows the scripts from now on.
    store
        .spend_and_append(spend(2, 2, 1, 2), START)
        .await
        .unwrap();
    both.until_in_sync().await;
    both.part().await;
    // The first key of a script that spends.
    proxy.set(Manner::LoseAnswersTo("}F\r\n"));
    let request = spend(1, 1, 1, 1);
    let lost = store.spend_and_append(request.clone(), START).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))));
    proxy.set(Manner::Pass);
    let stored = until("the same request to succeed", PATIENCE, async || {
        let again = store.spend_and_append(request.clone(), START).await;
        again.ok()
    });
    assert_eq!(stored.await, Outcome::Stored);

    both.fail_over().await;
    proxy.lead_to(both.primary.address());
    let why = until("a refusal for good", PATIENCE, async || {
        let other = store.spend_and_append(spend(1, 1, 2, 1), START).await;
        assert!(other.is_err(), "spent twice");
        store.refusing()
    });
    assert!(why.await.contains("older"));
}

#[tokio::test]
async fn an_entry_is_gone_from_the_server_when_it_is_dead() {
    let server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let limits = Limits {
        entry_lifetime: Duration::from_secs(1),
        ..LIMITS
    };
    let store = RedisStore::open(&options, limits, REPEATABLE, directory.path()).unwrap();
    store.examine().await;
    let request = spend(1, 1, 1, 1);
    store
        .spend_and_append(request.clone(), START)
        .await
        .unwrap();
    let names = store.0.keys.mailbox(&request.mailbox);
    let digest = request.record.digest;
    let entry = names.entry(&EntryId::of(request.token_key_id, &request.nonce, &digest));
    let exists = async |key: &[u8]| {
        let mut exists = pennyblack_redis::cmd("EXISTS");
        exists.arg(key);
        store.0.redis.command::<bool>(exists, key).await.unwrap()
    };
    assert!(exists(&entry).await);
    until("the entry to expire", PATIENCE, async || {
        (!exists(&entry).await).then_some(())
    })
    .await;
    // By the node's clock it would be alive.
    assert_eq!(contents(&store, 1, START).await, [0u8; 0]);
    let again = store.spend_and_append(request, START).await;
    assert_eq!(again, Ok(Outcome::AlreadyStored));
    assert_eq!(contents(&store, 1, START).await, [0u8; 0]);
}

async fn refuses(store: &RedisStore, what: &str) {
    let refused = store.spend_and_append(spend(1, 9, 1, 1), START).await;
    match refused {
        Err(StoreError::Unavailable(why)) => assert!(why.contains(what), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_flushed_store_is_not_redeemed_from_until_an_operator_accepts_it() {
    let server = RedisServer::start(options()).await;
    let options = at(&server.url());
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = redeeming(&options, &directories[0]).await;
    let two = redeeming(&options, &directories[1]).await;
    one.spend_and_append(spend(1, 1, 1, 1), START)
        .await
        .unwrap();
    server.command::<()>("FLUSHALL").await;
    // The next spend finds it, wherever it is, without having been told.
    refuses(&one, "--accept-older-store").await;
    refuses(&two, "--accept-older-store").await;
    // After a restart too, and it is not begun anew.
    one.save().await;
    drop(one);
    let one = open(&options, &directories[0]).await;
    refuses(&one, "--accept-older-store").await;
    // One word for all nodes.
    RedisStore::accept_older(&options, directories[0].path())
        .await
        .unwrap();
    // A node that looked before that says so only now.
    let before = vec![fence::Reading::default(); keys::SHARDS];
    examination::halt(&one.0.redis, &one.0.keys, None, &before).await;
    for store in [&one, &two] {
        store.examine().await;
        assert_eq!(store.refusing(), None);
    }
    let stored = two.spend_and_append(spend(1, 1, 2, 1), START).await;
    assert_eq!(stored, Ok(Outcome::Stored));
}

#[tokio::test]
async fn a_restored_backup_is_found_out_by_a_node_that_wrote_since() {
    let mut server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let store = redeeming(&options, &directory).await;
    store
        .spend_and_append(spend(1, 1, 1, 1), START)
        .await
        .unwrap();
    let backup = server.back_up();
    store
        .spend_and_append(spend(1, 2, 1, 1), START)
        .await
        .unwrap();
    server.restore(&backup).await;
    until("the loss to be found", PATIENCE, async || {
        store.examine().await;
        store.refusing().filter(|why| why.contains("older"))
    })
    .await;
    // A node that has seen nothing is told by the store.
    let other = tempfile::tempdir().unwrap();
    refuses(&open(&options, &other).await, "halted").await;
}

#[tokio::test]
async fn a_failover_that_lost_a_spend_is_found_by_the_next_one() {
    let mut both = Replicated::start(options()).await;
    let mut options = at(&both.primary.url());
    // At the level that promises nothing, so that the loss is acknowledged.
    options.durability = pennyblack_redis::Durability::BestEffort;
    let directory = tempfile::tempdir().unwrap();
    let store = redeeming(&options, &directory).await;
    both.until_in_sync().await;
    both.part().await;
    store
        .spend_and_append(spend(1, 1, 1, 1), START)
        .await
        .unwrap();
    store.save().await;
    drop(store);
    both.fail_over().await;
    options.url = both.primary.url().parse().unwrap();
    refuses(&open(&options, &directory).await, "older").await;
}

#[tokio::test]
async fn a_server_that_does_not_carry_the_level_is_refused_until_it_does() {
    let server = RedisServer::start(Options::in_memory()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let store = open(&options, &directory).await;
    refuses(&store, "CONFIG SET appendonly yes").await;
    server.set_config("appendonly", "yes").await;
    server.set_config("appendfsync", "always").await;
    store.examine().await;
    assert_eq!(store.refusing(), None);
    let stored = store.spend_and_append(spend(1, 1, 1, 1), START).await;
    assert_eq!(stored, Ok(Outcome::Stored));
}

#[tokio::test]
async fn a_full_memory_is_unavailable_and_costs_no_token() {
    let server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let store = redeeming(&options, &directory).await;
    server.set_config("maxmemory", "1").await;
    let request = spend(1, 1, 1, 1);
    let refused = store.spend_and_append(request.clone(), START).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    server.set_config("maxmemory", "0").await;
    let stored = store.spend_and_append(request, START).await;
    assert_eq!(stored, Ok(Outcome::Stored));
}

#[tokio::test]
async fn a_server_that_was_away_at_the_start_is_used_when_it_comes() {
    let mut server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    server.kill();
    let store = open(&options, &directory).await;
    refuses(&store, "has not answered").await;
    server.restart().await;
    until("the store to be redeemed from", PATIENCE, async || {
        store.examine().await;
        store.refusing().is_none().then_some(())
    })
    .await;
}

/// Four slots after a cursor.
fn window(after: Cursor) -> Window {
    Window::new(after, Slots::Four, Kem::DhkemX25519)
}

#[tokio::test]
async fn what_an_embedded_store_holds_is_taken_over() {
    let server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let home = tempfile::tempdir().unwrap();
    let old_home = home.path().join("store");
    let old = EmbeddedStore::open(&old_home, LIMITS, Arc::new(|| START)).unwrap();
    let later = START.plus(Duration::from_secs(61));
    for (token, mailbox, when) in [(1, 1, START), (2, 2, later), (3, 2, later)] {
        let stored = old
            .spend_and_append(spend(1, token, 7, mailbox), when)
            .await;
        assert_eq!(stored, Ok(Outcome::Stored));
    }
    old.spend_and_append(spend(2, 1, 7, 3), START)
        .await
        .unwrap();
    old.close_epoch(TokenKeyId([2; 32])).await.unwrap();
    let cursor = old
        .page(MailboxId([1; 32]), window(Cursor::START), START)
        .await
        .unwrap()
        .next;
    drop(old);

    let store = redeeming(&options, &directory).await;
    store.take_over(&old_home, LIMITS, later).await.unwrap();
    assert!(!old_home.exists());
    // Under its old name again it says that it was moved, and is moved once more.
    let aside = old_home.with_file_name(MOVED_STORE);
    assert!(aside.join(MOVED_MARK).exists());
    std::fs::rename(aside, &old_home).unwrap();
    store.take_over(&old_home, LIMITS, later).await.unwrap();
    for token in 1..4 {
        let other = store.spend_and_append(spend(1, token, 8, 4), later).await;
        assert!(matches!(other, Ok(Outcome::Conflict(_))), "{other:?}");
    }
    let closed = store.spend_and_append(spend(2, 1, 7, 3), later).await;
    assert_eq!(closed, Err(StoreError::EpochClosed));
    assert_eq!(contents(&store, 2, later).await, [7, 7]);
    assert_eq!(store.spent(TokenKeyId([1; 32])).await, Ok(3));
    // A crash at once: the node knows where its spends are, and believes no other store.
    drop(store);
    let other = RedisServer::start(self::options()).await;
    let elsewhere = open(&at(&other.url()), &directory).await;
    let refusing = elsewhere.refusing().unwrap();
    assert!(
        refusing.contains("older than what this node has seen"),
        "{refusing}"
    );
    drop(elsewhere);
    let store = redeeming(&options, &directory).await;
    // Cursors of the old store come before all entries of the new one.
    store
        .spend_and_append(spend(1, 9, 9, 1), later)
        .await
        .unwrap();
    let page = store
        .page(MailboxId([1; 32]), window(cursor), later)
        .await
        .unwrap();
    assert!(page.entries().len() == 1 && page.next.0 > cursor.0);
}
