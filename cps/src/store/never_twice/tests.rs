use std::sync::Arc;

use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_sealing::envelope::Cursor;
use tempfile::TempDir;

use super::*;
use crate::store::conformance::{self, LIMITS, START, contents, spend};

const REPEATABLE: Duration = Duration::from_secs(120);

fn options_of(server: &RedisServer) -> RedisOptions {
    RedisOptions::new(server.url().parse().unwrap())
}

fn nodes(count: usize) -> Vec<String> {
    (0..count)
        .map(|node| format!("http://127.0.0.1:{node}"))
        .collect()
}

fn try_open(
    server: &RedisServer,
    owners: Owners,
    directory: &TempDir,
) -> Result<NeverTwiceStore, OpenNeverTwiceError> {
    let (options, clock) = (options_of(server), Arc::new(|| START));
    NeverTwiceStore::open(
        &options,
        owners,
        LIMITS,
        REPEATABLE,
        directory.path(),
        clock,
    )
}

async fn open(server: &RedisServer, count: usize, own: usize, at: &TempDir) -> NeverTwiceStore {
    let owners = Owners::new(nodes(count), own).unwrap();
    let store = try_open(server, owners, at).unwrap();
    store.examine().await;
    store
}

async fn server() -> RedisServer {
    RedisServer::start(Options::durable()).await
}

