//! The right edge of a log in tiles: what is in the last tile of each level. It is
//! all that the next tiles are made from, and it does not grow with the log.

use pennyblack_shared::tlog::tile::subtree_root;
use pennyblack_shared::tlog::{
    BundleError, EntryBundle, FULL_TILE, Frontier, Hash, Tile, TileKind, TreeHead,
};

/// A tile and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TileFile {
    pub(crate) tile: Tile,
    pub(crate) bytes: Vec<u8>,
}

/// The right edge.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    frontier: Frontier,
    /// The hashes of the last tile of each level, fewer than 256.
    levels: Vec<Vec<Hash>>,
    /// The entries of the last bundle, fewer than 256.
    bundle: EntryBundle,
}

impl Edge {
    /// How many entries the log has.
    pub(crate) const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The tree.
    pub(crate) fn head(&self) -> TreeHead {
        self.frontier.head()
    }

    /// Appends an entry; the tiles that are full with it go to `full`.
    pub(crate) fn push(
        &mut self,
        entry: &[u8],
        full: &mut Vec<TileFile>,
    ) -> Result<(), BundleError> {
        self.bundle.push(entry)?;
        let leaf = Hash::of_leaf(entry);
        self.frontier.push(leaf);
        if self.bundle.count() == usize::from(FULL_TILE) {
            let bundle = std::mem::take(&mut self.bundle);
            full.extend(self.last(TileKind::Entries, bundle.as_bytes().to_vec()));
        }
        self.push_hash(leaf, full);
        Ok(())
    }

    fn push_hash(&mut self, leaf: Hash, full: &mut Vec<TileFile>) {
        let mut hash = leaf;
        for level in 0u8.. {
            if self.levels.len() == usize::from(level) {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(usize::from(level)) else {
                return;
            };
            hashes.push(hash);
            if hashes.len() < usize::from(FULL_TILE) {
                return;
            }
            let hashes = std::mem::take(hashes);
            full.extend(self.last(TileKind::Hashes { level }, concatenated(&hashes)));
            hash = subtree_root(&hashes);
        }
    }

    /// The tiles that are not full, as far as the tree of `old` had not the same.
    pub(crate) fn partial(&self, old: u64) -> Vec<TileFile> {
        let levels = (0u8..).zip(&self.levels);
        let hashes = levels.filter(|(_, hashes)| !hashes.is_empty());
        let hashes = hashes.filter_map(|(level, hashes)| {
            self.last(TileKind::Hashes { level }, concatenated(hashes))
        });
        let bundle = (self.bundle.count() > 0)
            .then(|| self.last(TileKind::Entries, self.bundle.as_bytes().to_vec()));
        let all = bundle.flatten().into_iter().chain(hashes);
        let was_there = |file: &TileFile| {
            Tile::of_tree(file.tile.kind(), file.tile.index(), old) == Some(file.tile)
        };
        all.filter(|file| !was_there(file)).collect()
    }

    /// The last tile of a kind.
    fn last(&self, kind: TileKind, bytes: Vec<u8>) -> Option<TileFile> {
        let last = kind.items(self.size()).checked_sub(1)?;
        let tile = Tile::of_tree(kind, last / u64::from(FULL_TILE), self.size())?;
        Some(TileFile { tile, bytes })
    }
}

fn concatenated(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}
