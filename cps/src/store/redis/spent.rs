//! Tokens that are spent: looking one up, spending it, closing an epoch, counting.
//! Each is a script in one shard, which compares the fence first.

use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_redis::{Redis, RedisError, Script, Value, cmd};
use tokio::task::JoinSet;

use super::answers::{self, Closing, Spent};
use super::fence::{Changes, NodeId, StoreId};
use super::keys::{BUCKETS, Keys, Place, Shard};

/// Buckets removed with one command. The server frees them in the background.
const BUCKETS_AT_ONCE: u16 = 64;

/// A shard as this node knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) node: NodeId,
    pub(super) store: StoreId,
    pub(super) seen: Changes,
}

#[derive(Debug)]
pub(super) struct SpentSet {
    spend: Script,
    close: Script,
}

impl SpentSet {
    pub(super) fn new() -> Self {
        Self {
            spend: Script::new(concat!(
                include_str!("fence.lua"),
                include_str!("spend.lua")
            )),
            close: Script::new(concat!(
                include_str!("fence.lua"),
                include_str!("close.lua")
            )),
        }
    }

    /// Spends a token with this record, unless it is spent.
    pub(super) async fn spend(
        &self,
        (redis, keys): (&Redis, &Keys),
        known: Known,
        epoch: TokenKeyId,
        nonce: &Nonce,
        record: &[u8],
    ) -> Result<Spent, RedisError> {
        let place = Place::of(nonce);
        let names = [
            keys.fence(place.shard),
            keys.epochs(place.shard),
            keys.bucket(place.shard, epoch, place.bucket),
        ];
        let names = names.each_ref().map(Vec::as_slice);
        let floors = Floors::of(known);
        let [store, node, own, total] = floors.arguments();
        let arguments = [store, node, own, total, &epoch.0, &place.field, record];
        // What is found must be as durable as what is made: others answer by it.
        let answer: Vec<Value> = redis.write(&self.spend, &names, &arguments).await?;
        answers::spent(&answer)
    }

    /// Marks an epoch as closed in one shard; `None` when that is older than known.
    pub(super) async fn close(
        &self,
        (redis, keys): (&Redis, &Keys),
        known: Known,
        shard: Shard,
        epoch: TokenKeyId,
    ) -> Result<Option<Closing>, RedisError> {
        let names = [keys.fence(shard), keys.epochs(shard)];
        let names = names.each_ref().map(Vec::as_slice);
        let floors = Floors::of(known);
        let [store, node, own, total] = floors.arguments();
        let arguments = [store, node, own, total, &epoch.0];
        let answer: Vec<Value> = redis.write(&self.close, &names, &arguments).await?;
        answers::closing(&answer)
    }
}

/// Removes the buckets of a closing epoch from one shard, a few at a time, and notes
/// that they are gone.
pub(super) async fn remove_buckets(
    redis: &Redis,
    keys: &Keys,
    shard: Shard,
    epoch: TokenKeyId,
) -> Result<(), RedisError> {
    let fence = keys.fence(shard);
    for first in (0..BUCKETS).step_by(usize::from(BUCKETS_AT_ONCE)) {
        let mut unlink = cmd("UNLINK");
        for bucket in first..first.saturating_add(BUCKETS_AT_ONCE) {
            unlink.arg(keys.bucket(shard, epoch, bucket));
        }
        redis.command::<u64>(unlink, &fence).await?;
    }
    let mut done = cmd("HSET");
    done.arg(keys.epochs(shard)).arg(&epoch.0).arg("closed");
    redis.command::<u64>(done, &fence).await.map(drop)
}

/// How many tokens of an epoch are spent, in all shards together.
pub(super) async fn count(
    redis: &Redis,
    keys: &Keys,
    epoch: TokenKeyId,
) -> Result<u64, RedisError> {
    let mut shards = JoinSet::new();
    for shard in Shard::all() {
        let (redis, key) = (redis.clone(), keys.epochs(shard));
        shards.spawn(async move {
            let mut get = cmd("HGET");
            get.arg(&key).arg(&epoch.0);
            redis.command::<Option<Vec<u8>>>(get, &key).await
        });
    }
    let mut total = 0;
    while let Some(counted) = shards.join_next().await {
        let state = counted.map_err(broke_off)??;
        let digits = state.and_then(|state| String::from_utf8(state).ok());
        total += digits.map_or(0, |digits| digits.parse().unwrap_or(0));
    }
    Ok(total)
}

pub(super) fn broke_off(error: tokio::task::JoinError) -> RedisError {
    RedisError::Connection(error.to_string())
}

/// The first arguments of a script with a fence.
struct Floors {
    known: Known,
    own: String,
    total: String,
}

impl Floors {
    fn of(known: Known) -> Self {
        Self {
            own: known.seen.own.to_string(),
            total: known.seen.total.to_string(),
            known,
        }
    }

    fn arguments(&self) -> [&[u8]; 4] {
        [
            &self.known.store.0,
            &self.known.node.0,
            self.own.as_bytes(),
            self.total.as_bytes(),
        ]
    }
}
