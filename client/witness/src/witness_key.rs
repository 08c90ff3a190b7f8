//! A witness's private key: made at the first start, kept with what was seen. Not
//! here: what is signed with it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pennyblack_storage::atomic_file::{self, PrivateFileError};
use pennyblack_tlog::cosignature::NotACosigner;
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{Cosigner, KeyName, NoteKeyError, NoteSigner};

use super::last_seen::{self, CHECKPOINT, LastSeenError};

const FILE: &str = "key";

/// A witness's key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessKeyError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What the file system says.
        error: io::Error,
    },
    /// What was seen cannot be read.
    #[error(transparent)]
    LastSeen(#[from] LastSeenError),
    /// What is in it is not text.
    #[error("{} does not hold the witness's key: restore it from a backup", .0.display())]
    Text(PathBuf),
    /// What is in it is no key.
    #[error("{} does not hold the witness's key ({why}): restore it from a backup", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: NoteKeyError,
    },
    /// The key of something else than a witness.
    #[error("{}: {why}", path.display())]
    Kind {
        /// Which file.
        path: PathBuf,
        /// What it is.
        why: NotACosigner,
    },
    /// The key of a witness with another name.
    #[error(
        "{} holds the key of the witness {actual}, not of {expected}: a witness keeps its name; \
         give it that, or another directory",
        path.display()
    )]
    Name {
        /// Which file.
        path: PathBuf,
        /// The name that was asked for.
        expected: KeyName,
        /// The name in the file.
        actual: KeyName,
    },
    /// It has cosigned before, and the key is gone.
    #[error(
        "{} is missing, and there are checkpoints that were cosigned with it: restore it from a \
         backup, or begin with a new directory", .0.display()
    )]
    Lost(PathBuf),
}

/// The key of the witness in this directory, if there is one; that of `name`, if one is given.
pub(super) fn load(
    directory: &Path,
    name: Option<&KeyName>,
) -> Result<Option<Cosigner>, WitnessKeyError> {
    let path = directory.join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let signer = read(&path, name)?;
    let cosigner = Cosigner::new(signer).map_err(|why| WitnessKeyError::Kind { path, why });
    cosigner.map(Some)
}

/// Requires that nothing in this directory was cosigned: its key may be made.
pub(super) fn require_unused(directory: &Path) -> Result<(), WitnessKeyError> {
    let io = |error| WitnessKeyError::Io {
        path: directory.to_owned(),
        error,
    };
    for entry in fs::read_dir(directory).map_err(io)? {
        let file = entry.map_err(io)?.path();
        let is_checkpoint = file.extension() == Some(OsStr::new(CHECKPOINT));
        if is_checkpoint && !last_seen::is_before_the_first(&file)? {
            return Err(WitnessKeyError::Lost(directory.join(FILE)));
        }
    }
    Ok(())
}

/// Makes a key of the witness `name`, which is in memory only.
pub(super) fn generate(name: &KeyName) -> NoteSigner {
    let kind = SignatureType::CosignatureV1;
    NoteSigner::generate(name.clone(), kind, &mut rand::rng())
}

/// Writes a fresh key into the directory.
pub(super) fn keep(directory: &Path, signer: NoteSigner) -> Result<Cosigner, WitnessKeyError> {
    let path = directory.join(FILE);
    let text = signer.to_secret_text();
    let written = atomic_file::write_private(&path, text.as_bytes());
    written.map_err(|error| WitnessKeyError::Io {
        path: path.clone(),
        error,
    })?;
    Cosigner::new(signer).map_err(|why| WitnessKeyError::Kind { path, why })
}

fn read(path: &Path, name: Option<&KeyName>) -> Result<NoteSigner, WitnessKeyError> {
    let text = atomic_file::read_private(path)?;
    let text = str::from_utf8(&text).map_err(|_| WitnessKeyError::Text(path.to_owned()))?;
    let form = |why| WitnessKeyError::Form {
        path: path.to_owned(),
        why,
    };
    let signer = NoteSigner::from_secret_text(text.trim_end()).map_err(form)?;
    if let Some(name) = name.filter(|name| *name != signer.verifier().name()) {
        return Err(WitnessKeyError::Name {
            path: path.to_owned(),
            expected: name.clone(),
            actual: signer.verifier().name().clone(),
        });
    }
    Ok(signer)
}
