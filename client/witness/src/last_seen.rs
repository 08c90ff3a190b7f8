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
/// What is in the file before the first checkpoint. **The file is there from the time
/// that the witness knows the log**: one that is missing is a witness that has forgotten,
/// and would cosign a second history as if it were the first.
const NOTHING_SEEN: &str = "nothing seen yet\n";

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
    /// The witness cannot know whether it has cosigned for that log.
    #[error(
        "{} is missing, which should say what was last seen of {origin}: if this witness has \
         cosigned for that log, restore exactly that file, or begin with a new directory and thus a \
         new key. If it has never known that log, run it once with --new-log and the log's key",
        path.display()
    )]
    Missing {
        /// Which file.
        path: PathBuf,
        /// Of which log.
        origin: String,
    },
    /// The log is not new.
    #[error(
        "{} says what was last seen of {origin}: this witness knows that log; name it with --log",
        path.display()
    )]
    Known {
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
    /// Writes that nothing was seen yet of the log `origin`, which the witness never
    /// knew before. It is durable when this returns.
    pub(super) fn begin(directory: &Path, origin: &str) -> Result<(), LastSeenError> {
        let path = path(directory, origin);
        if read(&path)?.is_some() {
            let origin = origin.to_owned();
            return Err(LastSeenError::Known { path, origin });
        }
        write(&path, NOTHING_SEEN)
    }

    /// Reads what was seen of the log `origin`.
    pub(super) fn load(
        directory: &Path,
        origin: &str,
        keys: &[VerifierKey],
    ) -> Result<Self, LastSeenError> {
        let path = path(directory, origin);
        let origin = origin.to_owned();
        let Some(text) = read(&path)? else {
            return Err(LastSeenError::Missing { path, origin });
        };
        if text == NOTHING_SEEN {
            return Ok(Self {
                checkpoint: None,
                path,
            });
        }
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

    /// The checkpoint; `None` before the first.
    pub(super) const fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.checkpoint.as_ref()
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
            write(&self.path, &next.to_string())?;
            self.checkpoint = Some(next.clone());
        }
        Ok(())
    }

    /// Persists the first checkpoint that contradicts the last one, together with it: the
    /// two prove to every holder of the log's key that its operator forked the log.
    pub(super) fn persist_evidence(&self, other: &SignedCheckpoint) -> Result<(), LastSeenError> {
        let path = self.path.with_extension(FORK);
        match &self.checkpoint {
            Some(last) if !path.exists() => write(&path, &format!("{last}\n{other}")),
            _ => Ok(()),
        }
    }
}

/// Whether a file was written before anything was seen.
pub(super) fn is_before_the_first(path: &Path) -> Result<bool, LastSeenError> {
    Ok(read(path)?.is_some_and(|text| text == NOTHING_SEEN))
}

/// An origin may have slashes and be longer than a file's name.
fn path(directory: &Path, origin: &str) -> PathBuf {
    let name = hex::encode(encoding::sha256(origin.as_bytes()));
    directory.join(name).with_extension(CHECKPOINT)
}

fn write(path: &Path, text: &str) -> Result<(), LastSeenError> {
    atomic_file::write_public(path, text.as_bytes()).map_err(|error| LastSeenError::Io {
        path: path.to_owned(),
        error,
    })
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
