//! How far a log was read: its last checkpoint, and the few hashes and entries at
//! the right edge of the tree from which reading goes on. Not here: where it is
//! kept.

use std::fmt;

use crate::checkpoint::parse_size;
use crate::{CheckpointError, Hash, SignedCheckpoint, TreeHead, VerifierKey};
use pennyblack_base::encoding::{self, Base64Error};

use crate::edge::{Edge, EdgeError};

const FIRST_LINE: &str = "pennyblack-log-position@v1";

/// How far a log was read. As text, which [`Position::parse`] reads, it has some
/// hundred kilobytes at most, however large the log is:
///
/// ```text
/// pennyblack-log-position@v1
/// read <entries that were read> <root of the tree of these>
/// level <hashes of the last tile of level 0, base64>
/// level …
/// bundle <entries of the last bundle, base64>
///
/// <checkpoint>
/// ```
///
/// The line `read` stands there only if fewer entries were read than the checkpoint is
/// for; that the checkpoint's tree begins with them was proven then.
#[derive(Debug, Clone, Default)]
pub struct Position {
    pub(super) checkpoint: Option<SignedCheckpoint>,
    pub(super) edge: Edge,
}

/// Text that is not a position of this log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PositionError {
    /// Not the lines that it has.
    #[error("not a position in a log: it was changed, or is of another version")]
    Form,
    /// Not base64.
    #[error("the position in the log: {0}")]
    Text(#[from] Base64Error),
    /// The checkpoint is not this log's.
    #[error("the position in the log: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A tile or the bundle.
    #[error("the position in the log: {0}")]
    Edge(#[from] EdgeError),
    /// The hashes are not those of the checkpoint.
    #[error("the position in the log does not fit its checkpoint: it was changed")]
    Root,
}

impl Position {
    /// The tree that was read and verified; the empty one at the beginning.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.edge.head()
    }

    /// The largest tree of the log that is known to be signed; it begins with [`Self::head`].
    #[must_use]
    pub fn signed(&self) -> TreeHead {
        let signed = self.checkpoint.as_ref();
        signed.map_or_else(|| self.head(), |signed| signed.checkpoint().head)
    }

    /// The checkpoint of [`Self::signed`]; `None` at the beginning.
    #[must_use]
    pub const fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.checkpoint.as_ref()
    }

    /// With the checkpoint of this position, the entries of an earlier one from which it was
    /// reached: as if nothing had been read since.
    #[must_use]
    pub fn with_entries_of(&self, earlier: &Self) -> Self {
        Self {
            checkpoint: self.checkpoint.clone(),
            edge: earlier.edge.clone(),
        }
    }

    /// Reads a position of the log with this key, and verifies that it fits its
    /// checkpoint.
    ///
    /// # Errors
    /// [`PositionError`].
    pub fn parse(text: &str, log: &VerifierKey) -> Result<Self, PositionError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(PositionError::Form)?;
        let checkpoint: SignedCheckpoint = checkpoint.parse()?;
        let signed = checkpoint.verify(log)?;
        let mut lines = head.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(PositionError::Form);
        }
        let (mut read, mut levels, mut bundle) = (signed, Vec::new(), Vec::new());
        for line in lines {
            match line.split_once(' ') {
                Some(("read", tree)) => read = parse_tree(tree).ok_or(PositionError::Form)?,
                Some(("level", hashes)) => levels.push(encoding::from_base64_standard(hashes)?),
                Some(("bundle", entries)) => bundle = encoding::from_base64_standard(entries)?,
                _ => return Err(PositionError::Form),
            }
        }
        let edge = Edge::restore(read.size, &levels, bundle)?.ok_or(PositionError::Root)?;
        if edge.head() != read || (read != signed && read.size >= signed.size) {
            return Err(PositionError::Root);
        }
        Ok(Self {
            checkpoint: Some(checkpoint),
            edge,
        })
    }
}

fn parse_tree(text: &str) -> Option<TreeHead> {
    let (size, root) = text.split_once(' ')?;
    let (size, root): (_, Hash) = (parse_size(size)?, root.parse().ok()?);
    Some(TreeHead { size, root })
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        let read = self.head();
        if read != self.signed() {
            writeln!(f, "read {} {}", read.size, read.root)?;
        }
        for level in self.edge.levels() {
            writeln!(f, "level {}", encoding::base64_standard(&level))?;
        }
        let bundle = encoding::base64_standard(self.edge.bundle().as_bytes());
        writeln!(f, "bundle {bundle}\n")?;
        match &self.checkpoint {
            Some(checkpoint) => checkpoint.fmt(f),
            None => Ok(()),
        }
    }
}
