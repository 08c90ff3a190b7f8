//! The CPS's transparency log (docs/protocol.md section 7): double spends with
//! their evidence, and which key epochs it opened and closed. Everything is on
//! disk before it has a consequence, and signed for about a second later. Not
//! here: tiles, checkpoints and files, which are in `pennyblack_tlog`.

mod known;
mod tallies;
mod witnesses;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pennyblack_shared::authority::Authority;
use pennyblack_shared::double_spend::{DoubleSpendEvidence, EvidenceFormError};
use pennyblack_shared::log_entry::{EpochTotals, LogEntry, LogEntryError, Minute, Statement};
use pennyblack_shared::time::UnixTime;
use pennyblack_shared::tlog::NoteKeyError;
use pennyblack_shared::token::TokenKeyId;
use pennyblack_shared::token_key::TokenKey;
use pennyblack_storage::group_commit::CommitError;
use pennyblack_tlog::{AppendError, OpenLogError, TransparencyLog, routes};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex as Turn;

use self::known::Known;
pub use self::tallies::{EpochTallies, TalliesError, Tally};
pub(crate) use self::witnesses::Witnesses;
pub use self::witnesses::WitnessesError;

/// So many double spends of different tokens are logged at the same time; those of
/// one token come one after the other.
const TURNS: usize = 64;

/// A log that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenCpsLogError {
    /// The CPS's name cannot be a log's.
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
    /// The counts of key epochs.
    #[error(transparent)]
    Tallies(#[from] TalliesError),
}

/// A double spend as `/v1/double-spends` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLine {
    /// Its place in the log.
    pub index: u64,
    /// The minute in which the second request came.
    pub minute: UnixTime,
    /// [`DoubleSpendEvidence`] as it is written, to be parsed and checked.
    pub evidence: serde_json::Value,
}

impl LogLine {
    /// The evidence, parsed and not checked.
    ///
    /// # Errors
    /// [`EvidenceFormError`].
    pub fn evidence(&self) -> Result<DoubleSpendEvidence, EvidenceFormError> {
        self.evidence.to_string().parse()
    }
}

/// The log, open.
pub struct CpsLog {
    log: Arc<TransparencyLog>,
    /// What is in the log. Locked for a look-up or a note, never while waiting.
    known: Mutex<Known>,
    /// Held while an entry about a token or a key becomes durable, so that each is
    /// judged by all before it.
    turns: Vec<Turn<()>>,
    tallies: EpochTallies,
}

impl CpsLog {
    /// Opens the log in a directory of its own, or begins one there. Reads and
    /// checks all of it: not for an async context.
    ///
    /// # Errors
    /// [`OpenCpsLogError`].
    pub fn open(directory: &Path, cps: &Authority) -> Result<Self, OpenCpsLogError> {
        let name = format!("{cps}{}", routes::PREFIX).parse()?;
        let (mut known, mut unread) = (Known::default(), None);
        let log = TransparencyLog::open(directory, &name, |index, bytes| {
            match LogEntry::parse(bytes) {
                Ok(entry) => known.note(&entry.statement),
                Err(error) => unread = unread.take().or(Some((index, error))),
            }
        })?;
        if let Some((index, error)) = unread {
            return Err(OpenCpsLogError::Entry { index, error });
        }
        Ok(Self {
            log: Arc::new(log),
            known: Mutex::new(known),
            turns: (0..TURNS).map(|_| Turn::default()).collect(),
            tallies: EpochTallies::open(&directory.join("tallies.json"))?,
        })
    }

    /// The log as it is published.
    #[must_use]
    pub const fn published(&self) -> &Arc<TransparencyLog> {
        &self.log
    }

    /// What is counted of the key epochs that are open.
    #[must_use]
    pub const fn tallies(&self) -> &EpochTallies {
        &self.tallies
    }

    /// Logs a double spend, once for each pair of requests and a few times for
    /// each token. It is on disk when this returns.
    ///
    /// # Errors
    /// [`AppendError`]; then the double spend must not be answered as one.
    pub async fn double_spend(
        self: &Arc<Self>,
        evidence: DoubleSpendEvidence,
        now: UnixTime,
    ) -> Result<(), AppendError> {
        let statement = Statement::DoubleSpend(Box::new(evidence));
        if self.append(statement, now).await? {
            metrics::counter!("pennyblack_cps_double_spends_total").increment(1);
        }
        Ok(())
    }

    /// Logs that tokens of a key are taken from now on; once for each key.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn key_epoch_opened(
        self: &Arc<Self>,
        issuer: &Authority,
        key: &TokenKey,
        not_before: UnixTime,
        now: UnixTime,
    ) -> Result<(), AppendError> {
        let statement = Statement::KeyEpochOpened {
            issuer: issuer.clone(),
            key: key.clone(),
            not_before,
        };
        self.append(statement, now).await.map(|_| ())
    }

    /// Logs that no token of a key is taken any more, and how many were spent;
    /// once for each key.
    ///
    /// # Errors
    /// [`AppendError`]; then the epoch must not be closed yet.
    pub async fn key_epoch_closed(
        self: &Arc<Self>,
        token_key_id: TokenKeyId,
        spent: u64,
        now: UnixTime,
    ) -> Result<(), AppendError> {
        let tally = self.tallies.of(token_key_id);
        let statement = Statement::KeyEpochClosed {
            token_key_id,
            totals: EpochTotals {
                spent,
                replayed: tally.replayed,
                refused: tally.refused,
            },
        };
        self.append(statement, now).await?;
        self.tallies.forget(token_key_id);
        Ok(())
    }

    /// Appends a statement that is not in the log yet; whether it was not.
    async fn append(
        self: &Arc<Self>,
        statement: Statement,
        now: UnixTime,
    ) -> Result<bool, AppendError> {
        if self.known().has(&statement) {
            return Ok(false);
        }
        // In a task of its own: a client that hangs up must not leave an entry on
        // disk that is not known here.
        let this = Arc::clone(self);
        let appended = tokio::spawn(async move { this.append_in_turn(statement, now).await });
        appended.await.map_err(|_| CommitError::Stopped)?
    }

    async fn append_in_turn(
        &self,
        statement: Statement,
        now: UnixTime,
    ) -> Result<bool, AppendError> {
        let turn = usize::from(known::fingerprint(&statement)) % TURNS;
        let _turn = match self.turns.get(turn) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        if self.known().has(&statement) {
            return Ok(false);
        }
        let entry = LogEntry {
            minute: Minute::of(now),
            statement,
        };
        self.log.append(entry.to_bytes()).await?;
        self.known().note(&entry.statement);
        Ok(true)
    }

    /// The double spends from a place in the log on, oldest first: all of those
    /// among the next `most` entries. Reads the disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn double_spends(&self, first: u64, most: usize) -> io::Result<Vec<LogLine>> {
        let mut lines = Vec::new();
        let mut place = first;
        // Entries about key epochs are few; a page has as many lines all the same.
        while lines.len() < most {
            let entries = self.log.entries(place, most - lines.len())?;
            let Some((last, _)) = entries.last() else {
                break;
            };
            place = last + 1;
            for (index, bytes) in &entries {
                let entry = LogEntry::parse(bytes).map_err(io::Error::other)?;
                lines.extend(line(*index, entry));
            }
        }
        Ok(lines)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn line(index: u64, entry: LogEntry) -> Option<LogLine> {
    let Statement::DoubleSpend(evidence) = entry.statement else {
        return None;
    };
    Some(LogLine {
        index,
        minute: entry.minute.start(),
        evidence: serde_json::from_str(&evidence.to_json()).ok()?,
    })
}

#[cfg(test)]
mod tests;
