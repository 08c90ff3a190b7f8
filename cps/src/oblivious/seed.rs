//! The file of the secret that oblivious keys are derived from: replaced whole each time the
//! secret moves on, so that a crash leaves one or the other, and the old one is overwritten.
//! Not here: when it moves on.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_ohttp::key_ratchet::{Epochs, KeyRatchet, RatchetError};
use pennyblack_runtime::config::ConfigurationError;
use pennyblack_storage::atomic_file::PrivateFileError;
use pennyblack_storage::secret_file;

use crate::config::Config;

/// A seed that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SeedError {
    /// The file cannot be read, or others can.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file cannot be written.
    #[error("{}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// It holds something else.
    #[error(
        "{}: {error}: restore it from another node, or remove it and make a new one with \
         --make-oblivious-seed", path.display()
    )]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: RatchetError,
    },
    /// It was made for other epochs: the numbers of epochs would name other times.
    #[error(
        "{} was made for epochs of {} and oblivious.epoch says {}: set it to the former, or \
         remove the file and make a new one with --make-oblivious-seed",
        path.display(),
        humantime_serde::re::humantime::format_duration(*made_for),
        humantime_serde::re::humantime::format_duration(*configured)
    )]
    OtherEpochs {
        /// The file.
        path: PathBuf,
        /// The length that it has.
        made_for: Duration,
        /// The length in the configuration.
        configured: Duration,
    },
    /// One of several nodes has none.
    #[error(
        "{} does not exist, and the nodes of one CPS need the same: make one with \
         --make-oblivious-seed at one node, and copy it to the others (mode 600)",
        .0.display()
    )]
    Missing(PathBuf),
    /// A new one would take the place of one that is in use.
    #[error(
        "{} exists: stop the CPS and remove it first. What was sealed to its keys can then not \
         be opened any more, and clients need the new keys", .0.display()
    )]
    Exists(PathBuf),
}

/// The file.
#[derive(Debug, Clone)]
pub(crate) struct SeedFile {
    path: PathBuf,
    epochs: Epochs,
}

impl SeedFile {
    /// That of a CPS, if it is a gateway.
    pub(crate) fn of(config: &Config) -> Result<Option<Self>, ConfigurationError> {
        let Some(section) = &config.oblivious else {
            return Ok(None);
        };
        Ok(Some(Self {
            path: config.oblivious_seed(section),
            epochs: section.epochs()?,
        }))
    }

    /// Finds out whether it can be used by one of `several` nodes, or one that is alone.
    pub(crate) fn check(&self, several: bool) -> Result<(), SeedError> {
        match several {
            true => self.read_shared().map(drop),
            false => self.read().map(drop),
        }
    }

    /// What it holds, if it is there.
    pub(crate) fn read(&self) -> Result<Option<KeyRatchet>, SeedError> {
        if !is_there(&self.path) {
            return Ok(None);
        }
        let stored = secret_file::read(&self.path)?;
        let ratchet = KeyRatchet::from_bytes(&stored).map_err(|error| SeedError::Form {
            path: self.path.clone(),
            error,
        })?;
        if ratchet.epochs() != self.epochs {
            return Err(SeedError::OtherEpochs {
                path: self.path.clone(),
                made_for: ratchet.epochs().length(),
                configured: self.epochs.length(),
            });
        }
        Ok(Some(ratchet))
    }

    /// The same for one of several nodes, which all have a copy of one file.
    pub(crate) fn read_shared(&self) -> Result<KeyRatchet, SeedError> {
        self.read()?
            .ok_or_else(|| SeedError::Missing(self.path.clone()))
    }

    /// The same for a node that is alone: made now if it is missing.
    pub(crate) fn read_or_make(&self, now: UnixTime) -> Result<KeyRatchet, SeedError> {
        match self.read()? {
            Some(ratchet) => Ok(ratchet),
            None => self.fresh(now),
        }
    }

    /// Makes one where there is none.
    pub(crate) fn make(&self, now: UnixTime) -> Result<(), SeedError> {
        if is_there(&self.path) {
            return Err(SeedError::Exists(self.path.clone()));
        }
        if let Some(directory) = self.path.parent() {
            std::fs::create_dir_all(directory).map_err(|error| self.not_written(error))?;
        }
        self.fresh(now).map(drop)
    }

    /// Puts another state in the place of the one before, which is overwritten then.
    pub(crate) fn write(&self, ratchet: &KeyRatchet) -> Result<(), SeedError> {
        let written = secret_file::replace(&self.path, &ratchet.to_bytes());
        written.map_err(|error| self.not_written(error))
    }

    /// Overwrites what a crash in that has left.
    pub(crate) fn erase_replaced(&self) -> Result<(), SeedError> {
        secret_file::erase_replaced(&self.path).map_err(|error| self.not_written(error))
    }

    fn not_written(&self, error: io::Error) -> SeedError {
        let path = self.path.clone();
        SeedError::Write { path, error }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn fresh(&self, now: UnixTime) -> Result<KeyRatchet, SeedError> {
        let oldest = self.epochs.at(now);
        let ratchet = KeyRatchet::generate(self.epochs, oldest, &mut rand::rng());
        self.write(&ratchet)?;
        Ok(ratchet)
    }
}

/// A link to nowhere is there: a new seed must not take the place of one that is away.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests;
