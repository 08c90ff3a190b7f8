//! Why a file cannot be one of assignments, and which trouble with it passes.

use std::io;
use std::path::{Path, PathBuf};

use super::SCHEMA;
use crate::database::{self, OpenError};

/// Why a file cannot be one of assignments. What may pass, such as a full disk, is none of
/// these: calls go on without the file then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssignmentsError {
    /// The file could not be made or looked at.
    #[error(
        "{}: {source}; name a file for assignments in a directory that exists and is yours",
        path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read the file, and with it see when there were calls.
    #[error("others may read {} (mode {mode:03o}): run chmod 600 {}", path.display(), path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Written by another version of this program.
    #[error(
        "{} has tables of version {found}, and this program knows version {}: move the file away, and wait a minute",
        path.display(), SCHEMA.version
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in it.
        found: i32,
    },
}

/// The runtime ended before it was known which PASSporTs belong to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was not found out which PASSporTs belong to the call: the work was cut short")]
pub struct CutShort;

/// What will not pass by itself; None of what may.
pub(super) fn lasting(path: &Path, error: OpenError) -> Option<AssignmentsError> {
    match error {
        OpenError::File { source, .. } if is_full(&source) => None,
        OpenError::File { path, source } => Some(AssignmentsError::File { path, source }),
        OpenError::Permissions { path, mode } => Some(AssignmentsError::Permissions { path, mode }),
        OpenError::Version { found } => Some(AssignmentsError::Version {
            path: path.to_owned(),
            found,
        }),
        OpenError::Database(_) => None,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// What went wrong, and what to do.
pub(super) fn advice(error: &OpenError) -> String {
    match error {
        OpenError::File { source, .. } => source.to_string(),
        OpenError::Permissions { mode, .. } => {
            format!("others may read it (mode {mode:03o}): run chmod 600")
        }
        OpenError::Version { found } => format!("it has tables of version {found}: move it away"),
        OpenError::Database(error) if database::is_locked(error) => {
            "another process has it locked".to_owned()
        }
        OpenError::Database(error) => match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                format!("{error}: move it away")
            }
            _ => error.to_string(),
        },
    }
}
