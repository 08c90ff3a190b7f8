//! How far a log was read by somebody who remembers no tiles. Not here: where that is
//! kept.

use super::PositionError;
use crate::{Frontier, Hash, SignedCheckpoint, TreeHead, VerifierKey};

/// How far the entries of a log were read: its last checkpoint, and at most 64 hashes.
/// See [`super::Position`] for what it takes to compare the log's tiles, too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryPosition {
    pub(super) checkpoint: Option<SignedCheckpoint>,
    pub(super) roots: Frontier,
}

impl EntryPosition {
    /// A position of the log with this key as it was remembered: its checkpoint, and
    /// what [`Self::roots`] were. Verifies that they fit each other.
    ///
    /// # Errors
    /// [`PositionError`].
    pub fn restore(
        checkpoint: Option<SignedCheckpoint>,
        roots: &[Hash],
        log: &VerifierKey,
    ) -> Result<Self, PositionError> {
        let signed = checkpoint.as_ref().map(|signed| signed.verify(log));
        let signed = signed.transpose()?.unwrap_or_else(TreeHead::empty);
        let mut left = roots.iter().copied();
        let roots = Frontier::read(signed.size, |_| left.next().ok_or(PositionError::Root))?;
        if left.next().is_some() || roots.head() != signed {
            return Err(PositionError::Root);
        }
        Ok(Self { checkpoint, roots })
    }

    /// The tree that was read and verified; the empty one at the beginning.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.roots.head()
    }

    /// The checkpoint to which the log was read; `None` at the beginning.
    #[must_use]
    pub const fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.checkpoint.as_ref()
    }

    /// The roots of the tree's largest complete subtrees, left to right.
    #[must_use]
    pub fn roots(&self) -> &[Hash] {
        self.roots.roots()
    }
}
