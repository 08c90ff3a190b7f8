//! Why the file of a directory cannot be used.

use std::path::PathBuf;

use pennyblack_evidence::record_log::DamagedKeyRecordLog;

use crate::database::{self, DatabaseFileError, OpenError};

/// Why the file of a directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// There is none.
    #[error("there is no directory {}: `pennyblack directory sync` makes and fills one", .0.display())]
    Missing(PathBuf),
    /// It is no such file, or not its owner's alone.
    #[error(transparent)]
    File(#[from] DatabaseFileError),
    /// Another round goes on in it.
    #[error(
        "another `directory sync` or `mailbox watch` is at work in {}: let it end, or name another \
         file", .0.display()
    )]
    AtWork(PathBuf),
    /// It is for something else. Who watches numbers is told of what is new to the file, and
    /// would not hear of what somebody else has taken up.
    #[error(
        "{} was filled by `directory sync`, or by a watch of other numbers, and a watch is told of \
         what is new alone: name a file that only this watch has", .0.display()
    )]
    OtherPurpose(PathBuf),
    /// Another process did not let go of it.
    #[error("another process has had the directory locked for 10 s: end it, and try again")]
    Locked,
    /// The database refused.
    #[error("the directory's file: {0}; if that persists, move it away and sync into a new one")]
    Database(rusqlite::Error),
    /// What it remembers of a log.
    #[error("{0}: move the directory's file away and sync into a new one")]
    Log(#[from] DamagedKeyRecordLog),
    /// A row that this program does not write.
    #[error("the directory's file is damaged ({0}): move it away and sync into a new one")]
    Damaged(&'static str),
    /// The thread that did the work ended before it was done.
    #[error("the directory's work was cut short")]
    CutShort,
}

impl From<OpenError> for DirectoryError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::File(error) => error.into(),
            OpenError::Database(error) => error.into(),
        }
    }
}

impl From<rusqlite::Error> for DirectoryError {
    fn from(error: rusqlite::Error) -> Self {
        match database::is_locked(&error) {
            true => Self::Locked,
            false => Self::Database(error),
        }
    }
}
