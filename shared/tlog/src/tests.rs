//! Against implementations that are not ours, and against the examples of C2SP.

mod merkle;
mod notes;
mod tiles;
mod witnesses;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::hash::Hash;
use super::note_key::{KeyName, NoteSigner, SignatureType};
use super::proof::{prove_consistency, prove_inclusion};
use super::tree::{Frontier, Node, TreeHead};

/// A log in memory: its entries' hashes, and its heads of all sizes.
struct Leaves(Vec<Hash>, Vec<TreeHead>);

impl Leaves {
    fn numbered(count: u64) -> Self {
        Self::new((0..count).map(|i| Hash::of_leaf(&entry(i))).collect())
    }

    fn new(leaves: Vec<Hash>) -> Self {
        let mut frontier = Frontier::default();
        let mut heads = vec![frontier.head()];
        for leaf in &leaves {
            frontier.push(*leaf);
            heads.push(frontier.head());
        }
        Self(leaves, heads)
    }

    fn head(&self, size: u64) -> TreeHead {
        self.1[size as usize]
    }

    /// By definition, level by level.
    fn node(&self, node: Node) -> Result<Hash, std::convert::Infallible> {
        let start = (node.index << node.level) as usize;
        let leaves = &self.0[start..start + (1 << node.level)];
        Ok(super::tile::subtree_root(leaves))
    }

    fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
        prove_inclusion(index, size, |node| self.node(node)).unwrap()
    }

    fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        prove_consistency(old, new, |node| self.node(node)).unwrap()
    }
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn signer(name: &str, kind: SignatureType, seed: u64) -> NoteSigner {
    let name: KeyName = name.parse().unwrap();
    NoteSigner::generate(name, kind, &mut StdRng::seed_from_u64(seed))
}
