//! The keys of a directory for those who store calls, and the CPSs to which they may lead. Not
//! here: storing.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::task::spawn_blocking;

use super::{Directory, DirectoryError};
use crate::rosters::RosterCpss;

/// A directory, and the roster's CPSs. Clones share both.
#[derive(Clone)]
pub struct MirroredKeys {
    path: PathBuf,
    cpss: Arc<RwLock<Arc<RosterCpss>>>,
}

impl MirroredKeys {
    /// The keys of `directory`, stored at these CPSs and nowhere else.
    #[must_use]
    pub fn new(directory: &Directory, cpss: RosterCpss) -> Self {
        Self {
            path: directory.path().to_owned(),
            cpss: Arc::new(RwLock::new(Arc::new(cpss))),
        }
    }

    /// Reads the directory, on a thread that may wait for the disk. **Its file is open no longer
    /// than that**: an operator who is told to move it away, and to sync into a new one, must not
    /// have to find all programs that read the old one.
    ///
    /// # Errors
    /// [`DirectoryError`], and those of `work`.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directory) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let path = self.path.clone();
        let read = spawn_blocking(move || work(&Directory::existing(&path)?)).await;
        read.unwrap_or(Err(DirectoryError::CutShort))
    }

    /// The CPSs.
    #[must_use]
    pub fn cpss(&self) -> Arc<RosterCpss> {
        Arc::clone(&self.cpss.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Goes by a newer roster from now on.
    pub fn set_cpss(&self, cpss: RosterCpss) {
        *self.cpss.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(cpss);
    }
}
