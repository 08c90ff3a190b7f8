//! A write that means nothing, as durable as one that does: whether one would be accepted
//! now. What a server says of itself does not tell that: its replica may hang, its disk or
//! its memory be full.

use tokio::task::JoinSet;

use super::connection::Redis;
use super::error::RedisError;
use super::script::Script;

impl Redis {
    /// Tries it under each of `keys`, which are for this alone and expire.
    ///
    /// # Errors
    /// [`RedisError`], the first one.
    pub async fn try_to_write(
        &self,
        keys: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<(), RedisError> {
        let mut trials = JoinSet::new();
        for key in keys {
            let redis = self.clone();
            trials.spawn(async move {
                let script = Script::new(include_str!("trial.lua"));
                redis.write::<u8>(&script, &[&key], &[]).await
            });
        }
        while let Some(tried) = trials.join_next().await {
            let broke_off =
                |error: tokio::task::JoinError| RedisError::Connection(error.to_string());
            tried.map_err(broke_off)??;
        }
        Ok(())
    }
}
