mod losses;
mod refused;
mod room;

use std::collections::HashSet;
use std::path::Path;

use pennyblack_protocol::key_record::{Coverage, KeyRecord, Placement};
use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_sealing::mailbox::{Kem, RecipientKey};

use super::super::tests::holder;
use super::*;
use crate::store::conformance::LIMITS;

async fn server() -> RedisServer {
    RedisServer::start(Options::durable().with("hash-max-listpack-value", "128")).await
}

async fn shards(server: &RedisServer, directory: &Path) -> RecordShards {
    let options = RedisOptions::new(server.url().parse().unwrap());
    let store = RedisStore::open(&options, LIMITS, Duration::from_secs(120), directory).unwrap();
    store.examine().await;
    RecordShards::new(store)
}

/// Verifies a record and keeps it, as the registry does.
async fn register(
    shared: &SharedRecords,
    token: &str,
    now: UnixTime,
) -> Result<Registered, Refusal> {
    match shared.directory.consider(token, now)? {
        Some(record) => shared.keep(record, now).await,
        None => Ok(Registered::Unchanged),
    }
}

fn record(iat: u64, exp: u64) -> KeyRecord {
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    KeyRecord {
        iat: UnixTime(iat),
        exp: UnixTime(exp),
        iss: "holder".to_owned(),
        coverage: Coverage::Number("12125550100".parse().unwrap()),
        key: key.config().clone(),
        placement: Placement::at("https://cps.example".parse().unwrap()),
    }
}

/// An id in the first shard.
fn id(number: u16) -> RecordDigest {
    let mut id = [0; 32];
    id[1..3].copy_from_slice(&number.to_be_bytes());
    RecordDigest(id)
}

const FAR: u64 = 4_000_000_000;

#[tokio::test]
async fn a_record_gives_way_to_newer_ones_only() {
    let (server, home) = (server().await, tempfile::tempdir().unwrap());
    let shards = shards(&server, home.path()).await;
    let put = async |iat: u64, token: &str| {
        let put = shards.put(&id(1), &record(iat, FAR), token).await;
        put.unwrap()
    };
    let shard = RecordShard::of(&id(1));
    let last = async || shards.version(shard).await.unwrap();
    assert_eq!(put(20, "first one").await, Put::Kept(last().await));
    let before = last().await;
    assert_eq!(put(20, "first one").await, Put::Same(before));
    assert_eq!(put(20, "another").await, Put::Older);
    assert_eq!(put(9, "older").await, Put::Older);
    assert_eq!(last().await, before);
    assert_eq!(put(100, "newer").await, Put::Kept(last().await));
    let page = shards.page(shard, 0).await.unwrap();
    let kept = StoredRecord {
        id: id(1),
        version: last().await,
        token: "newer".to_owned(),
    };
    assert_eq!(page.records, [kept]);
    assert!(page.last > Some(before));
    assert_eq!(page.last, Some(last().await));
    let nothing = shards.page(shard, page.last.unwrap()).await.unwrap();
    assert_eq!((nothing.records.len(), nothing.last), (0, None));
}

#[tokio::test]
async fn pages_come_to_every_record_once_however_many_there_are_in_a_shard() {
    let (server, home) = (server().await, tempfile::tempdir().unwrap());
    let shards = shards(&server, home.path()).await;
    // Whose ids all begin so has not filled the directory.
    for number in 0..1_200 {
        let token = number.to_string();
        let put = shards.put(&id(number), &record(7, FAR), &token).await;
        assert!(matches!(put.unwrap(), Put::Kept(_)));
    }
    let replaced = shards.put(&id(3), &record(8, FAR), "newer").await;
    assert!(matches!(replaced.unwrap(), Put::Kept(_)));
    let (mut found, mut after) = (Vec::new(), 0);
    let first = RecordShard::of(&id(0));
    while let page = shards.page(first, after).await.unwrap()
        && let Some(last) = page.last
    {
        found.extend(page.records);
        after = last;
    }
    let mut names: Vec<_> = found.iter().map(|record| record.id.0).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((found.len(), names.len()), (1_200, 1_200));
    assert_eq!(found.last().unwrap().token, "newer");
}

#[tokio::test]
async fn what_has_ended_by_the_servers_clock_is_removed() {
    let (server, home) = (server().await, tempfile::tempdir().unwrap());
    let shards = shards(&server, home.path()).await;
    for number in 0..300 {
        let exp = if number == 42 { FAR } else { 1_700_000_000 };
        let put = shards.put(&id(number), &record(7, exp), "token").await;
        assert!(matches!(put.unwrap(), Put::Kept(_)));
    }
    let shard = RecordShard::of(&id(0));
    shards.tidy(shard).await.unwrap();
    let left = shards.page(shard, 0).await.unwrap();
    assert_eq!(left.records.len(), 1);
    for key in ["r", "v", "e"] {
        let count = if key == "r" { "HLEN" } else { "ZCARD" };
        let words = format!("{count} cps{{keys-0}}{key}");
        assert_eq!(server.command::<u64>(&words).await, 1, "{words}");
    }
}

#[tokio::test]
async fn what_has_ended_is_kept_as_long_as_an_older_record_may_live() {
    let (server, home) = (server().await, tempfile::tempdir().unwrap());
    let shards = shards(&server, home.path()).await;
    let made = std::time::SystemTime::now();
    let made = made
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        - 1_000;
    let withdrawal = shards.put(&id(0), &record(made, made + 1), "end").await;
    assert!(matches!(withdrawal.unwrap(), Put::Kept(_)));
    shards.tidy(RecordShard::of(&id(0))).await.unwrap();
    let older = shards.put(&id(0), &record(made - 1, FAR), "older").await;
    assert_eq!(older.unwrap(), Put::Older);
}

#[tokio::test]
async fn what_was_removed_or_set_back_is_lost_and_what_is_newer_is_not() {
    let (server, home) = (server().await, tempfile::tempdir().unwrap());
    let shards = shards(&server, home.path()).await;
    let shard = RecordShard::of(&id(0));
    let mut known = Vec::new();
    for number in 0..600 {
        let put = shards.put(&id(number), &record(7, FAR), "token").await;
        let Put::Kept(version) = put.unwrap() else {
            panic!("{number} was there");
        };
        known.push((id(number), version));
    }
    let lost = async |known: &[(RecordDigest, u64)]| shards.lost(shard, known).await.unwrap();
    assert!(lost(&known).await.is_empty());
    let newer = shards.put(&id(599), &record(8, FAR), "newer").await;
    assert!(matches!(newer.unwrap(), Put::Kept(_)));
    assert!(lost(&known).await.is_empty());
    known[300].1 += 1;
    known.push((id(1_000), 1));
    assert_eq!(lost(&known).await, HashSet::from([id(300), id(1_000)]));
    // Without its record a version says nothing, and the reverse.
    for key in ["r", "v"] {
        server
            .command::<()>(&format!("DEL cps{{keys-0}}{key}"))
            .await;
        assert_eq!(lost(&known).await.len(), known.len(), "{key}");
        let put = shards.put(&id(0), &record(7, FAR), "token").await;
        assert!(matches!(put.unwrap(), Put::Kept(_)), "{key}");
        server.command::<()>("FLUSHALL").await;
        let put = shards.put(&id(0), &record(7, FAR), "token").await;
        assert!(matches!(put.unwrap(), Put::Kept(_)), "{key}");
    }
}
