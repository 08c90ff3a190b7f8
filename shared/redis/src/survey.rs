//! Asks every primary what it is like. What follows from that is judged in
//! [`durability`](super::durability).

use std::collections::HashMap;

use pennyblack_base::time::UnixTime;

use super::connection::Redis;
use super::durability::{self, Durability, NodeReport, Shortfall};
use super::error::RedisError;

/// Patterns of the settings that anything depends on.
const SETTINGS: [&str; 5] = [
    "maxmemory-policy",
    "append*",
    "min-replicas-to-write",
    "hash-max-listpack-*",
    "maxmemory",
];

impl Redis {
    /// What every primary says of itself.
    ///
    /// # Errors
    /// [`RedisError`]; a server that forbids `CONFIG GET` is none.
    pub async fn survey(&self) -> Result<Vec<NodeReport>, RedisError> {
        let infos: Vec<(String, String)> = self.ask_all(&redis::cmd("INFO")).await?;
        let mut ask = redis::cmd("CONFIG");
        ask.arg("GET").arg(&SETTINGS);
        let settings = match self.ask_all::<HashMap<String, String>>(&ask).await {
            Ok(settings) => Some(settings.into_iter().collect::<HashMap<_, _>>()),
            Err(RedisError::Refused(words)) => {
                tracing::debug!(words, "CONFIG GET is forbidden");
                None
            }
            Err(error) => return Err(error),
        };
        let report = |(address, info): (String, String)| NodeReport {
            settings: settings.as_ref().and_then(|all| all.get(&address).cloned()),
            info: parse_info(&info),
            address,
        };
        Ok(infos.into_iter().map(report).collect())
    }

    /// What the clock of a server reads: of that one primary which has a certain key.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn time(&self) -> Result<UnixTime, RedisError> {
        let read = self.command(redis::cmd("TIME"), b"time");
        let (seconds, _microseconds): (u64, u64) = read.await?;
        Ok(UnixTime(seconds))
    }

    /// What keeps the servers from the level that the options promise; at
    /// [`Durability::BestEffort`] nothing, and a warning is logged.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn shortfalls(&self) -> Result<Vec<Shortfall>, RedisError> {
        let options = self.options();
        let reports = self.survey().await?;
        let found = durability::verify(
            options.durability,
            options.replicas,
            options.settings_vouched_for,
            &reports,
        );
        if options.durability != Durability::BestEffort {
            return Ok(found);
        }
        for shortfall in found {
            tracing::warn!("store.durability is best-effort: {shortfall}");
        }
        Ok(Vec::new())
    }
}

fn parse_info(text: &str) -> HashMap<String, String> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields
        .map(|(name, value)| (name.to_owned(), value.trim_end().to_owned()))
        .collect()
}
