//! One round at a time in a file, whichever process makes it. Not here: the round.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::{Directory, DirectoryError, SCHEMA};

/// What is locked is called like the directory, and this. The directory itself is SQLite's to lock.
const LOCK_SUFFIX: &str = "-round";

/// A round has the file for as long as this is there; its end lets go of it, however it comes.
#[derive(Debug)]
pub(super) struct Alone {
    _lock: File,
}

impl Directory {
    /// Begins a round.
    pub(super) fn alone(&self) -> Result<Alone, DirectoryError> {
        let mut path = self.path().as_os_str().to_owned();
        path.push(LOCK_SUFFIX);
        let path = PathBuf::from(path);
        let unusable = |source| SCHEMA.words.unusable(&path, source);
        let mut open = OpenOptions::new();
        let lock = open.create(true).append(true).mode(0o600).open(&path);
        let lock = lock.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Alone { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DirectoryError::AtWork(self.path().to_owned())),
            Err(TryLockError::Error(source)) => Err(unusable(source).into()),
        }
    }
}
