//! The CPS's transparency log (docs/protocol.md section 7): double spends with
//! their evidence, and which key epochs it opened and closed. Everything is on
//! disk before it has a consequence, and signed for about a second later. Not
//! here: tiles, checkpoints and files, which are in `pennyblack_tlog`.

mod tallies;
mod witnesses;

use std::io;
use std::path::Path;
use std::sync::Arc;

use pennyblack_shared::authority::Authority;
use pennyblack_shared::double_spend::{DoubleSpendEvidence, EvidenceFormError};
use pennyblack_shared::log_entry::{EpochTotals, LogEntry, Statement};
use pennyblack_shared::time::UnixTime;
use pennyblack_shared::token::TokenKeyId;
use pennyblack_shared::token_key::TokenKey;
use pennyblack_tlog::statements::{OpenStatementsError, StatementLog};
use pennyblack_tlog::{AppendError, TransparencyLog};
use serde::{Deserialize, Serialize};

pub use self::tallies::{EpochTallies, TalliesError, Tally};
pub(crate) use self::witnesses::Witnesses;
pub use self::witnesses::WitnessesError;

/// A log that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenCpsLogError {
    /// The log itself.
    #[error(transparent)]
    Log(#[from] OpenStatementsError),
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
    statements: Arc<StatementLog>,
    tallies: EpochTallies,
}

impl CpsLog {
    /// Opens the log in a directory of its own, or begins one there. Reads and
    /// checks all of it: not for an async context.
    ///
    /// # Errors
    /// [`OpenCpsLogError`].
    pub fn open(directory: &Path, cps: &Authority) -> Result<Self, OpenCpsLogError> {
        Ok(Self {
            statements: Arc::new(StatementLog::open(directory, cps)?),
            tallies: EpochTallies::open(&directory.join("tallies.json"))?,
        })
    }

    /// The log as it is published.
    #[must_use]
    pub fn published(&self) -> &Arc<TransparencyLog> {
        self.statements.published()
    }

    /// What is counted of the key epochs that are open.
    #[must_use]
    pub const fn tallies(&self) -> &EpochTallies {
        &self.tallies
    }

    /// Logs a double spend, once for each pair of requests and a few times for
    /// each token; whether this was such a time. It is on disk when this returns.
    ///
    /// # Errors
    /// [`AppendError`]; then the double spend must not be answered as one.
    pub async fn double_spend(
        &self,
        evidence: DoubleSpendEvidence,
        now: UnixTime,
    ) -> Result<bool, AppendError> {
        let statement = Statement::DoubleSpend(Box::new(evidence));
        self.statements.state(statement, now).await
    }

    /// Logs that tokens of a key are taken from now on; once for each key.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn key_epoch_opened(
        &self,
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
        self.statements.state(statement, now).await.map(|_| ())
    }

    /// Whether it is in the log, durably, that tokens of a key are taken.
    #[must_use]
    pub fn is_open(&self, id: TokenKeyId) -> bool {
        self.statements.is_open(id)
    }

    /// Logs that no token of a key is taken any more, and how many were spent;
    /// once for each key.
    ///
    /// # Errors
    /// [`AppendError`]; then the epoch must not be closed yet.
    pub async fn key_epoch_closed(
        &self,
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
        self.statements.state(statement, now).await?;
        self.tallies.forget(token_key_id);
        Ok(())
    }

    /// The entries from a place in the log on, at most `most`. Reads the disk.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn entries(&self, first: u64, most: usize) -> io::Result<Vec<(u64, LogEntry)>> {
        self.statements.entries(first, most)
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
            let entries = self.statements.entries(place, most - lines.len())?;
            let Some((last, _)) = entries.last() else {
                break;
            };
            place = last + 1;
            let entries = entries.into_iter();
            lines.extend(entries.filter_map(|(index, entry)| line(index, entry)));
        }
        Ok(lines)
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
