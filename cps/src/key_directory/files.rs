//! Key records on disk: one small file each, replaced as a whole.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pennyblack_base::time::UnixTime;
use pennyblack_storage::atomic_file;

const EXTENSION: &str = "jws";

/// A directory of records that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct RecordFilesError {
    path: PathBuf,
    error: io::Error,
}

/// The directory of record files.
#[derive(Debug)]
pub(super) struct RecordFiles {
    path: PathBuf,
    /// Those of records that are refused, with their ends: nobody is charged for them.
    refused: Mutex<BTreeMap<String, UnixTime>>,
}

impl RecordFiles {
    pub(super) fn open(path: &Path) -> Result<Self, RecordFilesError> {
        fs::create_dir_all(path).map_err(|error| failed(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            refused: Mutex::default(),
        })
    }

    /// The records with the names of their files.
    pub(super) fn read_all(&self) -> Result<Vec<(String, String)>, RecordFilesError> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(|error| failed(&self.path, error))? {
            let path = entry.map_err(|error| failed(&self.path, error))?.path();
            if path.extension().is_some_and(|found| found == EXTENSION) {
                let token = fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
                let name = path.file_stem().unwrap_or_default();
                records.push((name.to_string_lossy().into_owned(), token));
            }
        }
        Ok(records)
    }

    pub(super) fn write(&self, name: &str, token: &str) -> Result<(), RecordFilesError> {
        let path = self.path_of(name);
        self.refused().remove(name);
        atomic_file::write_public(&path, token.as_bytes()).map_err(|error| failed(&path, error))
    }

    /// Keeps the file of a record that is refused until `end`, unless another one is written
    /// in its place: what it was refused for may be mended before the next start.
    pub(super) fn keep_refused(&self, name: String, end: UnixTime) {
        self.refused().insert(name, end);
    }

    /// The files of refused records that have ended; they are not remembered any more.
    pub(super) fn take_ended(&self, now: UnixTime) -> Vec<String> {
        let mut refused = self.refused();
        let ended = refused.extract_if(.., |_, end| *end <= now);
        ended.map(|(name, _)| name).collect()
    }

    fn refused(&self) -> MutexGuard<'_, BTreeMap<String, UnixTime>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), RecordFilesError> {
        let path = self.path_of(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, error)),
            _ => Ok(()),
        }
    }

    fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.{EXTENSION}"))
    }
}

fn failed(path: &Path, error: io::Error) -> RecordFilesError {
    RecordFilesError {
        path: path.to_owned(),
        error,
    }
}
