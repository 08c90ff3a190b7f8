//! The shape of a log's Merkle tree (RFC 6962 section 2.1): its complete subtrees,
//! and the few of them at the right edge from which appending goes on. Not here:
//! proofs, and where the other hashes are kept.

use super::hash::Hash;

/// A tree of so many leaves with this root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// How many leaves.
    pub size: u64,
    /// The hash of all of them.
    pub root: Hash,
}

impl TreeHead {
    /// The tree without leaves.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            size: 0,
            root: Hash::of_empty_tree(),
        }
    }
}

/// A complete subtree: the leaves from `index << level` on, `1 << level` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Its height; 0 is a leaf.
    pub level: u8,
    /// Its place among those of its height, from 0.
    pub index: u64,
}

impl Node {
    /// The complete subtrees, left to right, that `start..end` consists of, for
    /// a range that is itself a subtree of some tree: `start` a multiple of the
    /// largest power of two that is less than its length.
    pub(crate) fn of_range(start: u64, end: u64) -> impl DoubleEndedIterator<Item = Self> {
        let length = end.saturating_sub(start);
        let levels = (0..64u8)
            .rev()
            .filter(move |level| length >> level & 1 == 1);
        levels.map(move |level| {
            // The longer ones stand before it; their lengths are the higher bits.
            let before = length >> level >> 1 << 1 << level;
            Self {
                level,
                index: (start + before) >> level,
            }
        })
    }
}

/// The right edge of a tree: the roots of its largest complete subtrees. It is
/// all that appending needs, at most 64 hashes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// Left to right, so from the largest to the smallest.
    roots: Vec<Hash>,
}

impl Frontier {
    /// The edge of the tree of `size` leaves; `node` tells the hash of a complete
    /// subtree.
    ///
    /// # Errors
    /// Those of `node`.
    pub fn read<E>(size: u64, node: impl FnMut(Node) -> Result<Hash, E>) -> Result<Self, E> {
        let roots: Result<_, E> = Node::of_range(0, size).map(node).collect();
        Ok(Self {
            size,
            roots: roots?,
        })
    }

    /// How many leaves the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its largest complete subtrees, left to right: what
    /// [`Self::read`] needs to have it again.
    #[must_use]
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut root = leaf;
        for _ in 0..self.size.trailing_ones() {
            match self.roots.pop() {
                Some(left) => root = Hash::of_node(left, root),
                None => break,
            }
        }
        self.roots.push(root);
        self.size += 1;
    }

    /// The tree as it is now.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        let folded = self.roots.iter().rev().copied();
        let root = folded.reduce(|right, left| Hash::of_node(left, right));
        TreeHead {
            size: self.size,
            root: root.unwrap_or_else(Hash::of_empty_tree),
        }
    }
}
