//! The counts of key epochs that several nodes have in common, in their Redis: each
//! node adds what it has counted, and the leader of the log reads the sums.

use std::time::Duration;

use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_redis::{RedisError, Script, cmd};

use super::tally::Tally;
use crate::store::redis::RedisStore;

/// How long counts lie there that nobody adds to: longer than any key epoch.
const KEPT_FOR: Duration = Duration::from_secs(400 * 86_400);

/// The sums of all nodes.
#[derive(Debug)]
pub(super) struct SharedTallies {
    store: RedisStore,
    add: Script,
    forget: Script,
}

impl SharedTallies {
    pub(super) fn new(store: RedisStore) -> Self {
        Self {
            store,
            add: Script::new(include_str!("add_tally.lua")),
            forget: Script::new(include_str!("forget_tally.lua")),
        }
    }

    /// Adds what one node has counted, and tells the sum of all. When it fails, that may
    /// have been added or not; to add it again could count it twice.
    pub(super) async fn add(&self, id: TokenKeyId, more: Tally) -> Result<Tally, RedisError> {
        let (replayed, refused) = (more.replayed.to_string(), more.refused.to_string());
        let kept_for = KEPT_FOR.as_secs().to_string();
        let arguments = [replayed.as_bytes(), refused.as_bytes(), kept_for.as_bytes()];
        let name = self.name(id);
        let redis = self.store.redis();
        let (replayed, refused) = redis
            .write(&self.add, &[name.as_bytes()], &arguments)
            .await?;
        Ok(Tally { replayed, refused })
    }

    /// The sum of what all nodes have told, which may be nothing.
    pub(super) async fn peek(&self, id: TokenKeyId) -> Result<Tally, RedisError> {
        let name = self.name(id);
        let mut get = cmd("HMGET");
        get.arg(&name).arg(&["replayed", "refused"]);
        let told = self.store.redis().command(get, name.as_bytes()).await?;
        let (replayed, refused): (Option<u64>, Option<u64>) = told;
        Ok(Tally {
            replayed: replayed.unwrap_or(0),
            refused: refused.unwrap_or(0),
        })
    }

    /// Forgets the sums of an epoch.
    pub(super) async fn forget(&self, id: TokenKeyId) -> Result<(), RedisError> {
        let name = self.name(id);
        let redis = self.store.redis();
        let _there: u64 = redis.write(&self.forget, &[name.as_bytes()], &[]).await?;
        Ok(())
    }

    fn name(&self, id: TokenKeyId) -> String {
        format!("{}{{tally-{id}}}", self.store.namespace())
    }
}
