//! Why a log cannot be read, or must not be trusted. Not here: what follows from
//! that.

use crate::cosignature::PolicyError;
use crate::tile::TileSizeError;
use crate::{BundleError, CheckpointError, Hash, Node, Tile, TreeHead};

use super::source::SourceError;

/// A log that cannot be read, or that is not what its operator signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadLogError {
    /// No answer; says nothing about the operator.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No file `checkpoint`.
    #[error(
        "there is no checkpoint: is this the prefix of a log, such as https://cps.example/log?"
    )]
    NoCheckpoint,
    /// It is not text.
    #[error("the checkpoint is not UTF-8 text")]
    CheckpointText,
    /// Not signed by the log, or of another form.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Not cosigned by enough witnesses.
    #[error(transparent)]
    Witnesses(#[from] PolicyError),
    /// The log was larger before.
    #[error(
        "the log has signed for {known} entries and shows a checkpoint of {now}: it was rolled back"
    )]
    Rollback {
        /// The size that was seen before.
        known: u64,
        /// The size now.
        now: u64,
    },
    /// The log has signed two histories. Both checkpoints together prove it.
    #[error(
        "the log has signed two histories: a checkpoint of {size} entries with the root {seen}, \
         and one of {later} whose first {size} entries have the root {shown}"
    )]
    Fork {
        /// The size of the older checkpoint.
        size: u64,
        /// Its root.
        seen: Hash,
        /// The size of the other one.
        later: u64,
        /// The root that its first entries have.
        shown: Hash,
    },
    /// The entries, whose tiles were not asked for, are not the earlier ones followed by
    /// others.
    #[error(
        "the log's {now} entries do not continue the {known} that were read before: they were \
         changed on their way, or the log was rewritten"
    )]
    Diverged {
        /// How many were read before.
        known: u64,
        /// How many there are now.
        now: u64,
    },
    /// An entry is not the one that is in the tree, or that was read before.
    #[error("entry {index} is not the one that the log has signed for: it was rewritten")]
    Rewritten {
        /// Its place, from 0.
        index: u64,
    },
    /// A tile of hashes is not made of the entries.
    #[error("{tile} does not hold the hashes of the entries: it was rewritten")]
    Tile {
        /// Which.
        tile: Tile,
    },
    /// The tiles do not lead to the root.
    #[error(
        "the log's tiles do not lead to the root that was signed for {size} entries: they were rewritten"
    )]
    Root {
        /// The size of the signed tree.
        size: u64,
    },
    /// A file that was signed for is not there.
    #[error("the log has signed for {size} entries, and {tile} is missing")]
    Missing {
        /// Which file.
        tile: Tile,
        /// For how many entries the checkpoint is.
        size: u64,
    },
    /// Entries are missing in a bundle, or there are too many.
    #[error("the log's {0}: entries were dropped or added")]
    Bundle(#[from] BundleError),
    /// A tile of another size.
    #[error("{0}: it was rewritten")]
    TileSize(#[from] TileSizeError),
    /// There is no such entry.
    #[error("there is no entry {index}: the log has {size}; the first is 0")]
    PastTheEnd {
        /// Which was asked for.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// A hash that was not asked for: an error of this program.
    #[error("the hash of {node:?} was not read; please report this")]
    NotRead {
        /// Which.
        node: Node,
    },
}

impl ReadLogError {
    pub(super) const fn fork(old: &TreeHead, later: u64, shown: Hash) -> Self {
        Self::Fork {
            size: old.size,
            seen: old.root,
            later,
            shown,
        }
    }

    /// Entries that do not lead from one signed tree to the other.
    pub(super) const fn diverged(old: &TreeHead, new: &TreeHead) -> Self {
        if old.size == 0 {
            return Self::Root { size: new.size };
        }
        Self::Diverged {
            known: old.size,
            now: new.size,
        }
    }
}
