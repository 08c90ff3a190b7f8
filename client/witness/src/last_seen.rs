//! The last checkpoint that a witness has seen of one log, in a file that is
//! replaced as a whole, and the evidence against a log that forked. Not here:
//! whether a checkpoint may follow another.

use std::io;
use std::path::{Path, PathBuf};

use pennyblack_base::encoding;
use pennyblack_storage::{atomic_file, limited_file};
use pennyblack_tlog::note::MAX_NOTE_SIZE;
use pennyblack_tlog::{CheckpointError, SignedCheckpoint, TreeHead, VerifierKey};

/// The end of the name of the file with the last checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The end of the name of the file with two checkpoints that contradict each other.
const FORK: &str = "fork";
/// How the file begins before the first checkpoint; the witness's key follows. **The file is there from the time
/// that the witness knows the log**: one that is missing is a witness that has forgotten,
/// and would cosign a second history as if it were the first. So is one that another key
/// has begun: the witness's key was put into a directory that is not its own.
const NOTHING_SEEN: &str = "nothing seen yet";

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
    /// The record was begun with another key than the witness has.
    #[error(
        "{} says that another witness's key has seen nothing of {origin}, and not the key that \
         is there: if the key was brought from another directory, bring the rest of that one, too, \
         or begin with a new directory and thus a new key",
        path.display()
    )]
    OtherKey {
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
    /// Writes that the witness with this key has seen nothing yet of the log `origin`, which
    /// it never knew before. It is durable when this returns.
    pub(super) fn begin(
        directory: &Path,
        origin: &str,
        witness: Option<&VerifierKey>,
    ) -> Result<(), LastSeenError> {
        let path = path(directory, origin);
        if read(&path)?.is_some() {
            let origin = origin.to_owned();
            return Err(LastSeenError::Known { path, origin });
        }
        write(&path, &nothing_seen(witness))
    }

    /// The same in a directory in which nothing was cosigned, for a key that is just being
    /// made: what a start that broke off has begun is begun again.
    pub(super) fn begin_again(
        directory: &Path,
        origin: &str,
        witness: &VerifierKey,
    ) -> Result<(), LastSeenError> {
        write(&path(directory, origin), &nothing_seen(Some(witness)))
    }

    /// Reads what was seen of the log `origin`.
    pub(super) fn load(
        directory: &Path,
        origin: &str,
        keys: &[VerifierKey],
        witness: &VerifierKey,
    ) -> Result<Self, LastSeenError> {
        let path = path(directory, origin);
        let origin = origin.to_owned();
        let Some(text) = read(&path)? else {
            return Err(LastSeenError::Missing { path, origin });
        };
        if is_nothing(&text) {
            if text != nothing_seen(Some(witness)) {
                return Err(LastSeenError::OtherKey { path, origin });
            }
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
    Ok(read(path)?.is_some_and(|text| is_nothing(&text)))
}

fn is_nothing(text: &str) -> bool {
    text.starts_with(NOTHING_SEEN)
}

/// Without a key when there is none yet, which is begun again when it is made.
fn nothing_seen(witness: Option<&VerifierKey>) -> String {
    let by = witness.map(|key| format!(" by {key}")).unwrap_or_default();
    format!("{NOTHING_SEEN}{by}\n")
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
    match limited_file::read_text(path, MAX_NOTE_SIZE) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Err(LastSeenError::Long(path.to_owned()))
        }
        Err(error) => Err(io(error)),
    }
}
