//! Why a file cannot keep blocks.

use std::path::{Path, PathBuf};

use crate::database::{DatabaseFileError, OpenError};

/// Why a file cannot keep blocks of key records.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockFileError {
    /// It is no such file, or not its owner's alone: it says which blocks were called.
    #[error(transparent)]
    File(#[from] DatabaseFileError),
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
            OpenError::File(error) => error.into(),
            OpenError::Database(source) => Self::Database { path, source },
        }
    }
}
