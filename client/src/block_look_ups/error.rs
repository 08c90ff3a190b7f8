//! Why a file cannot keep blocks.

use std::io;
use std::path::{Path, PathBuf};

use crate::database::OpenError;

/// Why a file cannot keep blocks of key records.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockFileError {
    /// The file could not be made or looked at.
    #[error("{}: {source}; name a file in a directory that exists and is yours", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read the file, and with it which blocks were called.
    #[error("others may read {} (mode {mode:03o}): run chmod 600 {}", path.display(), path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Written by another version of this program.
    #[error("{} has tables of version {found}, which this program does not know: move it away", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in it.
        found: i32,
    },
    /// The database refused.
    #[error("{}: {source}; if it is damaged, move it away: it can be made anew", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The runtime ended.
    #[error("the file of blocks was not used to the end: the work was cut short")]
    CutShort,
}

impl BlockFileError {
    pub(super) fn opening(path: &Path, error: OpenError) -> Self {
        let path = path.to_owned();
        match error {
            OpenError::File { path, source } => Self::File { path, source },
            OpenError::Permissions { path, mode } => Self::Permissions { path, mode },
            OpenError::Version { found } => Self::Version { path, found },
            OpenError::Database(source) => Self::Database { path, source },
        }
    }
}
