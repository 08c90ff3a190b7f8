//! The log's private key: made at the first start, and never replaced. Without it the
//! log cannot go on.

use std::io;
use std::path::{Path, PathBuf};

use pennyblack_storage::atomic_file::{self, PrivateFileError};
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{KeyName, NoteKeyError, NoteSigner};

/// A log's key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogKeyError {
    /// The file.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// It cannot be written.
    #[error("{}: {error}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the file system says.
        error: io::Error,
    },
    /// What is in it is no key.
    #[error("{} does not hold the log's key ({why}): restore it from a backup", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: NoteKeyError,
    },
    /// What is in it is not text.
    #[error("{} does not hold the log's key: restore it from a backup", .0.display())]
    Text(PathBuf),
    /// The key of a log with another name.
    #[error(
        "{} holds the key of the log {actual}, and this one is {expected}: a log keeps its name; \
         give the service its old authority, or a new data directory",
        path.display()
    )]
    Name {
        /// Which file.
        path: PathBuf,
        /// The name of this log.
        expected: KeyName,
        /// The name in the file.
        actual: KeyName,
    },
}

/// The key in a file; `None` if there is no file.
pub(crate) fn load(path: &Path, name: &KeyName) -> Result<Option<NoteSigner>, LogKeyError> {
    if !path.exists() {
        return Ok(None);
    }
    let text = atomic_file::read_private(path)?;
    let text = str::from_utf8(&text).map_err(|_| LogKeyError::Text(path.to_owned()))?;
    let form = |why| LogKeyError::Form {
        path: path.to_owned(),
        why,
    };
    let signer = NoteSigner::from_secret_text(text.trim_end()).map_err(form)?;
    if signer.verifier().name() != name {
        return Err(LogKeyError::Name {
            path: path.to_owned(),
            expected: name.clone(),
            actual: signer.verifier().name().clone(),
        });
    }
    Ok(Some(signer))
}

/// A fresh key, in memory only.
pub(crate) fn generate(name: &KeyName) -> NoteSigner {
    NoteSigner::generate(name.clone(), SignatureType::Ed25519, &mut rand::rng())
}

/// Makes a key durable, in a file of mode 0600.
pub(crate) fn persist(path: &Path, signer: &NoteSigner) -> Result<(), LogKeyError> {
    let text = signer.to_secret_text();
    atomic_file::write_private(path, text.as_bytes()).map_err(|error| LogKeyError::Write {
        path: path.to_owned(),
        error,
    })
}
