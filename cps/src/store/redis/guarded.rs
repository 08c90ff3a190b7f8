//! Spending tokens and closing epochs with what this node has seen of the store, and
//! noting what each answer says of it. Not here: the scripts, and what is seen.

use std::sync::Arc;

use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_redis::Redis;
use tokio::task::JoinSet;

use super::answers::Spent;
use super::keys::{Keys, Place, Shard};
use super::{Inner, refused, spent, unavailable};
use crate::store::StoreError;

impl Inner {
    pub(super) fn at(&self) -> (&Redis, &Keys) {
        (&self.redis, &self.keys)
    }

    /// Spends the token, unless it is spent.
    pub(super) async fn spend(
        &self,
        epoch: TokenKeyId,
        nonce: &Nonce,
        record: &[u8],
    ) -> Result<Spent, StoreError> {
        let shard = Place::of(nonce).shard;
        let known = self.guard.known(shard).map_err(refused)?;
        let spent = self.spent.spend(self.at(), known, epoch, nonce, record);
        self.noted(shard, spent.await.map_err(unavailable)?)
    }

    /// An answer about a token, once it is noted what it says of the shard.
    pub(super) fn noted(&self, shard: Shard, spent: Spent) -> Result<Spent, StoreError> {
        if let Some(changes) = spent.changes() {
            self.guard.record(shard, changes);
        }
        let is_whole = match spent {
            Spent::Now(changes) => self.guard.made(shard, changes),
            Spent::Older => false,
            Spent::Before(..) | Spent::Closed => true,
        };
        match is_whole {
            true => Ok(spent),
            false => Err(refused(self.guard.found_older())),
        }
    }

    /// Marks the epoch as closed in a shard; `true` when its buckets may be there.
    async fn close(&self, shard: Shard, epoch: TokenKeyId) -> Result<bool, StoreError> {
        let known = self.guard.known(shard).map_err(refused)?;
        let closing = self.spent.close(self.at(), known, shard, epoch).await;
        let Some(closing) = closing.map_err(unavailable)? else {
            return Err(refused(self.guard.found_older()));
        };
        if let Some(changes) = closing.changes {
            self.guard.record(shard, changes);
            if !self.guard.made(shard, changes) {
                return Err(refused(self.guard.found_older()));
            }
        }
        Ok(closing.has_buckets)
    }

    pub(super) async fn close_everywhere(
        self: &Arc<Self>,
        epoch: TokenKeyId,
    ) -> Result<Vec<Shard>, StoreError> {
        let mut shards = JoinSet::new();
        for shard in Shard::all() {
            let this = Arc::clone(self);
            shards.spawn(async move { (shard, this.close(shard, epoch).await) });
        }
        let mut with_buckets = Vec::new();
        while let Some(closed) = shards.join_next().await {
            let broke_off = |error| unavailable(spent::broke_off(error));
            let (shard, has_buckets) = closed.map_err(broke_off)?;
            if has_buckets? {
                with_buckets.push(shard);
            }
        }
        Ok(with_buckets)
    }
}
