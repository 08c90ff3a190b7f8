//! Reading on in the leader's log, from where it was read to before.

use std::sync::Arc;

use pennyblack_evidence::log_entry::{LogEntry, LogEntryError, SkippedKinds, Statement};
use pennyblack_tlog::reader::{LogReader, Position, ReadLogError};
use pennyblack_tlog::{VerifierKey, WitnessPolicy};

use crate::nodes::LeaderClient;

/// The reader, once the log's key is known.
#[derive(Debug)]
pub(super) struct Reading {
    reader: LogReader<Arc<LeaderClient>>,
    position: Position,
    /// Whether no entry was skipped so far whose kind is known now.
    is_of_all_kinds: bool,
}

/// Why the log cannot be read on.
#[derive(Debug)]
pub(super) enum ReadingError {
    Log(ReadLogError),
    Entry { index: u64, error: LogEntryError },
}

impl From<ReadLogError> for ReadingError {
    fn from(error: ReadLogError) -> Self {
        Self::Log(error)
    }
}

impl Reading {
    pub(super) fn of(leader: &Arc<LeaderClient>, key: VerifierKey, position: Position) -> Self {
        let policy = WitnessPolicy::default();
        Self {
            reader: LogReader::new(Arc::clone(leader), key, policy),
            position,
            is_of_all_kinds: true,
        }
    }

    /// The same after a version of this program that may have known fewer kinds: the log is
    /// read once more from its beginning then (docs/protocol.md section 7.2).
    pub(super) fn of_all_kinds(self, is_of_all_kinds: bool) -> Self {
        Self {
            is_of_all_kinds,
            ..self
        }
    }

    pub(super) const fn key(&self) -> &VerifierKey {
        self.reader.key()
    }

    pub(super) const fn position(&self) -> &Position {
        &self.position
    }

    /// Notes how far it was read and remembered.
    pub(super) fn has_read_to(&mut self, position: Position) {
        self.position = position;
        self.is_of_all_kinds = true;
    }

    /// What is new under the last checkpoint, about keys; `None` if nothing is.
    pub(super) async fn on(&self) -> Result<Option<(Position, Vec<Statement>)>, ReadingError> {
        let checkpoint = self.reader.checkpoint().await?;
        let is_read = self.position.checkpoint().is_some();
        let is_same = is_read && checkpoint.checkpoint().head == self.position.head();
        if is_same && self.is_of_all_kinds {
            return Ok(None);
        }
        let (mut news, mut skipped) = (Vec::new(), SkippedKinds::default());
        let mut visit = |index, bytes: &[u8]| {
            let entry = LogEntry::parse(bytes);
            let entry = entry.map_err(|error| ReadingError::Entry { index, error })?;
            let is_skipped = skipped.record(&entry);
            if !is_skipped && is_about_key(&entry.statement) {
                news.push(entry.statement);
            }
            Ok::<_, ReadingError>(())
        };
        // Also that it takes nothing back of what was read before.
        let read = self.reader.advance(&self.position, &checkpoint, &mut visit);
        let mut position = read.await?;
        if !self.is_of_all_kinds {
            let beginning = Position::default();
            let read = self.reader.advance(&beginning, &checkpoint, &mut visit);
            position = read.await?;
        }
        if !skipped.is_empty() {
            tracing::warn!(%skipped, "the leader of the log is of a later version: update this node");
        }
        Ok(Some((position, news)))
    }
}

/// Whether it is one of the few that a follower keeps.
const fn is_about_key(statement: &Statement) -> bool {
    !matches!(
        statement,
        Statement::DoubleSpend(_) | Statement::KeyRecordPublished(_) | Statement::KeyRecordEnded(_)
    )
}
