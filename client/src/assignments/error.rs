//! Which trouble with a file of assignments passes.

use std::io;
use std::path::Path;

use crate::database::{self, DatabaseFileError, OpenError};

/// The runtime ended before it was known which PASSporTs belong to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was not found out which PASSporTs belong to the call: the work was cut short")]
pub struct CutShort;

/// What will not pass by itself; None of what may: calls go on without the file then.
pub(super) fn lasting(error: OpenError) -> Option<DatabaseFileError> {
    match error {
        OpenError::File(DatabaseFileError::Unusable { source, .. }) if is_full(&source) => None,
        OpenError::File(error) => Some(error),
        OpenError::Database(_) => None,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// What went wrong with the file, and what to do.
pub(super) fn advice(path: &Path, error: &OpenError) -> String {
    let what = match error {
        OpenError::File(error) => return error.to_string(),
        OpenError::Database(error) if database::is_locked(error) => {
            "another process has it locked".to_owned()
        }
        OpenError::Database(error) => match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                format!("{error}: move it away")
            }
            _ => error.to_string(),
        },
    };
    format!("{}: {what}", path.display())
}