#[tokio::test]
async fn it_conforms_over_a_server_that_is_killed() {
    let (mut server, directory) = (server().await, tempfile::tempdir().unwrap());
    let store = open(&server, 1, 0, &directory).await;
    assert_eq!(store.refusing(), None);
    conformance::check(store, async |store| {
        drop(store);
        server.kill();
        server.restart().await;
        let store = open(&server, 1, 0, &directory).await;
        assert_eq!(store.refusing(), None);
        store
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_forgets_everything_makes_no_token_good_again() {
    let (server, directory) = (server().await, tempfile::tempdir().unwrap());
    let store = open(&server, 1, 0, &directory).await;
    let request = spend(1, 1, 1, 1);
    let stored = store.spend_and_append(request.clone(), START).await;
    assert_eq!(stored, Ok(Outcome::Stored));
    let redis = Redis::new(&options_of(&server)).unwrap();
    let flushed: String = redis
        .command(pennyblack_redis::cmd("FLUSHALL"), b"")
        .await
        .unwrap();
    assert_eq!(flushed, "OK");
    assert_eq!(contents(&store, 1, START).await, [0u8; 0]);

    let other = store.spend_and_append(spend(1, 1, 2, 1), START).await;
    assert_eq!(other, Ok(Outcome::Conflict(request.record)));
    // The entry that was lost comes back with its own request.
    for outcome in [Outcome::Stored, Outcome::AlreadyStored] {
        let again = store.spend_and_append(request.clone(), START).await;
        assert_eq!(again, Ok(outcome));
    }
    assert_eq!(contents(&store, 1, START).await, [1]);
}

#[tokio::test]
async fn a_death_between_journal_and_entry_heals_with_the_same_request() {
    let (server, directory) = (server().await, tempfile::tempdir().unwrap());
    let store = open(&server, 1, 0, &directory).await;
    let request = spend(1, 1, 1, 1);
    let spent = store.journal.spend_and_append(request.clone(), START).await;
    assert_eq!(spent, Ok(Outcome::Stored));
    drop(store);
    let store = open(&server, 1, 0, &directory).await;
    let other = store.spend_and_append(spend(1, 1, 2, 1), START).await;
    assert_eq!(other, Ok(Outcome::Conflict(request.record)));
    let again = store.spend_and_append(request, START).await;
    assert_eq!(again, Ok(Outcome::Stored));
    assert_eq!(contents(&store, 1, START).await, [1]);
}

#[tokio::test]
async fn entries_are_in_redis_and_not_in_the_journal() {
    let (server, directory) = (server().await, tempfile::tempdir().unwrap());
    let store = open(&server, 1, 0, &directory).await;
    for token in 0..30 {
        let request = spend(1, token, 1, 1);
        let stored = store.spend_and_append(request, START).await;
        assert_eq!(stored, Ok(Outcome::Stored));
    }
    assert_eq!(
        contents(&store, 1, START).await.len(),
        LIMITS.mailbox_capacity
    );
    // Only one of the two drops entries, and counts them.
    let window = Window {
        after: Cursor::START,
        max: 64,
        slot_size: 0,
    };
    let mailbox = MailboxId([1; 32]);
    let page = store.journal.page(mailbox, window, START).await.unwrap();
    assert!(!page.dropped);
    let files = std::fs::read_dir(directory.path().join(JOURNAL)).unwrap();
    let sizes = files.map(|file| file.unwrap().metadata().unwrap().len());
    assert!(sizes.sum::<u64>() < 30 * 1024, "half of the entries' bytes");
}

#[tokio::test]
async fn each_token_is_spent_at_one_node_and_all_count_it() {
    let server = server().await;
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let stores = [
        open(&server, 2, 0, &directories[0]).await,
        open(&server, 2, 1, &directories[1]).await,
    ];
    let mut owned = [0; 2];
    for token in 0..20 {
        let request = spend(1, token, 1, 1);
        let owner = stores[0]
            .owners()
            .owner_of(&request.token_key_id, &request.nonce);
        owned[owner] += 1;
        let elsewhere = stores[1 - owner]
            .spend_and_append(request.clone(), START)
            .await;
        assert!(matches!(elsewhere, Err(StoreError::Unavailable(_))));
        let stored = stores[owner].spend_and_append(request, START).await;
        assert_eq!(stored, Ok(Outcome::Stored));
    }
    assert!(owned.iter().all(|count| *count > 0), "{owned:?}");
    for store in &stores {
        store.claim().await;
    }
    let epoch = TokenKeyId([1; 32]);
    assert_eq!(stores[0].spent(epoch).await, Ok(20));
    stores[0].close_epoch(epoch).await.unwrap();
    assert_eq!(stores[1].spent(epoch).await, Ok(20));
}

#[tokio::test]
async fn what_a_node_has_spent_is_not_counted_until_it_has_said_it_again_after_a_loss() {
    let server = server().await;
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let stores = [
        open(&server, 2, 0, &directories[0]).await,
        open(&server, 2, 1, &directories[1]).await,
    ];
    for token in 0..20 {
        let request = spend(1, token, 1, 1);
        let owners = stores[0].owners();
        let owner = owners.owner_of(&request.token_key_id, &request.nonce);
        let stored = stores[owner].spend_and_append(request, START).await;
        assert_eq!(stored, Ok(Outcome::Stored));
    }
    let redis = Redis::new(&options_of(&server)).unwrap();
    // A loss just after one that was mended, and each hidden by what this node writes.
    for _ in 0..2 {
        let flush = pennyblack_redis::cmd("FLUSHALL");
        redis.command::<String>(flush, b"").await.unwrap();
        stores[0].claim().await;
        let counted = stores[0].spent(TokenKeyId([1; 32])).await;
        assert!(
            matches!(&counted, Err(StoreError::Unavailable(why)) if why.contains("another node")),
            "{counted:?}"
        );
        stores[1].claim().await;
        assert_eq!(stores[0].spent(TokenKeyId([1; 32])).await, Ok(20));
    }
}

#[tokio::test]
async fn a_second_node_in_the_same_place_and_a_lost_directory_are_refused() {
    let server = server().await;
    let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let store = open(&server, 1, 0, &first).await;
    assert_eq!(store.refusing(), None);
    let other = open(&server, 1, 0, &second).await;
    assert!(other.refusing().unwrap().contains("another journal"));
    let refused = other.spend_and_append(spend(1, 1, 1, 1), START).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    drop((store, other));

    let owners = Owners::new(nodes(1), 0).unwrap();
    let accepted = NeverTwiceStore::accept_journal(&options_of(&server), &owners).await;
    accepted.unwrap();
    assert_eq!(open(&server, 1, 0, &second).await.refusing(), None);
}

#[tokio::test]
async fn a_journal_that_knows_less_than_redis_has_seen_is_refused() {
    let (server, directory) = (server().await, tempfile::tempdir().unwrap());
    let store = open(&server, 1, 0, &directory).await;
    let spent = store.spend_and_append(spend(1, 1, 1, 1), START).await;
    assert_eq!(spent, Ok(Outcome::Stored));
    store.claim().await;
    drop(store);
    // As a backup of the time before the spend.
    std::fs::remove_dir_all(directory.path().join(JOURNAL)).unwrap();
    let store = open(&server, 1, 0, &directory).await;
    assert!(store.refusing().unwrap().contains("older copy"));
}

#[tokio::test]
async fn another_list_of_nodes_is_refused() {
    let (server, directory) = (server().await, tempfile::tempdir().unwrap());
    drop(open(&server, 2, 0, &directory).await);
    for owners in [(3, 0), (2, 1)] {
        let owners = Owners::new(nodes(owners.0), owners.1).unwrap();
        let refused = try_open(&server, owners, &directory);
        assert!(matches!(
            refused,
            Err(OpenNeverTwiceError::Membership(
                MembershipError::OtherNodes { .. }
            ))
        ));
    }
    // Nor by Redis, where the file was removed too early.
    let elsewhere = tempfile::tempdir().unwrap();
    let store = open(&server, 3, 0, &elsewhere).await;
    assert!(store.refusing().unwrap().contains("node lists differ"));
}
