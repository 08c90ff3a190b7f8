//! The simplest use of the journal: records that are appended, kept, and read
//! back at the next start. For what is small enough to be kept in memory anyway.

use std::path::Path;
use std::sync::Arc;

use crate::disk::{OpenDiskError, RealDisk};
use crate::group_commit::{CommitError, FrameBuilder, GroupCommit, StateMachine};
use crate::journal::{Journal, JournalError};

const PREFIX: &str = "log";
/// Appends that may wait for a commit.
const QUEUE: usize = 4096;

/// A log that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The directory.
    #[error(transparent)]
    Disk(#[from] OpenDiskError),
    /// What lies in it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No thread to write with.
    #[error("starting the log's thread: {0}")]
    Thread(std::io::Error),
}

/// An append-only log in a directory of its own, locked for this process.
pub struct Log(GroupCommit<Appender>);

impl Log {
    /// Opens the log of `directory` (made if missing), and returns the records
    /// in it, oldest first. Reads the whole disk: not for an async context.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(directory: &Path) -> Result<(Self, Vec<Vec<u8>>), LogError> {
        let disk = Arc::new(RealDisk::open(directory)?);
        let mut records = Vec::new();
        let journal = Journal::open(disk, PREFIX, |_, record| records.push(record.to_vec()))?;
        let commit = GroupCommit::start("log", Appender { journal }, QUEUE);
        Ok((Self(commit.map_err(LogError::Thread)?), records))
    }

    /// Appends a record; it survives a crash once this has returned `Ok`.
    ///
    /// # Errors
    /// [`CommitError`]; the record is then not in the log.
    pub async fn append(&self, record: Vec<u8>) -> Result<(), CommitError> {
        self.0.submit(record).await
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

struct Appender {
    journal: Journal<RealDisk>,
}

impl StateMachine for Appender {
    type Disk = RealDisk;
    type Command = Vec<u8>;
    type Answer = ();

    fn journal(&mut self) -> &mut Journal<RealDisk> {
        &mut self.journal
    }

    fn decide(&mut self, record: Vec<u8>, frame: &mut FrameBuilder) {
        frame.push(&[&record]);
    }

    fn commit(&mut self) {}

    fn abort(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_appended_is_there_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for round in 0u8..3 {
            let (log, records) = Log::open(directory.path()).unwrap();
            assert_eq!(records, expected);
            let appends = (0..20).map(|i| log.append(vec![round, i]));
            for append in appends {
                append.await.unwrap();
            }
            expected.extend((0..20).map(|i| vec![round, i]));
        }
    }
}
