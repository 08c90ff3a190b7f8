//! Key records in Redis: sixty-four shards, each in one hash slot, and the scripts
//! that keep, read, compare and remove records. What a record says is not looked at here.
//!
//! A shard is a hash of records by id, each with its `iat` before it, two sorted sets
//! of ids, by version and by the time until which they are kept, and the last version. Versions are the server's
//! clock in microseconds, and always above the last one.

use std::collections::HashSet;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{KeyRecord, MAX_KEY_RECORD_SIZE};
use pennyblack_redis::{RedisError, Script, cmd};

use super::super::RecordDigest;
use super::super::ended::kept_until;
use crate::store::redis::RedisStore;

/// How many shards there are. Fixed: part of where a record is.
const SHARDS: u8 = 64;
/// Most bytes of a record that are read, with its `iat` before it.
const MOST_BYTES: usize = MAX_KEY_RECORD_SIZE + 32;
/// Most records of one page, and the bytes after which it has no more.
const PAGE_RECORDS: usize = 256;
const PAGE_BYTES: usize = 1024 * 1024;
/// How long after the end of all older ones a record is removed: clocks may be apart, and a node that
/// cannot read for a while must still find what has replaced a record.
pub(super) const REMOVED_AFTER: Duration = Duration::from_secs(120);
/// What stands in the place of a record that has ended and was lost: nodes do not keep its
/// text, and Redis needs its time alone to refuse older ones.
const ENDED: &str = "ended ";
/// Records removed at one time.
const REMOVED_AT_ONCE: u64 = 256;
/// Records that are compared with one script.
const COMPARED_AT_ONCE: usize = 256;

/// One of the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordShard(u8);

impl RecordShard {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }

    pub(super) fn of(id: &RecordDigest) -> Self {
        let [first, ..] = id.0;
        Self(first % SHARDS)
    }

    pub(super) fn place(self) -> usize {
        usize::from(self.0)
    }
}

/// What became of a record that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It is there now, with this version.
    Kept(u64),
    /// It was there, with this version.
    Same(u64),
    /// One that is as new, or newer, is there.
    Older,
}

/// A record as it lies in Redis, verified by nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredRecord {
    pub(super) id: RecordDigest,
    pub(super) version: u64,
    pub(super) token: String,
}

/// Some records of a shard.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RecordPage {
    pub(super) records: Vec<StoredRecord>,
    /// The version to go on after; `None` when nothing came after the one asked for.
    pub(super) last: Option<u64>,
}

/// The shards.
#[derive(Debug)]
pub(super) struct RecordShards {
    store: RedisStore,
    put: Script,
    page: Script,
    lost: Script,
    tidy: Script,
}

impl RecordShards {
    /// In the Redis of this store. How many there may be is judged by the nodes, over all
    /// shards: who signs a record can choose its shard.
    pub(super) fn new(store: RedisStore) -> Self {
        Self {
            store,
            put: Script::new(include_str!("put.lua")),
            page: Script::new(include_str!("page.lua")),
            lost: Script::new(include_str!("lost.lua")),
            tidy: Script::new(include_str!("tidy.lua")),
        }
    }

    /// Why nothing is to be written at present, if nothing is.
    pub(super) fn refusing(&self) -> Option<String> {
        self.store.refusing()
    }

    /// Keeps a record, if it is newer than the one that is there. As durable as the
    /// store promises when this returns.
    pub(super) async fn put(
        &self,
        id: &RecordDigest,
        record: &KeyRecord,
        token: &str,
    ) -> Result<Put, RedisError> {
        self.put_until(id, record.iat, kept_until(record), token)
            .await
    }

    /// Keeps in mind that a record has ended, until `until`.
    pub(super) async fn put_ended(
        &self,
        id: &RecordDigest,
        iat: UnixTime,
        until: UnixTime,
    ) -> Result<Put, RedisError> {
        let text = format!("{ENDED}{}", iat.0);
        self.put_until(id, iat, until, &text).await
    }

    async fn put_until(
        &self,
        id: &RecordDigest,
        iat: UnixTime,
        until: UnixTime,
        token: &str,
    ) -> Result<Put, RedisError> {
        let names = self.names(RecordShard::of(id));
        let names = names.each_ref().map(Vec::as_slice);
        let (iat, until) = (iat.0.to_string(), until.0.to_string());
        let arguments = [&id.0, iat.as_bytes(), until.as_bytes(), token.as_bytes()];
        let (answer, version): (i8, u64) = self
            .store
            .redis()
            .write(&self.put, &names, &arguments)
            .await?;
        match answer {
            1 => Ok(Put::Kept(version)),
            0 => Ok(Put::Same(version)),
            -1 => Ok(Put::Older),
            other => Err(RedisError::Form(format!("{other} for a key record"))),
        }
    }

    /// The last version of a shard; 0 when it has none.
    pub(super) async fn version(&self, shard: RecordShard) -> Result<u64, RedisError> {
        let [.., version] = self.names(shard);
        let mut get = cmd("GET");
        get.arg(&version);
        let found: Option<u64> = self.store.redis().command(get, &version).await?;
        Ok(found.unwrap_or(0))
    }

