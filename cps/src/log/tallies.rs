//! How many requests with tokens of each open key epoch were repetitions, and how
//! many were refused. Counted in memory and kept each minute: a crash may lose the
//! count of a minute, so the log states them as "at least".

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pennyblack_shared::token::TokenKeyId;
use pennyblack_storage::atomic_file;

/// Counts that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}: restore the file, or remove it and begin the counts anew", path.display())]
pub struct TalliesError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub why: String,
}

/// The counts of one key epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Repetitions of a request that was stored.
    pub replayed: u64,
    /// Requests that were refused.
    pub refused: u64,
}

/// The counts.
#[derive(Debug)]
pub struct EpochTallies {
    path: PathBuf,
    tallies: Mutex<HashMap<TokenKeyId, Tally>>,
}

impl EpochTallies {
    /// Reads what was kept, if anything was.
    ///
    /// # Errors
    /// [`TalliesError`].
    pub fn open(path: &Path) -> Result<Self, TalliesError> {
        let wrong = |why: String| TalliesError {
            path: path.to_owned(),
            why,
        };
        let tallies = match std::fs::read(path) {
            Ok(json) => parse(&json).map_err(wrong)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashMap::new(),
            Err(error) => return Err(wrong(error.to_string())),
        };
        Ok(Self {
            path: path.to_owned(),
            tallies: Mutex::new(tallies),
        })
    }

    /// Counts a repetition.
    pub fn replayed(&self, id: TokenKeyId) {
        self.lock().entry(id).or_default().replayed += 1;
    }

    /// Counts a refusal.
    pub fn refused(&self, id: TokenKeyId) {
        self.lock().entry(id).or_default().refused += 1;
    }

    /// The counts of an epoch.
    #[must_use]
    pub fn of(&self, id: TokenKeyId) -> Tally {
        self.lock().get(&id).copied().unwrap_or_default()
    }

    /// Forgets an epoch, whose counts are in the log.
    pub fn forget(&self, id: TokenKeyId) {
        self.lock().remove(&id);
    }

    /// Keeps the counts on disk.
    ///
    /// # Errors
    /// What the file system says.
    pub fn keep(&self) -> io::Result<()> {
        let tallies = self.lock().clone();
        let rows = tallies
            .iter()
            .map(|(id, tally)| (hex::encode(id.0), [tally.replayed, tally.refused]));
        let rows: HashMap<_, _> = rows.collect();
        let json = serde_json::to_vec(&rows).map_err(io::Error::other)?;
        atomic_file::write_public(&self.path, &json)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenKeyId, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse(json: &[u8]) -> Result<HashMap<TokenKeyId, Tally>, String> {
    let rows: HashMap<String, [u64; 2]> =
        serde_json::from_slice(json).map_err(|e| e.to_string())?;
    let rows = rows.into_iter().map(|(id, [replayed, refused])| {
        let mut bytes = [0; 32];
        hex::decode_to_slice(id, &mut bytes).map_err(|e| e.to_string())?;
        Ok((TokenKeyId(bytes), Tally { replayed, refused }))
    });
    rows.collect()
}
