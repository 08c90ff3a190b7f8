//! The room of a grant at a node that shares its records: also for records that come at
//! the same time, and for those that another node has taken.

use tokio::task::JoinSet;

use super::holder::{Holder, NOW};
use super::*;

const LATER: UnixTime = UnixTime(NOW.0 + 100);

async fn node(server: &RedisServer, holder: &Holder, home: &Path) -> Arc<SharedRecords> {
    let options = RedisOptions::new(server.url().parse().unwrap());
    let lifetime = Duration::from_secs(120);
    let store = RedisStore::open(&options, LIMITS, lifetime, home).unwrap();
    store.examine().await;
    let shared = Arc::new(SharedRecords::new(holder.directory(home), store));
    read(&shared, home).await;
    shared
}

async fn read(shared: &SharedRecords, home: &Path) {
    let nothing = home.join("keys");
    Reader::new(shared).catch_up(&nothing, NOW).await.unwrap();
}

/// Registers all at once: those that were stored.
async fn register_all(shared: &Arc<SharedRecords>, tokens: Vec<String>) -> Vec<String> {
    let mut all = JoinSet::new();
    for token in tokens {
        let shared = Arc::clone(shared);
        all.spawn(async move { (register(&shared, &token, NOW).await, token) });
    }
    let mut stored = Vec::new();
    for (registered, token) in all.join_all().await {
        match registered {
            Ok(_) => stored.push(token),
            Err(error) => assert!(matches!(error, Refusal::TooManyOfGrant { .. }), "{error}"),
        }
    }
    stored
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_come_at_once_cannot_all_have_the_last_of_the_room() {
    let (server, holder) = (server().await, Holder::new());
    let homes = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let one = node(&server, &holder, homes[0].path()).await;
    let tokens: Vec<_> = (0..100).map(|_| holder.sign(&holder.record())).collect();
    let size = tokens[0].len();
    let stored = register_all(&one, tokens).await;
    let bytes = size * stored.len();
    assert!(stored.len() >= 16 && bytes < 160 * 1024, "{}", stored.len());

    // Another node counts them once it has read them.
    let two = node(&server, &holder, homes[1].path()).await;
    let one_more = holder.sign(&holder.record());
    assert_eq!(register_all(&two, vec![one_more.clone()]).await, [""; 0]);

    // What was reserved is given back: a record that ends makes room.
    // What is kept of it takes less, but not nothing.
    for withdrawn in &stored[..2] {
        let withdrawn = pennyblack_protocol::key_record::UnverifiedKeyRecord::parse(withdrawn);
        let withdrawn = KeyRecord {
            iat: UnixTime(NOW.0 + 1),
            exp: UnixTime(NOW.0 + 2),
            ..withdrawn.unwrap().record().clone()
        };
        register(&one, &holder.sign(&withdrawn), NOW).await.unwrap();
    }
    assert!(register(&one, &one_more, NOW).await.is_err());
    register(&one, &one_more, LATER).await.unwrap();
}
