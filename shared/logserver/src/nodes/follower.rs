//! The log at a follower: read as any reader reads it, so that nothing of it is trusted
//! that is not signed and consistent, and passed on to readers. Which double spends are
//! in it is not remembered here.

mod reading;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use pennyblack_evidence::log_entry::{LogEntryError, Statement};
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::public_router::PublicRouter;
use pennyblack_service::repeated_causes::{self, report};
use pennyblack_tlog::{KeyName, VerifierKey};
use tokio::sync::{OwnedMappedMutexGuard, OwnedMutexGuard, watch};
use tokio::task::{JoinError, spawn_blocking};

use self::reading::{Reading, ReadingError};
use super::memory::{Memory, MemoryError, Remembered};
use super::{LeaderClient, LeaderRecord, LeaderRecordError, Reports, StateError, leader_client};
use crate::statements::known::KnownKeys;
use pennyblack_tlog::reader::{Position, ReadLogError};

/// How often the leader is asked for its last checkpoint.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// What is not ready before the log was read, or when it is not to be trusted.
const PART: &str = "transparency log";

/// A log that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowerError {
    /// Which node leads it.
    #[error(transparent)]
    LeaderRecord(#[from] LeaderRecordError),
    /// No node has said so yet.
    #[error("no node has said yet that it leads the log: start the one at {leader}")]
    NoLeader {
        /// The address of the one that should.
        leader: String,
    },
    /// It has another key than before.
    #[error(
        "the log had the key {before} and has {now}: it is another log. If that is meant, stop this \
         node, remove {}, and start it", memory.display()
    )]
    OtherKey {
        /// What this node remembers of the first.
        memory: PathBuf,
        /// When this node began.
        before: Box<VerifierKey>,
        /// As another node says now.
        now: Box<VerifierKey>,
    },
    /// It is another service's.
    #[error(
        "the node at {leader} leads the log {log}, which is not this service's: check \
         transparency_log.leader"
    )]
    OtherLog {
        /// The leader's address.
        leader: String,
        /// The name of the log.
        log: KeyName,
    },
    /// It cannot be read, or is not to be trusted.
    #[error("the log at {leader}: {error}")]
    Read {
        /// The leader's address.
        leader: String,
        /// What is wrong.
        error: ReadLogError,
    },
    /// What was read cannot be remembered.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// Remembering it panicked.
    #[error("remembering what was read broke off: {0}")]
    BrokeOff(JoinError),
    /// An entry that is none of ours.
    #[error(
        "entry {index} of the log: {error}: the leader is of a newer version: update this node, too"
    )]
    Entry {
        /// Its place, from 0.
        index: u64,
        /// What is wrong.
        error: LogEntryError,
    },
}

impl FollowerError {
    /// Whether nobody answered, which says nothing about the log.
    const fn is_away(&self) -> bool {
        match self {
            Self::LeaderRecord(error) => error.is_away(),
            Self::Read { error, .. } => matches!(error, ReadLogError::Source(_)),
            _ => false,
        }
    }
}

/// The log.
#[derive(Debug)]
pub struct FollowerLog {
    name: KeyName,
    leader: Arc<LeaderClient>,
    leader_record: LeaderRecord,
    read: Arc<ReadSoFar>,
    /// Held by the one task that reads on, and by the write that ends its reading.
    reading: Arc<tokio::sync::Mutex<Option<Reading>>>,
    memory: Memory,
    /// How this node states a double spend, where the service has any.
    reports: Option<Reports>,
}

/// What was read and persisted.
#[derive(Debug)]
struct ReadSoFar {
    /// Locked for a look-up or to be replaced, never while waiting.
    keys: Mutex<KnownKeys>,
    /// How many entries; sent whenever more were read.
    size: watch::Sender<u64>,
}

