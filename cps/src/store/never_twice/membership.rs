//! What a node's directory remembers of itself: its journal's random name, and the list
//! of nodes by which its journal was filled. Another list would give tokens to nodes
//! that do not know whether they are spent.

use std::io;
use std::path::{Path, PathBuf};

use pennyblack_storage::{atomic_file, limited_file};
use serde::{Deserialize, Serialize};

use super::owners::Owners;

/// The file's name.
const FILE: &str = "nodes.json";
/// Most bytes of it.
const MAX_FILE_SIZE: usize = 1024 * 1024;

/// The random name of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JournalId(pub(super) [u8; 16]);

/// Why a directory does not fit the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// The file system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// It is not one of these files.
    #[error("{} does not say whose journal this is ({why}): restore it", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The journal was filled under another list.
    #[error(
        "the journal is of node {node} of {nodes:?}, and never_twice says another node or list: tokens \
         could be spent at two nodes. Write it as it was; or stop all nodes, wait until every key \
         epoch of that time has ended, and remove {} at each (docs/redis.md)",
        path.display()
    )]
    OtherNodes {
        /// Which file says so.
        path: PathBuf,
        /// The list then.
        nodes: Vec<String>,
        /// The place then.
        node: usize,
    },
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MembershipFile {
    journal: String,
    nodes: Vec<String>,
    node: usize,
}

/// What is remembered, and agrees with the configuration.
#[derive(Debug)]
pub(super) struct Membership {
    pub(super) journal: JournalId,
}

impl Membership {
    /// Reads the file, or makes it for a node that is new.
    pub(super) fn open(directory: &Path, owners: &Owners) -> Result<Self, MembershipError> {
        let path = directory.join(FILE);
        let text = match limited_file::read(&path, MAX_FILE_SIZE) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::begin(path, owners);
            }
            Err(error) => return Err(MembershipError::Io { path, error }),
        };
        let form = |why: String| MembershipError::Form {
            path: path.clone(),
            why,
        };
        let file: MembershipFile =
            serde_json::from_slice(&text).map_err(|error| form(error.to_string()))?;
        let mut journal = [0; 16];
        hex::decode_to_slice(&file.journal, &mut journal).map_err(|e| form(e.to_string()))?;
        if file.nodes != owners.nodes() || file.node != owners.own() {
            return Err(MembershipError::OtherNodes {
                path,
                nodes: file.nodes,
                node: file.node,
            });
        }
        Ok(Self {
            journal: JournalId(journal),
        })
    }

    fn begin(path: PathBuf, owners: &Owners) -> Result<Self, MembershipError> {
        let journal: [u8; 16] = rand::random();
        let file = MembershipFile {
            journal: hex::encode(journal),
            nodes: owners.nodes().to_vec(),
            node: owners.own(),
        };
        let io = |error| MembershipError::Io {
            path: path.clone(),
            error,
        };
        let text = serde_json::to_vec_pretty(&file).map_err(|error| io(error.into()))?;
        atomic_file::write_public(&path, &text).map_err(io)?;
        Ok(Self {
            journal: JournalId(journal),
        })
    }
}
