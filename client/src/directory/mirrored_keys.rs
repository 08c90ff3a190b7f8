//! The keys of a directory for those who store calls, and the CPSs to which they may lead. Not
//! here: storing.

use std::sync::{Arc, PoisonError, RwLock};

use super::Directory;
use crate::rosters::RosterCpss;

/// A directory, and the roster's CPSs. Clones share both.
#[derive(Clone)]
pub struct MirroredKeys {
    directory: Directory,
    cpss: Arc<RwLock<Arc<RosterCpss>>>,
}

impl MirroredKeys {
    /// The keys of `directory`, stored at these CPSs and nowhere else.
    #[must_use]
    pub fn new(directory: Directory, cpss: RosterCpss) -> Self {
        Self {
            directory,
            cpss: Arc::new(RwLock::new(Arc::new(cpss))),
        }
    }

    /// Where they are.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        &self.directory
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
