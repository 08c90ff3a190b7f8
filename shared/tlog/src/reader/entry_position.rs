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
    /// A later checkpoint that the log has signed, whose entries were not all read.
    pub(super) unread: Option<SignedCheckpoint>,
}

impl EntryPosition {
    /// A position of the log with this key as it was remembered: its checkpoint, what
    /// [`Self::roots`] were, and [`Self::unread`]. Verifies that they fit each other.
    ///
    /// # Errors
    /// [`PositionError`].
    pub fn restore(
        checkpoint: Option<SignedCheckpoint>,
        roots: &[Hash],
        unread: Option<SignedCheckpoint>,
        log: &VerifierKey,
    ) -> Result<Self, PositionError> {
        let signed = checkpoint.as_ref().map(|signed| signed.verify(log));
        let signed = signed.transpose()?.unwrap_or_else(TreeHead::empty);
        let mut left = roots.iter().copied();
        let roots = Frontier::read(signed.size, |_| left.next().ok_or(PositionError::Root))?;
        let later = unread.as_ref().map(|unread| unread.verify(log));
        let is_later = later.transpose()?.is_none_or(|it| it.size > signed.size);
        if left.next().is_some() || roots.head() != signed || !is_later {
            return Err(PositionError::Root);
        }
        Ok(Self {
            checkpoint,
            roots,
            unread,
        })
    }

    /// The same of a position that [`Self::is_part`]. Nothing was signed for exactly its roots:
    /// the next reading proves them.
    ///
    /// # Errors
    /// [`PositionError`].
    pub fn restore_part(
        entries: u64,
        roots: &[Hash],
        unread: Option<SignedCheckpoint>,
        log: &VerifierKey,
    ) -> Result<Self, PositionError> {
        let unread = unread.ok_or(PositionError::Root)?;
        let mut left = roots.iter().copied();
        let roots = Frontier::read(entries, |_| left.next().ok_or(PositionError::Root))?;
        if left.next().is_some() || entries == 0 || entries >= unread.verify(log)?.size {
            return Err(PositionError::Root);
        }
        Ok(Self {
            checkpoint: None,
            roots,
            unread: Some(unread),
        })
    }

    /// Whether it is inside of [`Self::unread`], and no checkpoint is for exactly this.
    #[must_use]
    pub fn is_part(&self) -> bool {
        self.checkpoint.is_none() && self.head().size > 0
    }

    /// The same, and that the log has signed `checkpoint`, whose entries could not be used:
    /// a later tree must begin with that one. One that is remembered already stays, until
    /// another is known to continue it.
    #[must_use]
    pub fn with_unread(&self, checkpoint: &SignedCheckpoint) -> Self {
        let mut position = self.clone();
        if checkpoint.checkpoint().head.size > self.head().size {
            position.unread.get_or_insert_with(|| checkpoint.clone());
        }
        position
    }

    /// The tree that was read and verified; the empty one at the beginning.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.roots.head()
    }

    /// The largest tree that the log is known to have signed; it begins with
    /// [`Self::head`], or the log has signed two histories.
    #[must_use]
    pub fn signed(&self) -> TreeHead {
        let unread = self.unread.as_ref();
        unread.map_or_else(|| self.head(), |unread| unread.checkpoint().head)
    }

    /// The checkpoint of [`Self::signed`], if its entries were not all read.
    #[must_use]
    pub const fn unread(&self) -> Option<&SignedCheckpoint> {
        self.unread.as_ref()
    }

    /// The checkpoint to which the log was read; `None` at the beginning, and of a part.
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
