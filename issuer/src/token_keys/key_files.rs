//! Token keys on disk: one file of mode 0600 a key, whose name says when the key
//! begins, its id and its type. The files present are the whole state: there is
//! no list beside them that could contradict them after a crash.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_storage::atomic_file::{self, PrivateFileError};

use super::{KeyError, KeyStore, TokenKey};
use crate::signer::{KeyType, SignError, SigningKey};

/// Key files that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The directory or a file in it.
    #[error("{}: {source}; check that it exists and belongs to the issuer's user", path.display())]
    Io {
        /// Directory or file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A key file that is unreadable, or readable for others.
    #[error(transparent)]
    Private(#[from] PrivateFileError),
    /// A file with a name that the issuer does not give.
    #[error("{} is not a token key of this issuer: move it out of the way", .0.display())]
    Name(PathBuf),
    /// A file that does not hold the key that its name promises.
    #[error("{}: {source}; restore it from a backup, or move it away to give the key up", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with the key.
        source: SignError,
    },
    /// The key is another than the name says.
    #[error("{} holds another key than its name says; restore it from a backup", .0.display())]
    OtherKey(PathBuf),
}

/// The directory of key files.
#[derive(Debug, Clone)]
pub struct KeyFiles {
    directory: PathBuf,
}

impl KeyFiles {
    /// Uses `directory`, which is created if it is missing.
    ///
    /// # Errors
    /// [`KeyFileError::Io`].
    pub fn open(directory: &Path) -> Result<Self, KeyFileError> {
        fs::create_dir_all(directory).map_err(|source| io_error(directory, source))?;
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// Finds out whether the keys in `directory` can be used.
    ///
    /// # Errors
    /// [`KeyError`], of the first that cannot.
    pub fn check(directory: &Path) -> Result<(), KeyError> {
        let files = Self {
            directory: directory.to_owned(),
        };
        files.load(UnixTime(0)).map(drop)
    }

    fn path_of(&self, key: &TokenKey) -> PathBuf {
        let UnixTime(start) = key.not_before();
        let extension = key.signing().key_type().extension();
        self.directory
            .join(format!("{start:012}-{}.{extension}", key.id()))
    }
}

/// Nobody else writes to the directory: what was loaded once stays so.
impl KeyStore for KeyFiles {
    fn load(&self, _now: UnixTime) -> Result<Vec<Arc<TokenKey>>, KeyError> {
        let entries = fs::read_dir(&self.directory).map_err(|e| io_error(&self.directory, e))?;
        let mut keys = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| io_error(&self.directory, e))?.path();
            // Others are what a crash left of an atomic write.
            if let Some(key_type) = type_of(&path) {
                keys.push(Arc::new(load_one(&path, key_type)?));
            }
        }
        keys.sort_by_key(|key| (key.not_before(), key.id()));
        Ok(keys)
    }

    fn refresh(
        &self,
        known: Vec<Arc<TokenKey>>,
        _now: UnixTime,
    ) -> Result<Vec<Arc<TokenKey>>, KeyError> {
        Ok(known)
    }

    fn add(&self, _after: &[Arc<TokenKey>], key: &Arc<TokenKey>) -> Result<bool, KeyError> {
        let path = self.path_of(key);
        let contents = key.signing().to_file();
        let contents = contents.map_err(|source| KeyFileError::Key {
            path: path.clone(),
            source,
        })?;
        atomic_file::write_private(&path, &contents).map_err(|source| io_error(&path, source))?;
        Ok(true)
    }

    fn delete(&self, key: &TokenKey) -> Result<(), KeyError> {
        let path = self.path_of(key);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(io_error(&path, source).into())
            }
            _ => Ok(()),
        }
    }

    fn grace(&self) -> Duration {
        Duration::ZERO
    }

    fn complete_until(&self, _now: UnixTime, _announce_ahead: Duration) -> UnixTime {
        UnixTime(u64::MAX)
    }
}

fn type_of(path: &Path) -> Option<KeyType> {
    let extension = path.extension()?;
    let is_it = |key_type: &KeyType| extension == key_type.extension();
    KeyType::ALL.into_iter().find(is_it)
}

fn load_one(path: &Path, key_type: KeyType) -> Result<TokenKey, KeyFileError> {
    let name = path.file_stem().and_then(|stem| stem.to_str());
    let (start, id) = name
        .and_then(|name| name.split_once('-'))
        .and_then(|(start, id)| Some((UnixTime(start.parse().ok()?), id)))
        .ok_or_else(|| KeyFileError::Name(path.to_owned()))?;
    let contents = atomic_file::read_private(path)?;
    let signing =
        SigningKey::from_file(key_type, &contents).map_err(|source| KeyFileError::Key {
            path: path.to_owned(),
            source,
        })?;
    if signing.public().id().to_string() != id {
        return Err(KeyFileError::OtherKey(path.to_owned()));
    }
    Ok(TokenKey::new(signing, start))
}

fn io_error(path: &Path, source: io::Error) -> KeyFileError {
    KeyFileError::Io {
        path: path.to_owned(),
        source,
    }
}
