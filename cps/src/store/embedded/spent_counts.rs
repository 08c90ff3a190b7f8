//! How many tokens of each key epoch were spent, in a file beside the store: **a store that
//! knows of fewer is an older copy**, restored over a newer one, and does not open. Not
//! noticed: the whole data directory restored, with this file in it.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_storage::{atomic_file, limited_file};

/// The file's name.
const FILE: &str = "spent-counts.json";
/// Most bytes of the file: many times the key epochs that are open at once.
const MAX_FILE_SIZE: usize = 1024 * 1024;

/// A store that is not the one that was counted last.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpentCountsError {
    /// The file.
    #[error("{}: {why}: restore the file, or remove it if the store is no older copy", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The store has forgotten spends.
    #[error(
        "the store knows of {actual} spent tokens of the token key {epoch}, and knew of {seen}: it \
         is an older copy, and tokens that it has forgotten could be spent again. Restore the \
         newer one, or accept this one with \"pennyblack-cps --config FILE --accept-older-store\""
    )]
    Older {
        /// Whose tokens.
        epoch: TokenKeyId,
        /// As many are in the store.
        actual: u64,
        /// As many were.
        seen: u64,
    },
}

/// The file.
#[derive(Debug, Clone)]
pub struct SpentCounts(PathBuf);

impl SpentCounts {
    /// The counts of the store in `directory`. Beside it, or they would be restored with it.
    #[must_use]
    pub fn beside(directory: &Path) -> Self {
        Self(directory.with_file_name(FILE))
    }

    /// Whether a store with these counts knows what was counted last. `None` stands for
    /// an epoch that is closed.
    pub(super) fn verify(
        &self,
        count: impl Fn(&TokenKeyId) -> Option<u64>,
    ) -> Result<(), SpentCountsError> {
        for (epoch, seen) in self.load()? {
            if let Some(actual) = count(&epoch).filter(|actual| *actual < seen) {
                return Err(SpentCountsError::Older {
                    epoch,
                    actual,
                    seen,
                });
            }
        }
        Ok(())
    }

    fn load(&self) -> Result<HashMap<TokenKeyId, u64>, SpentCountsError> {
        let file = |why: String| SpentCountsError::File {
            path: self.0.clone(),
            why,
        };
        match limited_file::read(&self.0, MAX_FILE_SIZE) {
            Ok(json) => serde_json::from_slice(&json).map_err(|error| file(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashMap::new()),
            Err(error) => Err(file(error.to_string())),
        }
    }

    /// Replaces what was counted before. Waits for the disk.
    pub(super) fn write(&self, counts: &[(TokenKeyId, u64)]) -> io::Result<()> {
        let counts: HashMap<_, _> = counts.iter().copied().collect();
        let json = serde_json::to_vec(&counts).map_err(io::Error::other)?;
        atomic_file::write_public(&self.0, &json)
    }

    /// Forgets what was counted, so that the store opens as it is. The CPS must be down.
    ///
    /// # Errors
    /// What the disk says.
    pub fn forget(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
