//! A log of statements (docs/protocol.md section 7.2), each of which is made once:
//! what a CPS and an issuer append to. Not here: when there is something to state.

pub(crate) mod known;
mod records;

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::{LogEntry, LogEntryError, Minute, SkippedKinds, Statement};
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_storage::group_commit::CommitError;
use pennyblack_tlog::NoteKeyError;
use tokio::sync::{Mutex as Turn, RwLock};

use self::known::{Known, KnownKeys};
pub use self::records::{KnownRecords, Publication, RECORDS_KEPT_FOR, RecordEntry};
use crate::log::{AppendError, TransparencyLog};
use crate::opening::OpenLogError;
use crate::routes;

/// So many statements become durable at the same time; those about one token or
/// one key come one after the other.
const TURNS: usize = 64;

/// A log of statements that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStatementsError {
    /// The service's name cannot be a log's.
    #[error("the log: {0}")]
    Name(#[from] NoteKeyError),
    /// The log itself.
    #[error(transparent)]
    Log(#[from] OpenLogError),
    /// An entry that is none of ours.
    #[error("entry {index} of the log: {error}: it was written by another version")]
    Entry {
        /// Its place, from 0.
        index: u64,
        /// What is wrong.
        error: LogEntryError,
    },
}

/// A statement that is not in the log, or not known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// It was not appended.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The epoch of its token is closed in the log.
    #[error("the key epoch of the token is closed in the log, and takes no more double spends")]
    EpochClosed,
}

/// The log.
pub struct StatementLog {
    log: Arc<TransparencyLog>,
    /// What is in the log. Locked for a look-up or a note, never while waiting.
    known: Mutex<Known>,
    /// Held while a statement becomes durable, so that each is judged by all before
    /// it about the same thing.
    turns: Vec<Turn<()>>,
    /// Shared by the double spends of a key's tokens, and held alone by the closing of
    /// its epoch: no double spend comes after the closing in the log, not even one that
    /// was judged while the closing was on its way to the disk.
    epochs: Vec<RwLock<()>>,
}

impl StatementLog {
    /// Opens the log of the service with this name, in a directory of its own, or
    /// begins one there. Reads and checks all of it: not for an async context.
    ///
    /// # Errors
    /// [`OpenStatementsError`].
    pub fn open(directory: &Path, service: &Authority) -> Result<Self, OpenStatementsError> {
        let name = format!("{service}{}", routes::PREFIX).parse()?;
        let (mut known, mut unread) = (Known::default(), None);
        let mut skipped = SkippedKinds::default();
        let log = TransparencyLog::open(directory, &name, |index, bytes| {
            match LogEntry::parse(bytes) {
                Ok(entry) if skipped.record(&entry) => {}
                Ok(entry) => known.record(index, &entry),
                Err(error) => unread = unread.take().or(Some((index, error))),
            }
        })?;
        if let Some((index, error)) = unread {
            return Err(OpenStatementsError::Entry { index, error });
        }
        if !skipped.is_empty() {
            tracing::warn!(%skipped, "a later version has written to this log");
        }
        Ok(Self {
            log: Arc::new(log),
            known: Mutex::new(known),
            turns: (0..TURNS).map(|_| Turn::default()).collect(),
            epochs: (0..TURNS).map(|_| RwLock::default()).collect(),
        })
    }

    /// The log as it is published.
    #[must_use]
    pub const fn published(&self) -> &Arc<TransparencyLog> {
        &self.log
    }

    /// States something, unless it was stated before or need not be; whether it was
    /// appended. What is in the log then is on disk.
    ///
    /// # Errors
    /// [`StatementError`]; then nothing may follow from the statement.
    pub async fn state(
        self: &Arc<Self>,
        statement: Statement,
        now: UnixTime,
    ) -> Result<bool, StatementError> {
        if self.has(&statement)? {
            return Ok(false);
        }
        // In a task of its own: a client that hangs up must not leave an entry on
        // disk that is not known here.
        let this = Arc::clone(self);
        let stated = tokio::spawn(async move { this.state_in_turn(statement, now).await });
        stated
            .await
            .map_err(|_| AppendError::from(CommitError::Stopped))?
    }

    async fn state_in_turn(
        &self,
        statement: Statement,
        now: UnixTime,
    ) -> Result<bool, StatementError> {
        // Before the turn, here and everywhere: two that hold one each must not wait for
        // each other.
        let epoch = known::epoch_of(&statement).map(|epoch| usize::from(epoch) % TURNS);
        let epoch = epoch.and_then(|epoch| self.epochs.get(epoch));
        let (_shared, _alone) = match (epoch, &statement) {
            (Some(epoch), Statement::DoubleSpend(_)) => (Some(epoch.read().await), None),
            (Some(epoch), _) => (None, Some(epoch.write().await)),
            (None, _) => (None, None),
        };
        let turn = usize::from(known::fingerprint(&statement)) % TURNS;
        let _turn = match self.turns.get(turn) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        if self.has(&statement)? {
            return Ok(false);
        }
        let entry = LogEntry {
            minute: Minute::of(now),
            statement,
        };
        let index = self.log.append(entry.to_bytes()).await?;
        self.known().record(index, &entry);
        Ok(true)
    }

    fn has(&self, statement: &Statement) -> Result<bool, StatementError> {
        let known = self.known();
        match known.is_too_late_for(statement) {
            true => Err(StatementError::EpochClosed),
            false => Ok(known.has(statement)),
        }
    }

    /// Peeks at what was stated of keys.
    pub(crate) fn keys<T>(&self, peek: impl FnOnce(&KnownKeys) -> T) -> T {
        peek(self.known().keys())
    }

    /// Peeks at what was stated of key records, or has some of it forgotten.
    pub fn records<T>(&self, peek: impl FnOnce(&mut KnownRecords) -> T) -> T {
        peek(&mut self.known().records)
    }

    /// The places of the first bundle of entries that has double spends, and entries from
    /// `first` on.
    #[must_use]
    pub fn double_spends_from(&self, first: u64) -> Option<Range<u64>> {
        self.known().double_spends_from(first)
    }

    /// The places of the last bundle of entries that has double spends, and entries before
    /// `end`.
    #[must_use]
    pub fn double_spends_before(&self, end: u64) -> Option<Range<u64>> {
        self.known().double_spends_before(end)
    }

    /// The token keys that were announced and whose issuance totals were not stated.
    #[must_use]
    pub fn untotalled(&self) -> Vec<TokenKeyId> {
        self.known().untotalled()
    }

    /// Durable entries from a place on, at most `max`. Reads the disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn entries(&self, first: u64, max: usize) -> io::Result<Vec<(u64, LogEntry)>> {
        let entries = self.log.entries(first, max)?;
        let parsed = entries.iter().map(|(index, bytes)| {
            let entry = LogEntry::parse(bytes).map_err(io::Error::other)?;
            Ok((*index, entry))
        });
        parsed.collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for StatementLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatementLog")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}
