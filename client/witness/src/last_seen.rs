//! The last checkpoint that a witness has seen of one log, in a file that is
//! replaced as a whole, and the evidence against a log that forked. Not here:
//! whether a checkpoint may follow another.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pennyblack_base::encoding;
use pennyblack_storage::atomic_file;
use pennyblack_tlog::note::MAX_NOTE_SIZE;
use pennyblack_tlog::{CheckpointError, SignedCheckpoint, TreeHead, VerifierKey};

/// The end of the name of the file with the last checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The end of the name of the file with two checkpoints that contradict each other.
const FORK: &str = "fork";

/// What was seen cannot be read, or not be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LastSeenError {
    /// The file system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the file system says.
        error: io::Error,
    },
    /// Not what was written.
    #[error(
        "{} should hold the last checkpoint that was seen of {origin}, and does not ({why}): \
         restore exactly that, or begin with a new directory and thus a new key",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Of which log.
        origin: String,
        /// What is wrong.
        why: CheckpointError,
    },
    /// Signed by nobody who is known for that log.
    #[error(
        "{}, the last checkpoint that was seen of {origin}, is signed by none of the keys that \
         are given for it: give the key that the log had then, too; if it had none other, the \
         file was changed: restore exactly what it was, or begin with a new directory",
        path.display()
    )]
    Unsigned {
        /// Which file.
        path: PathBuf,
        /// Of which log.
        origin: String,
    },
    /// It holds more than any checkpoint.
    #[error("{} is longer than any checkpoint: it is not what was written", .0.display())]
    Long(PathBuf),
}

/// What was seen of one log.
#[derive(Debug)]
pub(super) struct LastSeen {
    checkpoint: Option<SignedCheckpoint>,
    /// The file's path, with [`CHECKPOINT`] at its end.
    path: PathBuf,
}

impl LastSeen {
    /// Reads what was seen of the log `origin`; nothing if there is no file.
    pub(super) fn load(
        directory: &Path,
        origin: &str,
        keys: &[VerifierKey],
    ) -> Result<Self, LastSeenError> {
        // An origin may have slashes and be longer than a file's name.
        let name = hex::encode(encoding::sha256(origin.as_bytes()));
        let path = directory.join(name).with_extension(CHECKPOINT);
        let Some(text) = read(&path)? else {
            return Ok(Self {
                checkpoint: None,
                path,
            });
        };
        let origin = origin.to_owned();
        let checkpoint: SignedCheckpoint = match text.parse() {
            Ok(checkpoint) => checkpoint,
            Err(why) => return Err(LastSeenError::Damaged { path, origin, why }),
        };
        if !keys.iter().any(|key| checkpoint.verify(key).is_ok()) {
            return Err(LastSeenError::Unsigned { path, origin });
        }
        Ok(Self {
            checkpoint: Some(checkpoint),
            path,
        })
    }

    /// The tree; `None` before the first.
    pub(super) fn head(&self) -> Option<TreeHead> {
        let last = self.checkpoint.as_ref();
        last.map(|last| last.checkpoint().head)
    }

    /// Takes a checkpoint that may follow. It is durable when this returns; after an
    /// error the one before counts, and no cosignature has left for this one.
    pub(super) fn advance(&mut self, next: &SignedCheckpoint) -> Result<(), LastSeenError> {
        if self.head() != Some(next.checkpoint().head) {
            self.write(&self.path, &next.to_string())?;
            self.checkpoint = Some(next.clone());
        }
        Ok(())
    }

    /// Persists the first checkpoint that contradicts the last one, together with it: the
    /// two prove to every holder of the log's key that its operator forked the log.
    pub(super) fn persist_evidence(&self, other: &SignedCheckpoint) -> Result<(), LastSeenError> {
        let path = self.path.with_extension(FORK);
        match &self.checkpoint {
            Some(last) if !path.exists() => self.write(&path, &format!("{last}\n{other}")),
            _ => Ok(()),
        }
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), LastSeenError> {
        atomic_file::write_public(path, text.as_bytes()).map_err(|error| LastSeenError::Io {
            path: path.to_owned(),
            error,
        })
    }
}

fn read(path: &Path) -> Result<Option<String>, LastSeenError> {
    let io = |error| LastSeenError::Io {
        path: path.to_owned(),
        error,
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
        Ok(about) if about.len() > MAX_NOTE_SIZE as u64 => {
            return Err(LastSeenError::Long(path.to_owned()));
        }
        Ok(_) => {}
    }
    fs::read_to_string(path).map(Some).map_err(io)
}
