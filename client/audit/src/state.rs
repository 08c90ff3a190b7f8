//! What an auditor keeps between two runs, in one file that is replaced as a whole:
//! after a crash it is the old one or the new one. Not here: what is in the logs.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::SkippedKinds;
use pennyblack_evidence::oblivious_keys::ObliviousKeys;
use pennyblack_storage::disk::{OpenDiskError, RealDisk};
use pennyblack_storage::{atomic_file, limited_file};
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::epochs::Epochs;

const FILE: &str = "audit.json";
const VERSION: u32 = 2;
/// Most bytes of the file, when it is written and when it is read: as many keys, and days
/// with double spends, as the logs of a CPS and of one issuer may have, and two positions.
const MAX_SIZE: usize = 128 * 1024 * 1024;
/// Most issuers whose logs are followed with one state.
const MAX_ISSUERS: usize = 256;
/// Most bytes of a position in it.
const MAX_POSITION_SIZE: usize = 1024 * 1024;

/// State that cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file system refused.
    #[error("the auditor's state {}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the file system says.
        error: io::Error,
    },
    /// Not what was written.
    #[error(
        "the auditor's state {} is damaged ({error}): restore it from a backup. A new \
         state does not notice what the log took back before", path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// Longer than any state.
    #[error(
        "the auditor's state {} would have {size} bytes, and at most {MAX_SIZE} are read: the \
         state of before is kept; please report this", path.display()
    )]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// How long it would be.
        size: usize,
    },
    /// Of another version.
    #[error(
        "the auditor's state {} has version {found}, and this program reads version {VERSION}: keep \
         the file, which still shows what the logs had signed, and follow the logs anew with another \
         --state", path.display()
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Another run is at work.
    #[error(
        "the auditor's state in {} is in use by another run of `pennyblack audit follow`: let \
         that one end, or give this one another directory", .0.display()
    )]
    InUse(PathBuf),
    /// None yet.
    #[error("{} holds no auditor's state: run `pennyblack audit follow` first", .0.display())]
    Missing(PathBuf),
    /// Not even the directory.
    #[error(
        "{} does not exist: name a directory that `pennyblack audit follow` keeps with --state, \
         or the audit.json of one", .0.display()
    )]
    NoSuchPlace(PathBuf),
}

/// What an auditor knows. `E` is what is read of the epochs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State<E = Epochs> {
    version: u32,
    /// The CPS's log.
    pub cps: KeptLog,
    /// The logs of the issuers that are followed.
    #[serde(deserialize_with = "read_issuers")]
    pub issuers: Vec<KeptLog>,
    /// What was wrong when they were followed last. What is kept beside it is what was sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// The oblivious keys of the CPS that had not expired.
    #[serde(default, skip_serializing_if = "ObliviousKeys::is_empty")]
    pub oblivious_keys: ObliviousKeys,
    /// What the logs have said.
    pub epochs: E,
}

/// What a run came to that did not end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// When.
    pub at: UnixTime,
    /// [`super::Misbehaviour::exit_code`]; none if it says nothing about an operator.
    pub code: Option<u8>,
    /// What was said.
    pub message: String,
}

/// A log as far as it was followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptLog {
    /// Its verifier key.
    pub key: String,
    /// Where reading goes on ([`pennyblack_tlog::Position`]).
    pub position: String,
    /// When it was first followed, by the auditor's clock.
    pub since: UnixTime,
    /// When its checkpoint was read.
    pub read_at: UnixTime,
    /// How many witnesses must have cosigned it.
    pub witnesses_needed: usize,
    /// The witnesses that were named: their keys, with a space between two.
    pub witnesses: String,
    /// Entries up to there of kinds that this version does not know.
    #[serde(default, skip_serializing_if = "SkippedKinds::is_empty")]
    pub skipped: SkippedKinds,
}

impl KeptLog {
    /// The log's name.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = self.key.split_once('+');
        name.map_or(self.key.as_str(), |(name, _)| name)
    }
}

/// Where an auditor is in the logs, which is all that a comparison needs: what another
/// says of the epochs is not held.
pub type Positions = State<IgnoredAny>;

impl State {
    /// State of this version.
    #[must_use]
    pub fn new(
        cps: KeptLog,
        issuers: Vec<KeptLog>,
        finding: Option<Finding>,
        (epochs, oblivious_keys): (Epochs, ObliviousKeys),
    ) -> Self {
        Self {
            version: VERSION,
            cps,
            issuers,
            finding,
            oblivious_keys,
            epochs,
        }
    }
}

