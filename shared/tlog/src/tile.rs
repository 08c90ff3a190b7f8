//! Tiles: a log's hashes and entries, cut into files that never change (C2SP
//! tlog-tiles). Their names, which of them a tree has, and which of them holds a
//! hash. Not here: reading and writing them.

use std::fmt;
use std::str::FromStr;

use super::hash::{HASH_SIZE, Hash};
use super::tree::Node;

/// Hashes of a full tile, and entries of a full bundle.
pub const FULL_TILE: u16 = 256;

/// Levels of the tree that a tile spans.
const HEIGHT: u8 = 8;
/// Highest level of a tile that its name can say.
const HIGHEST_LEVEL: u8 = 63;
/// Longest name: 7 elements of an index, and the words around them.
const LONGEST_NAME: usize = 64;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes: those of level 0 are of entries, and each one above is of a full
    /// tile of the level below.
    Hashes {
        /// The level of tiles, eight levels of the tree each.
        level: u8,
    },
    /// The entries themselves.
    Entries,
}

impl TileKind {
    /// How far a size is shifted to count this kind's items.
    const fn shift(self) -> u32 {
        match self {
            Self::Hashes { level } => HEIGHT as u32 * level as u32,
            Self::Entries => 0,
        }
    }

    /// How many hashes or entries of this kind a tree of `size` has.
    #[must_use]
    pub const fn items(self, size: u64) -> u64 {
        match size.checked_shr(self.shift()) {
            Some(items) => items,
            None => 0,
        }
    }

    /// The kinds that a tree of `size` has tiles of: entries, then hashes upwards.
    pub fn of_tree(size: u64) -> impl Iterator<Item = Self> {
        let hashes = (0..=HIGHEST_LEVEL).map(|level| Self::Hashes { level });
        let hashes = hashes.take_while(move |kind| kind.items(size) > 0);
        let entries = (size > 0).then_some(Self::Entries);
        entries.into_iter().chain(hashes)
    }
}

/// One tile. As text it is its path below the log's prefix, for example
/// `tile/0/x001/x234/067` or `tile/entries/000.p/5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// Text that is not the path of a tile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the path of a tile: write tile/<level or \"entries\">/<index>[.p/<width>]")]
pub struct TilePathError(String);

/// Bytes that are not a tile's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{tile} has {actual} bytes, not {expected}")]
pub struct TileSizeError {
    /// Which tile.
    pub tile: Tile,
    /// Bytes it must have.
    pub expected: usize,
    /// Bytes it has.
    pub actual: usize,
}

impl Tile {
    /// The tile of this kind and index as a tree of `size` has it: full, or as
    /// wide as the tree reaches. `None` if it does not reach there.
    #[must_use]
    pub fn of_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let start = index.checked_mul(u64::from(FULL_TILE))?;
        let items = kind.items(size).checked_sub(start)?;
        let width = u16::try_from(items).map_or(FULL_TILE, |width| width.min(FULL_TILE));
        (width > 0).then_some(Self { kind, index, width })
    }

    /// The tiles that a tree of `new` entries has and the tree of `old` had not:
    /// for each kind, left to right.
    pub fn between(old: u64, new: u64) -> impl Iterator<Item = Self> {
        TileKind::of_tree(new).flat_map(move |kind| {
            let full = u64::from(FULL_TILE);
            let first = kind.items(old) / full;
            let end = kind.items(new).div_ceil(full);
            let tiles = (first..end).filter_map(move |index| Self::of_tree(kind, index, new));
            tiles.filter(move |tile| Self::of_tree(kind, tile.index, old) != Some(*tile))
        })
    }

    /// The tile of a tree of `size` in which a complete subtree's hash lies, or
    /// from whose hashes it is made, and which of them those are.
    #[must_use]
    pub fn of_node(node: Node, size: u64) -> Option<(Self, std::ops::Range<usize>)> {
        let inner = node.level % HEIGHT;
        let kind = TileKind::Hashes {
            level: node.level / HEIGHT,
        };
        let full = u64::from(FULL_TILE);
        let start = node.index.checked_mul(1 << inner)?;
        let tile = Self::of_tree(kind, start / full, size)?;
        let first = usize::try_from(start % full).ok()?;
        let end = first + (1 << inner);
        (end <= usize::from(tile.width)).then_some((tile, first..end))
    }

    /// What it holds.
    #[must_use]
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its place among the tiles of its kind, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds, 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// The number of its first hash or entry among those of its kind.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.index.saturating_mul(FULL_TILE as u64)
    }

    /// True when it will never be wider.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == FULL_TILE
    }

    /// The same tile when it is full.
    #[must_use]
    pub const fn full(self) -> Self {
        Self {
            width: FULL_TILE,
            ..self
        }
    }

    /// Reads the hashes of a tile of hashes.
    ///
    /// # Errors
    /// [`TileSizeError`] when `bytes` are not exactly its.
    pub fn hashes(&self, bytes: &[u8]) -> Result<Vec<Hash>, TileSizeError> {
        let (hashes, rest) = bytes.as_chunks::<HASH_SIZE>();
        if !rest.is_empty() || hashes.len() != usize::from(self.width) {
            return Err(TileSizeError {
                tile: *self,
                expected: usize::from(self.width) * HASH_SIZE,
                actual: bytes.len(),
            });
        }
        Ok(hashes.iter().copied().map(Hash).collect())
    }

    /// The path without the width.
    fn full_path(&self) -> String {
        let kind = match self.kind {
            TileKind::Hashes { level } => level.to_string(),
            TileKind::Entries => "entries".to_owned(),
        };
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        format!("tile/{kind}/{}", groups.join("/"))
    }

    /// The directory in which its partial forms lie.
    #[must_use]
    pub fn partial_directory(&self) -> String {
        format!("{}.p", self.full_path())
    }
}

/// The root of a complete subtree with these leaves, for 1, 2, 4, … of them.
#[must_use]
pub fn subtree_root(leaves: &[Hash]) -> Hash {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        let (pairs, _) = level.as_chunks::<2>();
        level = pairs
            .iter()
            .map(|[left, right]| Hash::of_node(*left, *right))
            .collect();
    }
    level.first().copied().unwrap_or_else(Hash::of_empty_tree)
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full_path())?;
        if self.is_full() {
            return Ok(());
        }
        write!(f, ".p/{}", self.width)
    }
}

impl FromStr for Tile {
    type Err = TilePathError;

    fn from_str(path: &str) -> Result<Self, TilePathError> {
        // There is one spelling: the one that is written.
        parse(path)
            .filter(|tile| tile.to_string() == path)
            .ok_or_else(|| TilePathError(path.chars().take(LONGEST_NAME).collect()))
    }
}

fn parse(path: &str) -> Option<Tile> {
    if path.len() > LONGEST_NAME {
        return None;
    }
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes {
            level: level.parse().ok().filter(|level| *level <= HIGHEST_LEVEL)?,
        },
    };
    let (groups, width) = match rest.split_once(".p/") {
        Some((groups, width)) => (groups, width.parse().ok()?),
        None => (rest, FULL_TILE),
    };
    let mut index = 0u64;
    for group in groups.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let value: u16 = digits.parse().ok().filter(|value| *value < 1000)?;
        index = index.checked_mul(1000)?.checked_add(u64::from(value))?;
    }
    let is_width = (1..=FULL_TILE).contains(&width);
    is_width.then_some(Tile { kind, index, width })
}
