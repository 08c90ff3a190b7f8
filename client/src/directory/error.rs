//! Why the file of a directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use pennyblack_evidence::record_log::DamagedKeyRecordLog;

use super::SCHEMA_VERSION;
use crate::database::{self, OpenError};

/// Why the file of a directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// There is none.
    #[error("there is no directory {}: `pennyblack directory sync` makes and fills one", .0.display())]
    Missing(PathBuf),
    /// The file could not be made or looked at.
    #[error("{}: {source}; name a file in a directory that exists and is yours", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read it, and write it perhaps.
    #[error("others may read {} (mode {mode:03o}): run chmod 600 {}", path.display(), path.display())]
    Permissions {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Written by another version of this program.
    #[error(
        "{} has tables of version {found}, and this program knows version {SCHEMA_VERSION}: move \
         the file away, and sync into a new one", path.display()
    )]
    Version {
        /// Which.
        path: PathBuf,
        /// The version in it.
        found: i32,
    },
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

impl DirectoryError {
    pub(super) fn of_open(path: &Path, error: OpenError) -> Self {
        let path = path.to_owned();
        match error {
            OpenError::File { path, source } => Self::File { path, source },
            OpenError::Permissions { path, mode } => Self::Permissions { path, mode },
            OpenError::Version { found } => Self::Version { path, found },
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
