//! Inclusion and consistency proofs: made from the hashes of complete subtrees
//! (RFC 6962 sections 2.1.1 and 2.1.2), verified as RFC 9162 sections 2.1.3.2 and
//! 2.1.4.2 say. Not here: where those hashes come from.

use super::hash::Hash;
use super::tree::{Node, TreeHead};

/// Most hashes of a proof: one for each level of the largest tree.
pub const LONGEST_PROOF: usize = 64;

/// A proof that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// There is no such entry in a tree of that size.
    #[error("entry {index} is not in a tree of {size}")]
    PastTheEnd {
        /// Which entry, from 0.
        index: u64,
        /// How many the tree has.
        size: u64,
    },
    /// The older tree is the larger one.
    #[error("the tree had {old} entries and has {new} now: a log does not shrink")]
    Shrunk {
        /// The size before.
        old: u64,
        /// The size after.
        new: u64,
    },
    /// Too few hashes or too many for these sizes.
    #[error("the proof has {0} hashes, which is not the number for these sizes")]
    Length(usize),
    /// The hashes do not lead to the root of the tree.
    #[error("the proof leads to the root {computed}, the tree of {size} has {expected}")]
    Root {
        /// The size of the tree.
        size: u64,
        /// Where the proof leads.
        computed: Hash,
        /// Where it must.
        expected: Hash,
    },
}

/// The path from the entry `index` to the root of a tree of `size`: RFC 6962's
/// `PATH(m, D[n])`. `node` gives the hash of any complete subtree of that tree.
/// Empty if the tree has no such entry.
///
/// # Errors
/// Those of `node`.
pub fn prove_inclusion<E>(
    index: u64,
    size: u64,
    node: impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let (mut low, mut high) = (0, size);
    let mut siblings = Vec::new();
    while index < size && high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            siblings.push((middle, high));
            high = middle;
        } else {
            siblings.push((low, middle));
            low = middle;
        }
    }
    hashes(siblings, node)
}

/// The proof that a tree of `new` entries begins with those of the tree of `old`:
/// RFC 6962's `PROOF(m, D[n])`. `node` gives the hash of any complete subtree of
/// the new tree. Empty if `old` is 0, or not less than `new`.
///
/// # Errors
/// Those of `node`.
pub fn prove_consistency<E>(
    old: u64,
    new: u64,
    node: impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let (mut low, mut high) = (0, new);
    let mut subtrees = Vec::new();
    if old == 0 || old >= new {
        return Ok(Vec::new());
    }
    while old < high {
        let middle = low + split(high - low);
        if old <= middle {
            subtrees.push((middle, high));
            high = middle;
        } else {
            subtrees.push((low, middle));
            low = middle;
        }
    }
    // The verifier has the old root, but not this part of it.
    if low > 0 {
        subtrees.push((low, high));
    }
    hashes(subtrees, node)
}

/// Collected from the root downwards; a proof goes upwards.
fn hashes<E>(
    ranges: Vec<(u64, u64)>,
    mut node: impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let ranges = ranges.into_iter().rev();
    let hashes = ranges.map(|(start, end)| {
        let mut root = None;
        for part in Node::of_range(start, end).rev() {
            let left = node(part)?;
            root = Some(root.map_or(left, |right| Hash::of_node(left, right)));
        }
        Ok(root.unwrap_or_else(Hash::of_empty_tree))
    });
    hashes.collect()
}

/// The largest power of two that is less than `length`, which is 2 or more.
const fn split(length: u64) -> u64 {
    1 << (63 - length.saturating_sub(1).leading_zeros())
}

/// Verifies that the entry with the hash `leaf` is the one at `index` of a tree
/// (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// [`ProofError`].
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    tree: &TreeHead,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let size = tree.size;
    if index >= size {
        return Err(ProofError::PastTheEnd { index, size });
    }
    let (mut node, mut last) = (index, size - 1);
    let mut root = leaf;
    for &sibling in proof {
        if last == 0 {
            return Err(ProofError::Length(proof.len()));
        }
        if node & 1 == 1 || node == last {
            root = Hash::of_node(sibling, root);
            // At the right edge, levels without a sibling are passed over.
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            root = Hash::of_node(root, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofError::Length(proof.len()));
    }
    require_root(tree, root)
}

/// Verifies that the tree `new` begins with the entries of `old` (RFC 9162 section
/// 2.1.4.2). Every tree begins with the empty one, and with itself, both by an
/// empty proof.
///
/// A proof that leads to the root of `new` and to another of `old`, which is
/// [`ProofError::Root`] of the size of `old`, shows that `new` does not begin with `old`.
/// Any other error shows that the proof is none, and nothing of the trees.
///
/// # Errors
/// [`ProofError`].
pub fn verify_consistency(
    old: &TreeHead,
    new: &TreeHead,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old.size > new.size {
        return Err(ProofError::Shrunk {
            old: old.size,
            new: new.size,
        });
    }
    if old.size == 0 {
        require_root(old, Hash::of_empty_tree())?;
    }
    if old.size == new.size {
        require_root(new, old.root)?;
    }
    if old.size == 0 || old.size == new.size {
        return match proof {
            [] => Ok(()),
            _ => Err(ProofError::Length(proof.len())),
        };
    }
    let (old_root, new_root) = consistent_roots(old, new, proof)?;
    require_root(new, new_root)?;
    require_root(old, old_root)
}

/// The roots of both trees that the proof leads to; 0 < old < new.
fn consistent_roots(
    old: &TreeHead,
    new: &TreeHead,
    proof: &[Hash],
) -> Result<(Hash, Hash), ProofError> {
    let wrong_length = ProofError::Length(proof.len());
    let (mut node, mut last) = (old.size - 1, new.size - 1);
    let complete = node.trailing_ones();
    (node, last) = (node >> complete, last >> complete);
    // A complete old tree is a node of the new one, and its root is known.
    let (first, rest) = if node == 0 {
        (old.root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(wrong_length)?;
        (*first, rest)
    };
    let (mut old_root, mut new_root) = (first, first);
    for &sibling in rest {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            old_root = Hash::of_node(sibling, old_root);
            new_root = Hash::of_node(sibling, new_root);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new_root = Hash::of_node(new_root, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last == 0 {
        Ok((old_root, new_root))
    } else {
        Err(wrong_length)
    }
}

fn require_root(tree: &TreeHead, computed: Hash) -> Result<(), ProofError> {
    if computed == tree.root {
        return Ok(());
    }
    Err(ProofError::Root {
        size: tree.size,
        computed,
        expected: tree.root,
    })
}
