//! Which node leads the log, and the size the log had when the leader last wrote this:
//! a small hash in the Redis that all nodes share. It tells a second leader from the
//! first, and a disk that was restored from a backup from one that was not. It never
//! expires: another node becomes the leader only when the operator deletes it. Redis may
//! lose it; then the leader writes it again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_redis::{Redis, RedisError, Script, cmd};
use pennyblack_tlog::{TreeHead, VerifierKey};
use tokio::task::spawn_blocking;

use crate::log::TransparencyLog;

/// How long a log without entries waits for one that has some: the leader writes its
/// record every second.
const LEFT_TO_OTHERS: Duration = Duration::from_secs(3);

/// Verifier key, size and root.
type Known = (Option<String>, Option<String>, Option<String>);

/// A log that this node may not lead, or whose leader is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaderRecordError {
    /// Another node does.
    #[error(
        "another node leads this log, with the key {other}: set transparency_log.leader to its \
         address. Or, to make this node the leader, stop the other one, delete {name} in Redis, and \
         restart this one: with another key it is another log, and readers must be told"
    )]
    OtherLeader {
        /// The key of its log.
        other: String,
        /// The hash in Redis.
        name: String,
    },
    /// Another node did when this one started, and Redis does not say which does now.
    #[error(
        "another node led this log, with another key, when this one started, and Redis no longer \
         says which node leads: set transparency_log.leader to its address. Or, to make this node \
         the leader, restart it"
    )]
    Yielded,
    /// The log has lost entries.
    #[error(
        "this node has {ours} entries of the log, and had signed for {seen}: its disk was restored \
         from a backup. Stop it, and restore log/public from a mirror, before anything else is \
         signed"
    )]
    Rollback {
        /// Entries there are.
        ours: u64,
        /// Entries there were.
        seen: u64,
    },
    /// Two histories were signed.
    #[error(
        "this node's log and the one that was signed for differ among the first {size} entries: \
         two nodes led it, or it was restored and went on. Stop it, and find out which is the right \
         one, before anything else is signed"
    )]
    Contradiction {
        /// How many entries were signed for.
        size: u64,
    },
    /// The log's own files.
    #[error("the log: {0}")]
    Files(#[from] io::Error),
    /// Something else lies under that name.
    #[error("{0} in Redis does not say which node leads the log: delete it")]
    Form(String),
    /// Redis.
    #[error("the record of the log's leader: {0}")]
    Redis(#[from] RedisError),
}

impl LeaderRecordError {
    /// Whether it is certain that this node must not lead the log. Otherwise what was
    /// known before still holds.
    pub(super) const fn is_certain(&self) -> bool {
        matches!(
            self,
            Self::OtherLeader { .. }
                | Self::Yielded
                | Self::Rollback { .. }
                | Self::Contradiction { .. }
        )
    }

    /// Whether nobody answered, which says nothing about the log.
    pub(super) const fn is_away(&self) -> bool {
        matches!(self, Self::Redis(_))
    }
}

/// The hash in Redis.
#[derive(Debug)]
pub struct LeaderRecord {
    redis: Redis,
    name: String,
    script: Script,
}

impl LeaderRecord {
    /// The one of this name, which has a hash tag.
    #[must_use]
    pub fn new(redis: Redis, name: String) -> Self {
        Self {
            redis,
            name,
            script: Script::new(include_str!("leader_record.lua")),
        }
    }

    /// Records that this node leads the log, and how far it is.
    ///
    /// # Errors
    /// [`LeaderRecordError`]; nothing may be signed then, unless the node led before and
    /// Redis is merely away.
    pub(super) async fn write(&self, log: &Arc<TransparencyLog>) -> Result<(), LeaderRecordError> {
        let key = log.verifier().to_string();
        let head = log.checkpoint().checkpoint().head;
        let (mut leader, mut size, mut root) = self.known().await?;
        if leader.is_none() && head.size == 0 {
            // A new log does not take the place of one that Redis has just forgotten.
            tokio::time::sleep(LEFT_TO_OTHERS).await;
            (leader, size, root) = self.known().await?;
        }
        self.require_leader(leader.as_ref().unwrap_or(&key), &key)?;
        if let Some((size, root)) = size.zip(root) {
            require_continued(self.parse(&size, &root)?, head, log).await?;
        }
        let (size, root) = (head.size.to_string(), head.root.to_string());
        let arguments = [key.as_bytes(), size.as_bytes(), root.as_bytes()];
        let name = [self.name.as_bytes()];
        let leader: String = self.redis.write(&self.script, &name, &arguments).await?;
        self.require_leader(&leader, &key)
    }

    /// Requires that Redis names this node, and writes nothing.
    pub(super) async fn require_own(&self, log: &TransparencyLog) -> Result<(), LeaderRecordError> {
        let (leader, ..) = self.known().await?;
        let leader = leader.ok_or(LeaderRecordError::Yielded)?;
        self.require_leader(&leader, &log.verifier().to_string())
    }

    fn require_leader(&self, leader: &str, own: &str) -> Result<(), LeaderRecordError> {
        if leader == own {
            return Ok(());
        }
        Err(LeaderRecordError::OtherLeader {
            other: leader.to_owned(),
            name: self.name.clone(),
        })
    }

    /// The key, size and root that Redis has.
    async fn known(&self) -> Result<Known, LeaderRecordError> {
        let mut get = cmd("HMGET");
        get.arg(&self.name).arg(&["key", "size", "root"]);
        match self.redis.command(get, self.name.as_bytes()).await {
            Err(RedisError::Refused(said)) if said.contains("WRONGTYPE") => Err(self.form()),
            known => Ok(known?),
        }
    }

    /// The key of the log, if any node leads it.
    ///
    /// # Errors
    /// [`LeaderRecordError::Redis`], [`LeaderRecordError::Form`].
    pub(super) async fn key(&self) -> Result<Option<VerifierKey>, LeaderRecordError> {
        let (key, ..) = self.known().await?;
        let parse = |key: String| key.parse().map_err(|_| self.form());
        key.map(parse).transpose()
    }

    fn parse(&self, size: &str, root: &str) -> Result<TreeHead, LeaderRecordError> {
        let parsed = size.parse().ok().zip(root.parse().ok());
        let (size, root) = parsed.ok_or_else(|| self.form())?;
        Ok(TreeHead { size, root })
    }

    fn form(&self) -> LeaderRecordError {
        LeaderRecordError::Form(self.name.clone())
    }
}

/// Requires that the log goes on from what was signed before.
async fn require_continued(
    seen: TreeHead,
    ours: TreeHead,
    log: &Arc<TransparencyLog>,
) -> Result<(), LeaderRecordError> {
    if seen.size > ours.size {
        return Err(LeaderRecordError::Rollback {
            ours: ours.size,
            seen: seen.size,
        });
    }
    let log = Arc::clone(log);
    let then = spawn_blocking(move || log.head_at(seen.size)).await;
    if then.map_err(io::Error::other)?? != seen {
        return Err(LeaderRecordError::Contradiction { size: seen.size });
    }
    Ok(())
}