impl ReadSoFar {
    fn keys(&self) -> MutexGuard<'_, KnownKeys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FollowerLog {
    /// The log of this name at another node, as far as the file at `memory` says that it
    /// was read. Reads the disk.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn open(
        name: KeyName,
        leader: LeaderClient,
        leader_record: LeaderRecord,
        memory: &Path,
        reports: Option<Reports>,
    ) -> Result<Self, MemoryError> {
        let memory = Memory::at(memory);
        let leader = Arc::new(leader);
        let (mut known, mut reading) = (KnownKeys::default(), None);
        if let Some(remembered) = memory.load()? {
            known = remembered.keys;
            let is_of_all_kinds = remembered.is_of_all_kinds;
            let begun = Reading::of(&leader, remembered.key, remembered.position);
            reading = Some(begun.of_all_kinds(is_of_all_kinds));
        }
        let size = reading
            .as_ref()
            .map(|reading| reading.position().head().size);
        Ok(Self {
            name,
            leader,
            leader_record,
            read: Arc::new(ReadSoFar {
                keys: Mutex::new(known),
                size: watch::Sender::new(size.unwrap_or(0)),
            }),
            reading: Arc::new(tokio::sync::Mutex::new(reading)),
            memory,
            reports,
        })
    }

    /// Whether nothing was ever read of it.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        *self.read.size.borrow() == 0
    }

    /// Peeks at what was read of keys.
    pub(super) fn keys<T>(&self, peek: impl FnOnce(&KnownKeys) -> T) -> T {
        peek(&self.read.keys())
    }

    /// Has something in the log that the leader states: reports a double spend to it, and
    /// of anything else tells whether it was read.
    ///
    /// # Errors
    /// [`StateError`].
    pub(super) async fn state(&self, statement: &Statement) -> Result<bool, StateError> {
        match (statement, &self.reports) {
            (Statement::DoubleSpend(evidence), Some(reports)) => {
                reports.send(&self.leader, evidence).await
            }
            _ if self.read.keys().has(statement) => Ok(false),
            _ => Err(StateError::NotYet),
        }
    }

    /// Word of each time that more was read: how many entries.
    #[must_use]
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.read.size.subscribe()
    }

    /// The log's resources.
    pub fn router(&self) -> PublicRouter {
        leader_client::router(Arc::clone(&self.leader))
    }

    /// What the leader answers at `path`, for a reader that has asked this node.
    pub async fn pass_on(&self, path: &str, asked: &HeaderMap) -> Response {
        self.leader.pass_on(path, asked).await
    }

    /// Reads on to the last checkpoint.
    ///
    /// # Errors
    /// [`FollowerError`]; what was read before still holds.
    pub async fn refresh(&self) -> Result<(), FollowerError> {
        let mut reading = Arc::clone(&self.reading).lock_owned().await;
        if reading.is_none() {
            *reading = Some(self.begin().await?);
        }
        let Ok(reading) = OwnedMutexGuard::try_map(reading, Option::as_mut) else {
            return Ok(());
        };
        let (position, news) = match reading.on().await {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(()),
            Err(ReadingError::Entry { index, error }) => {
                return Err(FollowerError::Entry { index, error });
            }
            Err(ReadingError::Log(error)) => {
                self.require_same(reading.key(), &error).await?;
                let leader = self.leader.url().to_owned();
                return Err(FollowerError::Read { leader, error });
            }
        };
        let mut keys = self.read.keys().clone();
        news.iter().for_each(|statement| keys.record(statement));
        self.persist(reading, position, keys).await
    }

    /// Writes what was read to the disk, and only then lets anything follow from it.
    /// **File and memory change together and in order**: both in one blocking task, which
    /// holds the lock until it is done, so that a caller that gives up meanwhile (a
    /// time-out, a stop) neither leaves the memory behind the file nor lets the next
    /// reading overtake this write.
    async fn persist(
        &self,
        mut reading: OwnedMappedMutexGuard<Option<Reading>, Reading>,
        position: Position,
        keys: KnownKeys,
    ) -> Result<(), FollowerError> {
        let (memory, read) = (self.memory.clone(), Arc::clone(&self.read));
        let written = spawn_blocking(move || -> Result<(), FollowerError> {
            let remembered = Remembered {
                key: reading.key().clone(),
                position,
                keys,
                is_of_all_kinds: true,
            };
            memory.persist(&remembered)?;
            *read.keys() = remembered.keys;
            reading.has_read_to(remembered.position);
            read.size.send_replace(reading.position().head().size);
            Ok(())
        });
        written.await.map_err(FollowerError::BrokeOff)?
    }

    /// Whether a checkpoint that is not signed is one of another log.
    async fn require_same(
        &self,
        before: &VerifierKey,
        error: &ReadLogError,
    ) -> Result<(), FollowerError> {
        if !matches!(error, ReadLogError::Checkpoint(_)) {
            return Ok(());
        }
        match self.leader_record.key().await {
            Ok(Some(now)) if now != *before => Err(FollowerError::OtherKey {
                memory: self.memory.path().to_owned(),
                before: Box::new(before.clone()),
                now: Box::new(now),
            }),
            _ => Ok(()),
        }
    }

    async fn begin(&self) -> Result<Reading, FollowerError> {
        let leader = || self.leader.url().to_owned();
        let key = self.leader_record.key().await?;
        let key = key.ok_or_else(|| FollowerError::NoLeader { leader: leader() })?;
        if *key.name() != self.name {
            return Err(FollowerError::OtherLog {
                leader: leader(),
                log: key.name().clone(),
            });
        }
        Ok(Reading::of(&self.leader, key, Position::default()))
    }

    /// Reads on again and again, until `shutdown`. When it returns, no write is under way.
    pub async fn follow(&self, readiness: Readiness, shutdown: Shutdown) {
        let away = metrics::gauge!("pennyblack_log_leader_away");
        loop {
            let read = tokio::select! {
                read = self.refresh() => read,
                () = shutdown.requested() => break,
            };
            match read {
                Ok(()) => {
                    away.set(0.0);
                    readiness.has(PART);
                }
                // What is in the log stays there.
                Err(error) if error.is_away() && !self.is_unread() => {
                    away.set(1.0);
                    readiness.has(PART);
                    repeated_causes::warn("the log is not followed at present", &error);
                }
                Err(error) => {
                    away.set(1.0);
                    report("the log is not followed", &error);
                    readiness.lacks(PART, error.to_string());
                }
            }
            tokio::select! {
                () = tokio::time::sleep(FOLLOW_EVERY) => {}
                () = shutdown.requested() => break,
            }
        }
        // A write that ended later could replace that of the next life of this node.
        drop(self.reading.lock().await);
    }

    /// Says from the beginning that nothing was read yet, if nothing was.
    pub fn not_read_yet(&self, readiness: &Readiness) {
        if self.is_unread() {
            readiness.lacks(PART, "the log, which another node leads, was not read yet");
        }
    }
}

#[cfg(test)]
mod tests;
