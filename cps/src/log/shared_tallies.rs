//! The counts of key epochs that several nodes have in common, in their Redis: each
//! node adds what it has counted, and the leader of the log reads the sums.

use std::time::Duration;

use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_redis::{RedisError, Script, cmd};

use super::tally::Tally;
use crate::store::redis::RedisStore;

/// How long counts lie there that nobody adds to: longer than any key epoch.
const KEPT_FOR: Duration = Duration::from_secs(400 * 86_400);

/// The fields of the hash, in the order of [`Tally::to_counts`].
const FIELDS: [&str; Tally::COUNTS] = ["replayed", "refused", "further_double_spends"];

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
        let kept_for = KEPT_FOR.as_secs().to_string();
        let more = more.to_counts().map(|count| count.to_string());
        let mut arguments = vec![kept_for.as_bytes()];
        for (field, count) in FIELDS.iter().zip(&more) {
            arguments.extend([field.as_bytes(), count.as_bytes()]);
        }
        let name = self.name(id);
        let redis = self.store.redis();
        let sums = redis
            .write(&self.add, &[name.as_bytes()], &arguments)
            .await?;
        Ok(Tally::of_counts(sums))
    }

    /// The sum of what all nodes have told, which may be nothing.
    pub(super) async fn peek(&self, id: TokenKeyId) -> Result<Tally, RedisError> {
        let name = self.name(id);
        let mut get = cmd("HMGET");
        get.arg(&name).arg(&FIELDS);
        let told = self.store.redis().command(get, name.as_bytes()).await?;
        let told: [Option<u64>; Tally::COUNTS] = told;
        Ok(Tally::of_counts(told.map(Option::unwrap_or_default)))
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
