//! What a follower remembers of the log: how far it was read, and what it said of keys.
//! With it a node that starts while the leader is away knows which
//! tokens to take, and one that starts later notices a log that takes something back.

use std::io;
use std::path::{Path, PathBuf};

use pennyblack_storage::{atomic_file, limited_file};
use pennyblack_tlog::{NoteKeyError, VerifierKey};
use serde::{Deserialize, Serialize};

use crate::statements::known::KnownKeys;
use pennyblack_tlog::reader::{Position, PositionError};

/// Most bytes of it: the keys of a log that is full, several times.
const MAX_FILE_SIZE: usize = 128 * 1024 * 1024;

/// The last kind of entries from which [`KnownKeys`] has anything.
const LAST_KIND: u8 = 6;

/// A memory that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: {why}: restore the file, or remove it, and the log is read from its beginning",
    path.display()
)]
pub struct MemoryError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub why: String,
}

/// What there is to remember.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    pub(super) key: VerifierKey,
    pub(super) position: Position,
    pub(super) keys: KnownKeys,
    /// Whether it was read by a version that knew as many kinds of entries.
    pub(super) is_of_all_kinds: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    key: String,
    position: String,
    keys: KnownKeys,
    /// The last kind that was known when it was written.
    #[serde(default)]
    last_kind: u8,
}

/// The file.
#[derive(Debug, Clone)]
pub(super) struct Memory(PathBuf);

impl Memory {
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What is remembered, if anything is. Reads the disk.
    pub(super) fn load(&self) -> Result<Option<Remembered>, MemoryError> {
        match limited_file::read_text(&self.0, MAX_FILE_SIZE) {
            Ok(json) => self.parse(&json).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.wrong(&error)),
        }
    }

    fn parse(&self, json: &str) -> Result<Remembered, MemoryError> {
        let text: Text = serde_json::from_str(json).map_err(|error| self.wrong(&error))?;
        let key: Result<VerifierKey, NoteKeyError> = text.key.parse();
        let key = key.map_err(|error| self.wrong(&error))?;
        let position: Result<_, PositionError> = Position::parse(&text.position, &key);
        Ok(Remembered {
            position: position.map_err(|error| self.wrong(&error))?,
            key,
            keys: text.keys,
            is_of_all_kinds: text.last_kind >= LAST_KIND,
        })
    }

    /// Writes it to the disk.
    pub(super) fn persist(&self, what: &Remembered) -> Result<(), MemoryError> {
        let text = Text {
            key: what.key.to_string(),
            position: what.position.to_string(),
            keys: what.keys.clone(),
            last_kind: LAST_KIND,
        };
        let json = serde_json::to_vec(&text).map_err(|error| self.wrong(&error))?;
        atomic_file::write_public(&self.0, &json).map_err(|error| self.wrong(&error))
    }

    fn wrong(&self, why: &dyn std::fmt::Display) -> MemoryError {
        MemoryError {
            path: self.0.clone(),
            why: why.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_that_is_elsewhere_and_not_there_does_not_begin_anew() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log.json");
        assert!(Memory::at(&path).load().unwrap().is_none());
        std::os::unix::fs::symlink(home.path().join("gone"), &path).unwrap();
        assert!(Memory::at(&path).load().is_err());
    }
}