impl<E> State<E> {
    fn require_readable(&self) -> Result<(), serde_json::Error> {
        if self.issuers.len() > MAX_ISSUERS {
            return Err(too_many_issuers());
        }
        let positions = std::iter::once(&self.cps).chain(&self.issuers);
        let longest = positions.map(|log| log.position.len()).max();
        match longest.filter(|size| *size > MAX_POSITION_SIZE) {
            None => Ok(()),
            Some(size) => Err(serde_json::Error::custom(format!(
                "a position of {size} bytes: at most {MAX_POSITION_SIZE} are read"
            ))),
        }
    }

    /// The state in a file; `None` if there is no such file.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn read(path: &Path) -> Result<Option<Self>, StateError>
    where
        E: DeserializeOwned,
    {
        let path = path.to_owned();
        let text = match limited_file::read(&path, MAX_SIZE) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::Io { path, error }),
        };
        // First: another version has other members, which this one would call damage.
        let read = match serde_json::from_slice::<Versioned>(&text) {
            Ok(Versioned { version: VERSION }) => serde_json::from_slice::<Self>(&text),
            Ok(Versioned { version: found }) => return Err(StateError::Version { path, found }),
            Err(error) => Err(error),
        };
        let readable = read.and_then(|state| state.require_readable().map(|()| state));
        match readable {
            Ok(state) => Ok(Some(state)),
            Err(error) => Err(StateError::Damaged { path, error }),
        }
    }
}

fn too_many_issuers<E: serde::de::Error>() -> E {
    E::custom(format!("the logs of more than {MAX_ISSUERS} issuers"))
}

/// Reads no more than are kept: a log takes more memory than text.
fn read_issuers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<KeptLog>, D::Error> {
    struct Issuers;

    impl<'de> Visitor<'de> for Issuers {
        type Value = Vec<KeptLog>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "the logs of {MAX_ISSUERS} issuers at most")
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut logs: S) -> Result<Self::Value, S::Error> {
            let mut read = Vec::new();
            while let Some(log) = logs.next_element()? {
                if read.len() >= MAX_ISSUERS {
                    return Err(too_many_issuers());
                }
                read.push(log);
            }
            Ok(read)
        }
    }

    deserializer.deserialize_seq(Issuers)
}

/// Of any version.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Keeps other runs out of a [`StateDirectory`] as long as it lives.
#[derive(Debug)]
pub struct StateLock(#[expect(dead_code, reason = "held, not used")] RealDisk);

/// The directory in which it is kept.
#[derive(Debug, Clone)]
pub struct StateDirectory(PathBuf);

impl StateDirectory {
    /// A directory, which is made when something is to be kept.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Keeps other runs out, from before the state is read until what follows it is kept:
    /// of two runs at once the later would replace what the other saw. Makes the directory.
    ///
    /// # Errors
    /// [`StateError::InUse`], or [`StateError::Io`].
    pub fn lock(&self) -> Result<StateLock, StateError> {
        let io = |path, error| StateError::Io { path, error };
        // Others may read what is public.
        fs::create_dir_all(&self.0).map_err(|error| io(self.0.clone(), error))?;
        match RealDisk::open(&self.0) {
            Ok(disk) => Ok(StateLock(disk)),
            Err(OpenDiskError::InUse(path)) => Err(StateError::InUse(path)),
            Err(OpenDiskError::Io { path, error }) => Err(io(path, error)),
            Err(other) => Err(io(self.0.clone(), io::Error::other(other))),
        }
    }

    /// What was kept; `None` at the beginning.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn load(&self) -> Result<Option<State>, StateError> {
        State::read(&self.0.join(FILE))
    }

    /// What was persisted; an error if nothing was.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn require(&self) -> Result<State, StateError> {
        self.load()?.ok_or_else(|| self.missing())
    }

    /// The same, without the epochs.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn require_positions(&self) -> Result<Positions, StateError> {
        let positions = Positions::read(&self.0.join(FILE))?;
        positions.ok_or_else(|| self.missing())
    }

    fn missing(&self) -> StateError {
        match self.0.exists() {
            true => StateError::Missing(self.0.clone()),
            false => StateError::NoSuchPlace(self.0.clone()),
        }
    }

    /// Replaces what was kept, if that can be read again. It is durable when this returns.
    ///
    /// # Errors
    /// [`StateError`]; then what was kept before is still there.
    pub fn keep(&self, state: &State) -> Result<(), StateError> {
        let path = self.0.join(FILE);
        let readable = state.require_readable();
        let text = match readable.and_then(|()| serde_json::to_vec(state)) {
            Ok(text) => text,
            Err(error) => return Err(StateError::Damaged { path, error }),
        };
        if text.len() > MAX_SIZE {
            let size = text.len();
            return Err(StateError::TooLarge { path, size });
        }
        let written = fs::create_dir_all(&self.0);
        let written = written.and_then(|()| atomic_file::write_public(&path, &text));
        written.map_err(|error| StateError::Io { path, error })
    }
}

#[cfg(test)]
mod tests;
