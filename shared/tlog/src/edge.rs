//! The right edge of a log in tiles: what is in the last tile of each level. It is
//! all that the next tiles are made from, and it does not grow with the log.

use crate::tile::{TileSizeError, subtree_root};
use crate::{BundleError, EntryBundle, FULL_TILE, Frontier, Hash, Node, Tile, TileKind, TreeHead};

/// Levels of the tree that a tile spans.
const TILE_HEIGHT: u8 = 8;

/// A tile and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileFile {
    /// Which tile.
    pub tile: Tile,
    /// Its content, as it is served.
    pub bytes: Vec<u8>,
}

/// Files that are not those of an edge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EdgeError {
    /// A tile of another size.
    #[error("{0}")]
    Tile(#[from] TileSizeError),
    /// Not a bundle.
    #[error("{0}")]
    Bundle(#[from] BundleError),
}

/// The right edge.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    frontier: Frontier,
    /// The hashes of the last tile of each level, fewer than 256.
    levels: Vec<Vec<Hash>>,
    /// The entries of the last bundle, fewer than 256.
    bundle: EntryBundle,
}

impl Edge {
    /// The edge of a tree of `size` from what is in its last tiles; `None` if they
    /// are not those of such a tree. Whether they lead to a root that was signed is
    /// for the caller to compare.
    ///
    /// # Errors
    /// [`EdgeError`] for tiles that are not tiles.
    pub fn restore(
        size: u64,
        tiles: &[Vec<u8>],
        bundle: Vec<u8>,
    ) -> Result<Option<Self>, EdgeError> {
        let mut levels = Vec::new();
        for (level, bytes) in (0u8..).zip(tiles) {
            let kind = TileKind::Hashes { level };
            levels.push(match last_partial(kind, size) {
                Some(tile) => tile.hashes(bytes)?,
                None if bytes.is_empty() => Vec::new(),
                None => return Ok(None),
            });
        }
        let bundle = match last_partial(TileKind::Entries, size) {
            Some(tile) => EntryBundle::parse(tile, bundle)?,
            None if bundle.is_empty() => EntryBundle::default(),
            None => return Ok(None),
        };
        let leaves = levels.first().into_iter().flatten().copied();
        if !bundle.leaves().eq(leaves) {
            return Ok(None);
        }
        let frontier = Frontier::read(size, |node| node_of(&levels, node).ok_or(()));
        Ok(frontier.ok().map(|frontier| Self {
            frontier,
            levels,
            bundle,
        }))
    }

    /// What is in the last tile of each level, lowest first.
    pub fn levels(&self) -> impl Iterator<Item = Vec<u8>> {
        self.levels.iter().map(|hashes| concatenated(hashes))
    }

    /// The entries of the last bundle.
    #[must_use]
    pub const fn bundle(&self) -> &EntryBundle {
        &self.bundle
    }

    /// How many entries the log has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The tree.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.frontier.head()
    }

    /// Appends an entry; the tiles that are full with it go to `full`.
    ///
    /// # Errors
    /// [`BundleError`] for an entry that is too long.
    pub fn push(&mut self, entry: &[u8], full: &mut Vec<TileFile>) -> Result<(), BundleError> {
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
    #[must_use]
    pub fn partial(&self, old: u64) -> Vec<TileFile> {
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

/// The last tile of a kind, if it is not full.
fn last_partial(kind: TileKind, size: u64) -> Option<Tile> {
    let tile = Tile::of_tree(kind, kind.items(size) / u64::from(FULL_TILE), size)?;
    (!tile.is_full()).then_some(tile)
}

/// A complete subtree at the right edge: its hashes are in the last tile of a level.
fn node_of(levels: &[Vec<Hash>], node: Node) -> Option<Hash> {
    let (level, height) = (node.level / TILE_HEIGHT, node.level % TILE_HEIGHT);
    let first = (node.index << height) % u64::from(FULL_TILE);
    let first = usize::try_from(first).ok()?;
    let hashes = levels.get(usize::from(level))?;
    Some(subtree_root(hashes.get(first..first + (1 << height))?))
}

fn concatenated(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}
