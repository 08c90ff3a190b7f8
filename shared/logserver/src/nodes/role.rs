//! What a node is to the log: its leader, with or without followers, or a follower. This
//! is decided once, when the service starts; from then on the service states and reads
//! through [`LogRole`] and does not ask.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::{KeyConfigDigest, LogEntry, ObliviousKey, Statement};
use pennyblack_http::HttpError;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::public_router::PublicRouter;
use pennyblack_tlog::NoteKeyError;
use tokio::sync::watch;

use super::{
    FollowerError, FollowerLog, LeaderClient, LeaderLog, LeaderRecord, LeaderRecordError,
    MemoryError, Reports, StateError, TransparencyLogConfig,
};
use crate::log::TransparencyLog;
use crate::routes::PREFIX;
use crate::statements::known::KnownKeys;
use crate::statements::{OpenStatementsError, StatementLog};

/// What a follower remembers, beside the directory that a leader's log has.
const MEMORY: &str = "log-followed.json";

/// How long a checkpoint may take that takes milliseconds.
const SIGNED_WITHIN: Duration = Duration::from_secs(10);

/// How long a follower waits for the leader to state something; then the service tries
/// again later.
const STATED_WITHIN: Duration = Duration::from_secs(5);

/// How often it reads on meanwhile.
const READ_EVERY: Duration = Duration::from_millis(500);

