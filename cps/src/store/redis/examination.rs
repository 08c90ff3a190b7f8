//! Looking at the whole store: whether its servers carry the promised durability,
//! and whether it is the one that this node knows. Begins an empty one, and lets an
//! operator accept one that has forgotten.

use pennyblack_redis::{Redis, RedisError, Script, Value, cmd};
use pennyblack_service::repeated_causes::warn;
use tokio::task::JoinSet;

use super::answers;
use super::fence::{Fence, NodeId, Reading, StoreId, Verdict};
use super::guard::{Guard, Refusing};
use super::keys::{Keys, Shard};
use super::spent::broke_off;

/// Most earlier ids that an accepted store remembers.
const MOST_ACCEPTED: usize = 16;

/// Looks at the store: whether tokens may be redeemed. If not, none is when this returns.
/// On an error the answer of the last look stays.
pub(super) async fn examine(redis: &Redis, keys: &Keys, guard: &Guard) -> Result<bool, RedisError> {
    let shortfalls = redis.shortfalls().await?;
    if !shortfalls.is_empty() {
        let sentences: Vec<_> = shortfalls.iter().map(ToString::to_string).collect();
        guard.set(Some(Refusing::Durability(sentences.join("; "))));
        return Ok(false);
    }
    // Before the readings: what is spent while they are made is in neither or later.
    let mut fence = guard.fence();
    let mut readings = read_all(redis, keys, fence.node).await?;
    if let Verdict::Empty | Verdict::HalfBegun = fence.verify(&readings) {
        begin(redis, keys).await?;
        fence = guard.fence();
        readings = read_all(redis, keys, fence.node).await?;
    }
    match fence.verify(&readings) {
        Verdict::Known => Ok(true),
        Verdict::Adopted(id) => {
            tracing::info!(store = hex::encode(id.0), "the store is taken as it is");
            guard.adopt(id, &readings);
            Ok(true)
        }
        Verdict::Older(forgotten) => {
            guard.set(Some(Refusing::Older(forgotten)));
            halt(redis, keys, fence.store, &readings).await;
            Ok(false)
        }
        Verdict::Empty | Verdict::HalfBegun => {
            let unexamined = "it could not be begun".to_owned();
            guard.set(Some(Refusing::Unexamined(unexamined)));
            Ok(false)
        }
    }
}

/// Whether the store is the one that this node knows, and knows what this node has seen.
/// Changes nothing.
pub(super) async fn is_known(
    redis: &Redis,
    keys: &Keys,
    guard: &Guard,
) -> Result<bool, RedisError> {
    let fence = guard.fence();
    let readings = read_all(redis, keys, fence.node).await?;
    Ok(fence.verify(&readings) == Verdict::Known)
}

/// The readings of all shards, in order.
async fn read_all(redis: &Redis, keys: &Keys, node: NodeId) -> Result<Vec<Reading>, RedisError> {
    let answers = in_all_shards(keys, |_, fence| {
        let redis = redis.clone();
        async move {
            let mut get = cmd("HMGET");
            get.arg(&fence).arg("id").arg(&node.0);
            get.arg(&["total", "halted", "accepted"]);
            redis.command::<Vec<Value>>(get, &fence).await
        }
    })
    .await?;
    answers
        .iter()
        .map(|answer| answers::reading(answer))
        .collect()
}

/// Gives every shard the same new id; the first one last, which makes it whole.
async fn begin(redis: &Redis, keys: &Keys) -> Result<(), RedisError> {
    let script = Script::new(include_str!("begin.lua"));
    // Of several nodes that begin at one time, one proposes.
    let proposal: [u8; 16] = rand::random();
    let first = keys.fence(Shard(0));
    let id: Vec<u8> = redis
        .write(&script, &[&first], &[b"next", &proposal])
        .await?;
    for shard in Shard::all().skip(1).chain([Shard(0)]) {
        let key = keys.fence(shard);
        redis
            .write::<Vec<u8>>(&script, &[&key], &[b"id", &id])
            .await?;
    }
    Ok(())
}

/// Tells all nodes, as far as the store can be reached. The word is about the store
/// that was read: it counts no more if an operator has accepted it meanwhile. A
/// shard with another id than the known one is left alone: one is being accepted.
pub(super) async fn halt(redis: &Redis, keys: &Keys, known: Option<StoreId>, readings: &[Reading]) {
    let halted = in_all_shards(keys, |shard, fence| {
        let redis = redis.clone();
        let id = readings.get(shard.place()).and_then(|reading| reading.id);
        async move {
            let mut set = cmd("HSET");
            set.arg(&fence).arg("halted");
            match id {
                None => set.arg("none"),
                Some(id) if known == Some(id) => set.arg(&id.0),
                Some(_) => return Ok(0),
            };
            redis.command::<u64>(set, &fence).await
        }
    })
    .await;
    if let Err(error) = halted {
        warn(
            "other nodes could not be told that the store is older",
            &error,
        );
    }
}

/// Makes the present store the one that counts, for this node and all others that
/// knew it before. They go on by themselves.
pub(super) async fn accept(redis: &Redis, keys: &Keys, fence: &Fence) -> Result<(), RedisError> {
    let readings = read_all(redis, keys, fence.node).await?;
    let accepted = readings.iter().flat_map(|reading| &reading.accepted);
    let known = readings.iter().filter_map(|reading| reading.id.as_ref());
    let mut earlier: Vec<StoreId> = Vec::new();
    for id in accepted.chain(known).chain(fence.store.as_ref()) {
        earlier.retain(|other| other != id);
        earlier.push(*id);
    }
    let skip = earlier.len().saturating_sub(MOST_ACCEPTED);
    let earlier: Vec<u8> = earlier.iter().skip(skip).flat_map(|id| id.0).collect();
    let id: [u8; 16] = rand::random();
    let script = Script::new(include_str!("accept.lua"));
    let mut shards: Vec<_> = Shard::all().collect();
    shards.reverse();
    for shard in shards {
        let key = keys.fence(shard);
        redis
            .write::<u8>(&script, &[&key], &[&id, &earlier])
            .await?;
    }
    Ok(())
}

/// Does something with the fence of every shard at one time.
async fn in_all_shards<T, F>(
    keys: &Keys,
    act: impl Fn(Shard, Vec<u8>) -> F,
) -> Result<Vec<T>, RedisError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, RedisError>> + Send + 'static,
{
    let mut shards = JoinSet::new();
    for shard in Shard::all() {
        let acting = act(shard, keys.fence(shard));
        shards.spawn(async move { (shard.0, acting.await) });
    }
    let mut done = Vec::new();
    while let Some(joined) = shards.join_next().await {
        let (shard, answer) = joined.map_err(broke_off)?;
        done.push((shard, answer?));
    }
    done.sort_by_key(|(shard, _)| *shard);
    Ok(done.into_iter().map(|(_, answer)| answer).collect())
}
