//! The log at its leader. Nothing is stated in it until it is certain that no other node
//! leads it, and that it has all that was signed for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use http::StatusCode;
use http::header::RETRY_AFTER;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::Statement;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::public_router::PublicRouter;
use pennyblack_service::repeated_causes::{self, report};
use tokio::sync::watch;

use super::leader_client::AGAIN_AFTER;
use super::{LeaderRecord, LeaderRecordError};
use crate::log::TransparencyLog;
use crate::routes;
use crate::statements::{StatementError, StatementLog};

/// How often the leader record is written at least, should Redis have lost it.
const RECORD_EVERY: Duration = Duration::from_secs(1);
/// What is not ready while nothing can be stated.
const PART: &str = "transparency log";

/// Why nothing is stated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotStated {
    /// It is not known yet whether this node leads the log.
    #[error("it is not known yet whether another node leads the log")]
    Unrecorded,
    /// It must not.
    #[error("{0}")]
    Refused(Arc<str>),
    /// The log itself did not take it.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

/// The log.
#[derive(Debug)]
pub struct LeaderLog {
    statements: Arc<StatementLog>,
    /// With other nodes: how they know.
    leader_record: Option<LeaderRecord>,
    /// Why nothing is stated, if nothing is. Replaced by [`LeaderLog::record_leadership`] only, and
    /// locked for that and for a look, never while waiting.
    withheld: RwLock<Option<NotStated>>,
    /// Another node was found to lead it.
    has_yielded: AtomicBool,
    /// How often what is withheld changed.
    moves: watch::Sender<u64>,
}

impl LeaderLog {
    /// That of a node without others.
    #[must_use]
    pub fn alone(statements: Arc<StatementLog>) -> Self {
        Self {
            statements,
            leader_record: None,
            withheld: RwLock::default(),
            has_yielded: AtomicBool::new(false),
            moves: watch::Sender::default(),
        }
    }

    /// That of one among several. Nothing is stated until [`Self::record_leadership`].
    #[must_use]
    pub fn among(statements: Arc<StatementLog>, leader_record: LeaderRecord) -> Self {
        Self {
            statements,
            leader_record: Some(leader_record),
            withheld: RwLock::new(Some(NotStated::Unrecorded)),
            has_yielded: AtomicBool::new(false),
            moves: watch::Sender::default(),
        }
    }

    /// What was stated.
    #[must_use]
    pub const fn statements(&self) -> &Arc<StatementLog> {
        &self.statements
    }

    /// The log as it is published.
    #[must_use]
    pub fn published(&self) -> &Arc<TransparencyLog> {
        self.statements.published()
    }

    /// Whether other nodes follow it.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.leader_record.is_some()
    }

    /// The log's resources.
    /// While another node may be the leader, all are 503.
    pub fn router(self: &Arc<Self>) -> PublicRouter {
        let log = Arc::clone(self);
        let shown = axum::middleware::from_fn(move |request: Request, next: Next| {
            let log = Arc::clone(&log);
            async move {
                if log.is_leading() {
                    next.run(request).await
                } else {
                    let again = [(RETRY_AFTER, AGAIN_AFTER)];
                    (StatusCode::SERVICE_UNAVAILABLE, again).into_response()
                }
            }
        });
        routes::router(Arc::clone(self.published())).layer(shown)
    }

    /// States something, as [`StatementLog::state`] does.
    ///
    /// # Errors
    /// [`NotStated`]; then nothing may follow from the statement.
    pub async fn state(&self, statement: Statement, now: UnixTime) -> Result<bool, NotStated> {
        self.withheld().clone().map_or(Ok(()), Err)?;
        Ok(self.statements.state(statement, now).await?)
    }

    /// Tells the other nodes that this one leads the log.
    ///
    /// # Errors
    /// [`LeaderRecordError`]; nothing is stated from then on, unless Redis is merely away.
    pub async fn record_leadership(&self) -> Result<(), LeaderRecordError> {
        let Some(record) = &self.leader_record else {
            return Ok(());
        };
        if self.has_yielded.load(Ordering::Relaxed) {
            // It does not take the place of the other should Redis forget that one.
            record.require_own(self.published()).await?;
        }
        let written = record.write(self.published()).await;
        match &written {
            Ok(()) => {
                self.has_yielded.store(false, Ordering::Relaxed);
                self.withhold(None);
            }
            Err(error) if error.is_certain() => {
                let is_others = matches!(error, LeaderRecordError::OtherLeader { .. });
                self.has_yielded.store(is_others, Ordering::Relaxed);
                self.withhold(Some(NotStated::Refused(error.to_string().into())));
            }
            Err(_) => {}
        }
        written
    }

    fn withhold(&self, why: Option<NotStated>) {
        let mut withheld = self
            .withheld
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let is_news = *withheld != why;
        *withheld = why;
        drop(withheld);
        if is_news {
            self.moves.send_modify(|moves| *moves += 1);
        }
    }

    fn withheld(&self) -> RwLockReadGuard<'_, Option<NotStated>> {
        self.withheld.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this node leads the log, as far as is known.
    #[must_use]
    pub fn is_leading(&self) -> bool {
        self.withheld().is_none()
    }

    /// Whether it is certain that another node leads the log, or that this one has lost
    /// what it signed for.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(&*self.withheld(), Some(NotStated::Refused(_)))
    }

    /// Word of each time that statements begin or cease to be taken.
    #[must_use]
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.moves.subscribe()
    }

    /// Reports from the beginning that it is not known yet whether this node may lead it.
    pub fn not_recorded_yet(&self, readiness: &Readiness) {
        if self.leader_record.is_some() {
            readiness.lacks(PART, NotStated::Unrecorded.to_string());
        }
    }

    /// Writes the leader record each second, and with each checkpoint, until `shutdown`.
    pub async fn maintain_record(&self, readiness: Readiness, shutdown: Shutdown) {
        if self.leader_record.is_none() {
            return;
        }
        let mut checkpoints = self.published().checkpoints();
        loop {
            checkpoints.mark_unchanged();
            let written = tokio::select! {
                written = self.record_leadership() => written,
                () = shutdown.requested() => return,
            };
            match written {
                Ok(()) => readiness.has(PART),
                // What it said before still holds.
                Err(error) if !error.is_certain() && self.is_leading() => {
                    repeated_causes::warn("Redis is not told how far the log is", &error);
                }
                Err(error) => {
                    report("nothing is stated in the log", &error);
                    readiness.lacks(PART, error.to_string());
                }
            }
            tokio::select! {
                () = tokio::time::sleep(RECORD_EVERY) => {}
                _ = checkpoints.changed() => {}
                () = shutdown.requested() => return,
            }
        }
    }
}
