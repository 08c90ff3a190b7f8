//! Entry bundles: the entries of a log, up to 256 in one file (C2SP tlog-tiles).
//! Not here: what an entry says.

use super::hash::Hash;
use super::tile::{FULL_TILE, Tile};
use pennyblack_base::wire::{Reader, WireError};

/// Most bytes of an entry: a bundle has two for its length.
pub const MAX_ENTRY_SIZE: usize = u16::MAX as usize;

/// Bytes that are not an entry bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// An entry is cut off.
    #[error("entry bundle: {0}")]
    Wire(#[from] WireError),
    /// More or fewer entries than the bundle's name says.
    #[error("the entry bundle {tile} has {actual} entries, not {}", tile.width())]
    Count {
        /// Which bundle.
        tile: Tile,
        /// How many entries are in it; counted to 257 at most.
        actual: usize,
    },
    /// An entry that is too long to be in one.
    #[error("an entry of {0} bytes: at most {MAX_ENTRY_SIZE} fit")]
    EntrySize(usize),
}

/// Entries in the form in which they are served:
///
/// ```text
/// struct {
///   opaque entry<0..2^16-1>;
/// } Entries[width];
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryBundle {
    bytes: Vec<u8>,
    count: usize,
}

impl EntryBundle {
    /// Adds an entry.
    ///
    /// # Errors
    /// [`BundleError::EntrySize`].
    pub fn push(&mut self, entry: &[u8]) -> Result<(), BundleError> {
        let size = u16::try_from(entry.len()).map_err(|_| BundleError::EntrySize(entry.len()))?;
        self.bytes.extend(size.to_be_bytes());
        self.bytes.extend_from_slice(entry);
        self.count += 1;
        Ok(())
    }

    /// How many entries are in it.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// As it is served.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads a bundle: exactly as many entries as `tile` says, nothing after them.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn parse(tile: Tile, bytes: Vec<u8>) -> Result<Self, BundleError> {
        let mut reader = Reader::new(&bytes);
        let mut count = 0;
        while !reader.is_empty() && count <= usize::from(FULL_TILE) {
            reader.vec_u16()?;
            count += 1;
        }
        if count != usize::from(tile.width()) {
            return Err(BundleError::Count {
                tile,
                actual: count,
            });
        }
        Ok(Self { bytes, count })
    }

    /// The entries, first to last.
    pub fn entries(&self) -> impl Iterator<Item = &[u8]> {
        let mut reader = Reader::new(&self.bytes);
        std::iter::from_fn(move || reader.vec_u16().ok())
    }

    /// Their hashes.
    pub fn leaves(&self) -> impl Iterator<Item = Hash> {
        self.entries().map(Hash::of_leaf)
    }
}