/// A log that cannot be opened or followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenRoleError {
    /// The leader's log itself.
    #[error(transparent)]
    Log(#[from] OpenStatementsError),
    /// The service's name cannot be a log's.
    #[error("the log: {0}")]
    Name(#[from] NoteKeyError),
    /// The leader cannot be asked.
    #[error("[transparency_log] the leader cannot be asked: {0}: check tls_roots")]
    Leader(#[from] HttpError),
    /// What a follower has read before.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// This node may not lead.
    #[error(transparent)]
    LeaderRecord(#[from] LeaderRecordError),
    /// The leader's log, as a follower reads it.
    #[error(transparent)]
    Follower(#[from] FollowerError),
}

/// Why a statement is not under a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// It is not in the log; [`StateError::NotYet`] when a follower waited in vain.
    #[error(transparent)]
    State(#[from] StateError),
    /// It is on disk, and tiles and checkpoint are not.
    #[error(
        "the log: no checkpoint for its {size} entries within {} s: its tiles cannot be written, \
         see the service's log lines", SIGNED_WITHIN.as_secs()
    )]
    Unsigned {
        /// How many entries the checkpoint must be for.
        size: u64,
    },
}

/// What nodes that share a log have in common.
#[derive(Debug)]
pub struct Sharing {
    /// Tells the leader from the others.
    pub leader_record: LeaderRecord,
    /// How followers state double spends, if the service has any.
    pub reports: Option<Reports>,
}

/// The log, as this node has it.
#[derive(Debug, Clone)]
pub enum LogRole {
    /// On its disk.
    Leader(Arc<LeaderLog>),
    /// At another node.
    Follower(Arc<FollowerLog>),
}

impl LogRole {
    /// Opens the log of a service of one node in a directory of its own, or begins one
    /// there. Reads and checks all of it: not for an async context.
    ///
    /// # Errors
    /// [`OpenStatementsError`].
    pub fn of_one(directory: &Path, service: &Authority) -> Result<Self, OpenStatementsError> {
        let statements = Arc::new(StatementLog::open(directory, service)?);
        Ok(Self::Leader(Arc::new(LeaderLog::alone(statements))))
    }

    /// The log of a service of several nodes, in the role that the configuration names.
    /// As blocking as [`Self::of_one`]. Nothing is stated, or was read now, until
    /// [`Self::get_in_touch`] or [`Self::keep_in_touch`].
    ///
    /// # Errors
    /// [`OpenRoleError`].
    pub fn of_several(
        directory: &Path,
        service: &Authority,
        config: &TransparencyLogConfig,
        sharing: Sharing,
    ) -> Result<Self, OpenRoleError> {
        let Sharing {
            leader_record,
            reports,
        } = sharing;
        let Some(leader) = LeaderClient::of(config)? else {
            let statements = Arc::new(StatementLog::open(directory, service)?);
            return Ok(Self::Leader(Arc::new(LeaderLog::among(
                statements,
                leader_record,
            ))));
        };
        let name = format!("{service}{PREFIX}").parse()?;
        let memory = directory.with_file_name(MEMORY);
        let follower = FollowerLog::open(name, leader, leader_record, &memory, reports)?;
        Ok(Self::Follower(Arc::new(follower)))
    }

    /// Whether this node leads the log, as far as is known: then its word about it counts.
    #[must_use]
    pub fn is_leading(&self) -> bool {
        matches!(self, Self::Leader(log) if log.is_leading())
    }

    /// Whether other nodes follow this one.
    #[must_use]
    pub fn has_followers(&self) -> bool {
        matches!(self, Self::Leader(log) if log.is_shared())
    }

    /// The log's resources, which are the same at all nodes.
    pub fn router(&self) -> PublicRouter {
        match self {
            Self::Leader(log) => log.router(),
            Self::Follower(log) => log.router(),
        }
    }

    /// What the leader answers at `path` to a reader whose request has the headers `asked`;
    /// 404 at the leader itself.
    pub fn pass_on<'a>(&'a self, path: &'a str, asked: &'a HeaderMap) -> BoxFuture<'a, Response> {
        Box::pin(async move {
            match self {
                Self::Leader(_) => StatusCode::NOT_FOUND.into_response(),
                Self::Follower(log) => log.pass_on(path, asked).await,
            }
        })
    }

    /// Reports from the beginning what is not known yet of a log that nodes share.
    pub fn not_known_yet(&self, readiness: &Readiness) {
        match self {
            Self::Leader(log) => log.not_recorded_yet(readiness),
            Self::Follower(log) => log.not_read_yet(readiness),
        }
    }

    /// Tells the other nodes that this one leads, or reads the leader's log, once.
    ///
    /// # Errors
    /// [`OpenRoleError::LeaderRecord`], [`OpenRoleError::Follower`].
    pub fn get_in_touch(&self) -> BoxFuture<'_, Result<(), OpenRoleError>> {
        Box::pin(async move {
            match self {
                Self::Leader(log) => Ok(log.record_leadership().await?),
                Self::Follower(log) => Ok(log.refresh().await?),
            }
        })
    }

    /// Goes on with that until `shutdown`.
    pub fn keep_in_touch(&self, readiness: Readiness, shutdown: Shutdown) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            match self {
                Self::Leader(log) => log.maintain_record(readiness, shutdown).await,
                Self::Follower(log) => log.follow(readiness, shutdown).await,
            }
        })
    }

    /// Word of each time that something may be in the log, or may be stated, that could
    /// not before and was for another node to say.
    #[must_use]
    pub fn moves(&self) -> watch::Receiver<u64> {
        match self {
            Self::Leader(log) => log.moves(),
            Self::Follower(log) => log.moves(),
        }
    }

    /// Has something in the log, once; whether it was appended now. It is on the leader's
    /// disk when this returns.
    ///
    /// # Errors
    /// [`StateError`]; then nothing may follow from the statement.
    pub fn state(
        &self,
        statement: Statement,
        now: UnixTime,
    ) -> BoxFuture<'_, Result<bool, StateError>> {
        Box::pin(async move {
            match self {
                Self::Leader(log) => Ok(log.state(statement, now).await?),
                Self::Follower(log) => log.state(&statement).await,
            }
        })
    }

    /// Has statements in the log and under a checkpoint, where every reader finds them.
    /// At a follower this waits for the leader to make them.
    ///
    /// # Errors
    /// [`PublishError`].
    pub fn publish(
        &self,
        statements: Vec<Statement>,
        now: UnixTime,
    ) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async move {
            match self {
                Self::Leader(log) => {
                    for statement in statements {
                        log.state(statement, now).await.map_err(StateError::from)?;
                    }
                    signed(log).await
                }
                // What was read is signed.
                Self::Follower(log) => {
                    for statement in &statements {
                        stated(log, statement).await?;
                    }
                    Ok(())
                }
            }
        })
    }

    /// Whether it is in the log that the epoch of a token key was opened, and not that it
    /// was closed; never at a node that was refused as the leader.
    #[must_use]
    pub fn is_open(&self, id: TokenKeyId) -> bool {
        let is_refused = matches!(self, Self::Leader(log) if log.is_refused());
        !is_refused && self.keys(|keys| keys.is_open(id))
    }

    /// Whether it is in the log that the epoch of a token key was closed.
    #[must_use]
    pub fn is_closed(&self, id: TokenKeyId) -> bool {
        self.keys(|keys| keys.is_closed(id))
    }

    /// Whether it is in the log that a token key was announced.
    #[must_use]
    pub fn is_announced(&self, id: TokenKeyId) -> bool {
        self.keys(|keys| keys.is_announced(id))
    }

    /// When the token keys begin that were announced in the log, as far as it was read here.
    #[must_use]
    pub fn announced_begins(&self) -> Vec<UnixTime> {
        self.keys(KnownKeys::begins)
    }

    /// Whether it is in the log how many tokens a key has signed.
    #[must_use]
    pub fn is_totalled(&self, id: TokenKeyId) -> bool {
        self.keys(|keys| keys.is_totalled(id))
    }

    /// Whether it is in the log that an oblivious key was announced.
    #[must_use]
    pub fn is_oblivious_key(&self, key_config: KeyConfigDigest) -> bool {
        self.keys(|keys| keys.is_oblivious_key(key_config))
    }

    /// When the oblivious keys begin that were announced in the log, as far as it was read here.
    #[must_use]
    pub fn oblivious_begins(&self) -> BTreeSet<UnixTime> {
        self.keys(KnownKeys::oblivious_begins)
    }

    /// What the log says of an oblivious key, or what it is to say of it: two of a KEM never
    /// begin at the same time.
    #[must_use]
    pub fn oblivious_key(&self, key: ObliviousKey) -> ObliviousKey {
        self.keys(|keys| keys.as_announced(key))
    }

    /// The token keys that were announced and whose totals this node has to state: none
    /// at a follower.
    #[must_use]
    pub fn untotalled(&self) -> Vec<TokenKeyId> {
        match self {
            Self::Leader(log) => log.statements().untotalled(),
            Self::Follower(_) => Vec::new(),
        }
    }

    /// What was stated, at the leader.
    #[must_use]
    pub fn statements(&self) -> Option<&Arc<StatementLog>> {
        match self {
            Self::Leader(log) => Some(log.statements()),
            Self::Follower(_) => None,
        }
    }

    /// The log as it is published, at the leader.
    #[must_use]
    pub fn published(&self) -> Option<&Arc<TransparencyLog>> {
        match self {
            Self::Leader(log) => Some(log.published()),
            Self::Follower(_) => None,
        }
    }

    /// Durable entries from an index on, at most `max`; none at a follower. Reads the
    /// disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn entries(&self, first: u64, max: usize) -> io::Result<Vec<(u64, LogEntry)>> {
        match self {
            Self::Leader(log) => log.statements().entries(first, max),
            Self::Follower(_) => Ok(Vec::new()),
        }
    }

    fn keys<T>(&self, peek: impl FnOnce(&KnownKeys) -> T) -> T {
        match self {
            Self::Leader(log) => log.statements().keys(peek),
            Self::Follower(log) => log.keys(peek),
        }
    }
}

/// Waits until all that is in the log is under a checkpoint, as it is at once when the
/// disk can be written.
async fn signed(log: &LeaderLog) -> Result<(), PublishError> {
    let log = log.published();
    let (size, mut checkpoints) = (log.size(), log.checkpoints());
    let signed = checkpoints.wait_for(|last| last.checkpoint().head.size >= size);
    match tokio::time::timeout(SIGNED_WITHIN, signed).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(PublishError::Unsigned { size }),
    }
}

/// Reads on until the leader has made a statement.
async fn stated(log: &FollowerLog, statement: &Statement) -> Result<(), StateError> {
    let read = async {
        while !log.keys(|keys| keys.has(statement)) {
            if let Err(error) = log.refresh().await {
                tracing::warn!(%error, "not seen in the log yet");
            }
            if !log.keys(|keys| keys.has(statement)) {
                tokio::time::sleep(READ_EVERY).await;
            }
        }
    };
    let read = tokio::time::timeout(STATED_WITHIN, read).await;
    read.map_err(|_| StateError::NotYet)
}
