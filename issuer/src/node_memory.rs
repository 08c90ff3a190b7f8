//! What a node remembers of a store that it shares with others, in a small file
//! that is its own: how far the store had come when it last looked. A store that
//! is not so far any more was restored, emptied, or lost writes in a failover.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_storage::atomic_file::{self, PrivateFileError};
use pennyblack_storage::disk::{OpenDiskError, RealDisk};
use serde::{Deserialize, Serialize};

/// The file's name.
const FILE: &str = "seen.json";

/// A memory that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeMemoryError {
    /// Its directory, or another process in it.
    #[error("issuer.data_directory: {0}")]
    Directory(#[from] OpenDiskError),
    /// The file.
    #[error("what this node remembers of the store: {0}")]
    Private(#[from] PrivateFileError),
    /// The file cannot be written.
    #[error("what this node remembers of the store cannot be written to {}: {error}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The file holds something else.
    #[error("{} is damaged ({why}): restore it; or, to trust the store as it is, run this node once with --accept-older-store", path.display())]
    Form {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No name can be made for this node.
    #[error("the operating system gives no randomness")]
    Randomness,
}

/// The memory of one node; its directory is locked as long as it lives.
#[derive(Debug)]
pub struct NodeMemory {
    path: PathBuf,
    _directory: RealDisk,
    /// As it is in the file. Locked while the file is written.
    kept: Mutex<Kept>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// By which name the store knows this node: 32 hexadecimal digits.
    node: String,
    /// The number of the last list of keys that was seen.
    key_list: u64,
    /// How many charges the store acknowledged to this node, for each epoch.
    charges: BTreeMap<String, u64>,
}

impl NodeMemory {
    /// Opens the memory in `directory`, which is made if it is missing. A node
    /// that remembers nothing gets a new name and takes the store as it is.
    ///
    /// # Errors
    /// [`NodeMemoryError`].
    pub fn open(directory: &Path) -> Result<Self, NodeMemoryError> {
        let locked = RealDisk::open(directory)?;
        let path = directory.join(FILE);
        let kept = match atomic_file::read_private(&path) {
            Ok(text) => from_json(&path, &text)?,
            Err(PrivateFileError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                let fresh = Kept::fresh()?;
                write(&path, &fresh)?;
                fresh
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            path,
            _directory: locked,
            kept: Mutex::new(kept),
        })
    }

    /// Forgets everything, so that the node takes the store as it is when it starts
    /// next; false if there was nothing. The node must be down.
    ///
    /// # Errors
    /// [`NodeMemoryError::Directory`] if it is running, or [`NodeMemoryError::Write`].
    pub fn forget(directory: &Path) -> Result<bool, NodeMemoryError> {
        let _locked = RealDisk::open(directory)?;
        let path = directory.join(FILE);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(NodeMemoryError::Write { path, error }),
        }
    }

    /// The file: without it the node trusts the store.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// By which name the store knows this node.
    #[must_use]
    pub fn node(&self) -> String {
        self.kept().node.clone()
    }

    /// The number of the last list of keys that was seen; 0 if none was.
    #[must_use]
    pub fn key_list(&self) -> u64 {
        self.kept().key_list
    }

    /// Remembers that a list of keys with this number was seen. Writes the file
    /// when that is new.
    ///
    /// # Errors
    /// [`NodeMemoryError::Write`].
    pub fn saw_key_list(&self, number: u64) -> Result<(), NodeMemoryError> {
        self.change(|kept| kept.key_list = kept.key_list.max(number))
    }

    /// How many charges of `epoch` this node knows to be acknowledged.
    #[must_use]
    pub fn charges(&self, epoch: TokenKeyId) -> u64 {
        let kept = self.kept();
        kept.charges.get(&epoch.to_string()).copied().unwrap_or(0)
    }

    /// The same for every epoch on record.
    #[must_use]
    pub fn all_charges(&self) -> Vec<(TokenKeyId, u64)> {
        let kept = self.kept();
        let charges = kept.charges.iter();
        charges
            .filter_map(|(epoch, count)| {
                let mut id = [0; 32];
                hex::decode_to_slice(epoch, &mut id).ok()?;
                Some((TokenKeyId(id), *count))
            })
            .collect()
    }

    /// Remembers the acknowledged charges of these epochs, and forgets those of
    /// all others. Writes the file when something is new.
    ///
    /// # Errors
    /// [`NodeMemoryError::Write`].
    pub fn saw_charges(
        &self,
        charges: impl IntoIterator<Item = (TokenKeyId, u64)>,
    ) -> Result<(), NodeMemoryError> {
        let charges = charges.into_iter();
        let charges = charges.map(|(epoch, count)| (epoch.to_string(), count));
        self.change(|kept| kept.charges = charges.collect())
    }

    fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<(), NodeMemoryError> {
        let mut kept = self.kept();
        let mut changed = kept.clone();
        change(&mut changed);
        if changed != *kept {
            write(&self.path, &changed)?;
            *kept = changed;
        }
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn fresh() -> Result<Self, NodeMemoryError> {
        let mut node = [0; 16];
        rand::fill(&mut node).map_err(|_| NodeMemoryError::Randomness)?;
        Ok(Self {
            node: hex::encode(node),
            key_list: 0,
            charges: BTreeMap::new(),
        })
    }
}

fn from_json(path: &Path, text: &[u8]) -> Result<Kept, NodeMemoryError> {
    serde_json::from_slice(text).map_err(|error| NodeMemoryError::Form {
        path: path.to_owned(),
        why: error.to_string(),
    })
}

fn write(path: &Path, kept: &Kept) -> Result<(), NodeMemoryError> {
    serde_json::to_vec_pretty(kept)
        .map_err(io::Error::other)
        .and_then(|text| atomic_file::write_private(path, &text))
        .map_err(|error| NodeMemoryError::Write {
            path: path.to_owned(),
            error,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TokenKeyId = TokenKeyId([1; 32]);
    const B: TokenKeyId = TokenKeyId([2; 32]);

    #[test]
    fn what_was_seen_is_remembered_and_never_less_than_that() {
        let home = tempfile::tempdir().unwrap();
        let memory = NodeMemory::open(home.path()).unwrap();
        let node = memory.node();
        memory.saw_key_list(7).unwrap();
        memory.saw_key_list(3).unwrap();
        memory.saw_charges([(A, 5), (B, 1)]).unwrap();
        memory.saw_charges([(B, 2)]).unwrap();
        drop(memory);
        let memory = NodeMemory::open(home.path()).unwrap();
        assert_eq!((memory.node(), memory.key_list()), (node.clone(), 7));
        assert_eq!((memory.charges(A), memory.charges(B)), (0, 2));

        // When it has forgotten, which it cannot while it runs, it is a new node.
        let said = NodeMemory::forget(home.path()).unwrap_err().to_string();
        assert!(said.contains("in use"), "{said}");
        drop(memory);
        assert!(NodeMemory::forget(home.path()).unwrap());
        assert!(!NodeMemory::forget(home.path()).unwrap());
        let memory = NodeMemory::open(home.path()).unwrap();
        assert_ne!(memory.node(), node);
        assert_eq!(memory.key_list(), 0);
    }

    #[test]
    fn a_damaged_file_and_a_second_process_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let memory = NodeMemory::open(home.path()).unwrap();
        let second = NodeMemory::open(home.path()).unwrap_err().to_string();
        assert!(second.contains("in use"), "{second}");
        let path = memory.path().to_owned();
        drop(memory);
        atomic_file::write_private(&path, b"{\"node\":").unwrap();
        let said = NodeMemory::open(home.path()).unwrap_err().to_string();
        assert!(
            said.contains("seen.json") && said.contains("--accept-older-store"),
            "{said}"
        );
    }
}
