//! How many requests with tokens of each open key epoch were repetitions, how many were
//! refused, and how many of these were further double spends. Counted in memory and
//! persisted each minute, on disk or, by several nodes, in their Redis: a crash may lose
//! the count of a minute, so the log states them as "at least".

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_redis::RedisError;
use pennyblack_storage::{atomic_file, limited_file};
use tokio::task::spawn_blocking;

use super::shared_tallies::SharedTallies;
use super::tally::Tally;
use crate::store::redis::RedisStore;

/// Most bytes of the file: many times the key epochs that are open at once.
const MAX_FILE_SIZE: usize = 16 * 1024 * 1024;

/// Counts that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}: restore the file, or remove it and begin the counts anew", path.display())]
pub struct TalliesError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub why: String,
}

/// Counts that were not persisted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PersistTalliesError {
    /// On disk.
    #[error(transparent)]
    File(#[from] io::Error),
    /// In Redis.
    #[error(transparent)]
    Redis(#[from] RedisError),
}

/// The counts.
#[derive(Debug)]
pub struct EpochTallies {
    kept: Kept,
    /// On a disk of one's own, all; with other nodes, what was not added yet.
    tallies: Mutex<HashMap<TokenKeyId, Tally>>,
}

#[derive(Debug)]
enum Kept {
    OnDisk(PathBuf),
    Shared(SharedTallies),
}

impl EpochTallies {
    /// Reads what was kept on disk, if anything was.
    ///
    /// # Errors
    /// [`TalliesError`].
    pub fn open(path: &Path) -> Result<Self, TalliesError> {
        let wrong = |why: String| TalliesError {
            path: path.to_owned(),
            why,
        };
        let tallies = match limited_file::read(path, MAX_FILE_SIZE) {
            Ok(json) => parse(&json).map_err(wrong)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashMap::new(),
            Err(error) => return Err(wrong(error.to_string())),
        };
        Ok(Self {
            kept: Kept::OnDisk(path.to_owned()),
            tallies: Mutex::new(tallies),
        })
    }

    /// The counts that this node has in common with others.
    #[must_use]
    pub fn shared(store: RedisStore) -> Self {
        Self {
            kept: Kept::Shared(SharedTallies::new(store)),
            tallies: Mutex::default(),
        }
    }

    /// Counts a repetition.
    pub fn replayed(&self, id: TokenKeyId) {
        self.lock().entry(id).or_default().replayed += 1;
    }

    /// Counts a refusal.
    pub fn refused(&self, id: TokenKeyId) {
        self.lock().entry(id).or_default().refused += 1;
    }

    /// Counts a refusal of a request whose token was in the log already for a double
    /// spend. Both counts change at once: nobody ever sees more of these than refusals.
    pub fn further_double_spend(&self, id: TokenKeyId) {
        *self.lock().entry(id).or_default() += Tally {
            refused: 1,
            further_double_spends: 1,
            ..Tally::default()
        };
    }

    /// The counts of an epoch, over all nodes.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn of(&self, id: TokenKeyId) -> Result<Tally, RedisError> {
        match &self.kept {
            Kept::OnDisk(_) => Ok(self.lock().get(&id).copied().unwrap_or_default()),
            Kept::Shared(shared) => self.add(shared, id).await,
        }
    }

    /// The counts of an epoch, over all nodes, as far as these have told them; this one
    /// need not have.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn peek(&self, id: TokenKeyId) -> Result<Tally, RedisError> {
        let mut tally = self.lock().get(&id).copied().unwrap_or_default();
        if let Kept::Shared(shared) = &self.kept {
            tally += shared.peek(id).await?;
        }
        Ok(tally)
    }

    /// Forgets an epoch, whose counts are in the log.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn forget(&self, id: TokenKeyId) -> Result<(), RedisError> {
        self.lock().remove(&id);
        match &self.kept {
            Kept::OnDisk(_) => Ok(()),
            Kept::Shared(shared) => shared.forget(id).await,
        }
    }

    /// Persists the counts.
    ///
    /// # Errors
    /// [`PersistTalliesError`].
    pub async fn persist(&self) -> Result<(), PersistTalliesError> {
        match &self.kept {
            Kept::OnDisk(path) => {
                let (path, json) = (path.clone(), self.to_json()?);
                let written = spawn_blocking(move || atomic_file::write_public(&path, &json)).await;
                Ok(written.map_err(io::Error::other)??)
            }
            Kept::Shared(shared) => {
                let ids: Vec<_> = self.lock().keys().copied().collect();
                for id in ids {
                    let _sum = self.add(shared, id).await?;
                }
                Ok(())
            }
        }
    }

    /// Adds what was counted of an epoch to what all nodes have in common.
    async fn add(&self, shared: &SharedTallies, id: TokenKeyId) -> Result<Tally, RedisError> {
        let counted = self.lock().remove(&id).unwrap_or_default();
        let added = shared.add(id, counted).await;
        if let Err(RedisError::Away) = &added {
            // Nothing was sent. Of other errors that is not known, and to add it again
            // could count it twice.
            *self.lock().entry(id).or_default() += counted;
        }
        added
    }

    fn to_json(&self) -> io::Result<Vec<u8>> {
        let tallies = self.lock().clone();
        let rows = tallies.iter();
        let rows: HashMap<_, _> = rows.map(|(id, tally)| (id, tally.to_counts())).collect();
        serde_json::to_vec(&rows).map_err(io::Error::other)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenKeyId, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse(json: &[u8]) -> Result<HashMap<TokenKeyId, Tally>, String> {
    let rows: HashMap<TokenKeyId, [u64; Tally::COUNTS]> =
        serde_json::from_slice(json).map_err(|e| e.to_string())?;
    let rows = rows.into_iter();
    let rows = rows.map(|(id, counts)| (id, Tally::of_counts(counts)));
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_whose_file_is_elsewhere_and_not_there_do_not_begin_anew() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tallies.json");
        assert!(EpochTallies::open(&path).is_ok());
        std::os::unix::fs::symlink(home.path().join("gone"), &path).unwrap();
        assert!(EpochTallies::open(&path).is_err());
    }
}