    /// The next records of a shard after a version.
    pub(super) async fn page(
        &self,
        shard: RecordShard,
        after: u64,
    ) -> Result<RecordPage, RedisError> {
        let [records, versions, ..] = self.names(shard);
        let limits = [PAGE_RECORDS, MOST_BYTES, PAGE_BYTES].map(|limit| limit.to_string());
        let [max, of_one, of_all] = limits.each_ref().map(String::as_bytes);
        let after = after.to_string();
        let arguments = [after.as_bytes(), max, of_one, of_all];
        let redis = self.store.redis();
        let answer: Vec<Vec<u8>> = redis
            .read(&self.page, &[&records, &versions], &arguments)
            .await?;
        page_of(&answer)
    }

    /// Which of these records of a shard, each with the version that it had, are not there
    /// any more, or only as they were before.
    pub(super) async fn lost(
        &self,
        shard: RecordShard,
        versions: &[(RecordDigest, u64)],
    ) -> Result<HashSet<RecordDigest>, RedisError> {
        let [records, had, ..] = self.names(shard);
        let mut lost = HashSet::new();
        for some in versions.chunks(COMPARED_AT_ONCE) {
            let versions: Vec<_> = some.iter().map(|(_, had)| had.to_string()).collect();
            let ids = some.iter().map(|(id, _)| id.0.as_slice());
            let pairs = ids.zip(versions.iter().map(String::as_bytes));
            let arguments: Vec<_> = pairs.flat_map(<[&[u8]; 2]>::from).collect();
            let redis = self.store.redis();
            let answer: Vec<Vec<u8>> = redis
                .read(&self.lost, &[&records, &had], &arguments)
                .await?;
            lost.extend(answer.iter().filter_map(|id| digest(id)));
        }
        Ok(lost)
    }

    /// Removes what has ended from a shard. What is removed has ended for everybody,
    /// so nobody has to be told.
    pub(super) async fn tidy(&self, shard: RecordShard) -> Result<(), RedisError> {
        let [records, versions, ends, _] = self.names(shard);
        let names = [&records, &versions, &ends].map(Vec::as_slice);
        let (wait, max) = (
            REMOVED_AFTER.as_secs().to_string(),
            REMOVED_AT_ONCE.to_string(),
        );
        let arguments = [wait.as_bytes(), max.as_bytes()];
        loop {
            let redis = self.store.redis();
            let removed: u64 = redis.write(&self.tidy, &names, &arguments).await?;
            if removed < REMOVED_AT_ONCE {
                return Ok(());
            }
        }
    }

    /// Records, versions, ends and the last version.
    fn names(&self, shard: RecordShard) -> [Vec<u8>; 4] {
        let tag = format!("{}{{keys-{}}}", self.store.namespace(), shard.0);
        ["r", "v", "e", "l"].map(|kind| format!("{tag}{kind}").into_bytes())
    }
}

/// What the server answered, no longer than it may be.
fn page_of(answer: &[Vec<u8>]) -> Result<RecordPage, RedisError> {
    let form = |why: &str| RedisError::Form(format!("key records: {why}"));
    let (last, parts) = answer.split_first().ok_or_else(|| form("nothing"))?;
    let last = match last.as_slice() {
        [] => None,
        digits => Some(number(digits).ok_or_else(|| form("a version that is no number"))?),
    };
    let (parts, rest) = parts.as_chunks::<3>();
    if !rest.is_empty() || parts.len() > PAGE_RECORDS {
        return Err(form("more or fewer than were asked for"));
    }
    // Whatever else lies there is no record, and harms nobody.
    let records = parts.iter().filter_map(|[id, version, kept]| {
        let kept = std::str::from_utf8(kept).ok();
        let kept = kept.filter(|kept| kept.len() <= MOST_BYTES)?;
        let (_, token) = kept.split_once(' ')?;
        if token.starts_with(ENDED) {
            return None;
        }
        Some(StoredRecord {
            id: digest(id)?,
            version: number(version)?,
            token: token.to_owned(),
        })
    });
    Ok(RecordPage {
        records: records.collect(),
        last,
    })
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn digest(id: &[u8]) -> Option<RecordDigest> {
    id.try_into().ok().map(RecordDigest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_page_is_a_version_and_records_with_their_ids_and_versions() {
        let id = "i".repeat(32);
        let page = page_of(&bytes(&[
            "1700000000000000",
            &id,
            "1600000000000000",
            "17 a.b.c",
            "no id",
            "2",
            "17 a.b.c",
            &id,
            "2",
            "x",
        ]));
        let page = page.unwrap();
        assert_eq!(page.last, Some(1_700_000_000_000_000));
        let record = StoredRecord {
            id: RecordDigest([b'i'; 32]),
            version: 1_600_000_000_000_000,
            token: "a.b.c".to_owned(),
        };
        assert_eq!(page.records, [record]);
        assert_eq!(page_of(&bytes(&[""])).unwrap(), RecordPage::default());
    }

    #[test]
    fn what_is_no_page_is_refused() {
        assert!(page_of(&[]).is_err());
        assert!(page_of(&bytes(&["x"])).is_err());
        assert!(page_of(&bytes(&["1", "id"])).is_err());
        let many = vec![b"1".to_vec(); 3 * PAGE_RECORDS + 4];
        assert!(page_of(&many).is_err());
        let id = vec![b'i'; 32];
        let long = [b"1".to_vec(), id, b"1".to_vec(), vec![b' '; MOST_BYTES + 1]];
        assert!(page_of(&long).unwrap().records.is_empty());
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(answer: Vec<Vec<u8>>) {
            let _ = page_of(&answer);
        }
    }
}
