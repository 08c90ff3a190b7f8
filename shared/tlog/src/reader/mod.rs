//! Reading a log that somebody else keeps, and believing nothing of it: checkpoints
//! are verified, every tile is compared with what the entries give, and what was
//! read once must be the beginning of all that is read later. Not here: what the
//! entries say, reading on (`advance`), and HTTP, which a reader brings as a [`LogSource`].

mod advance;
mod entry_position;
mod error;
mod position;
mod source;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use crate::edge::TileFile;
use crate::note::MAX_NOTE_SIZE;
use crate::proof::{verify_consistency, verify_inclusion};
use crate::tile::subtree_root;
use crate::{
    EntryBundle, FULL_TILE, Frontier, HASH_SIZE, Hash, LogProof, MAX_ENTRY_SIZE, Node,
    SignedCheckpoint, Tile, TileKind, TreeHead, VerifierKey, WitnessPolicy, prove_consistency,
    prove_inclusion,
};

pub use self::advance::Reached;
pub use self::entry_position::EntryPosition;
pub use self::error::ReadLogError;
pub use self::position::{Position, PositionError};
pub use self::source::{LogSource, Mirror, SourceError};

/// The checkpoint's path below a log's prefix.
const CHECKPOINT: &str = "checkpoint";
/// Most bytes of a bundle: 256 entries of the largest size.
const MAX_BUNDLE_SIZE: usize = FULL_TILE as usize * (MAX_ENTRY_SIZE + 2);
/// Bytes of a full tile of hashes.
const MAX_TILE_SIZE: usize = FULL_TILE as usize * HASH_SIZE;

/// Reads one log.
#[derive(Debug)]
pub struct LogReader<S> {
    source: S,
    key: VerifierKey,
    policy: WitnessPolicy,
    max_bundle_size: usize,
}

impl<S: LogSource> LogReader<S> {
    /// A reader of the log with this key. `policy` says which witnesses must have
    /// cosigned its checkpoints; the default asks for none.
    pub const fn new(source: S, key: VerifierKey, policy: WitnessPolicy) -> Self {
        Self {
            source,
            key,
            policy,
            max_bundle_size: MAX_BUNDLE_SIZE,
        }
    }

    /// Refuses files of entries of more bytes, for a log whose entries are known to be
    /// small.
    #[must_use]
    pub const fn with_max_bundle_size(mut self, bytes: usize) -> Self {
        self.max_bundle_size = bytes;
        self
    }

    /// Which witnesses must have cosigned.
    #[must_use]
    pub const fn policy(&self) -> &WitnessPolicy {
        &self.policy
    }

    /// The log's key.
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The log's last checkpoint, signed by the log and cosigned by enough witnesses.
    ///
    /// # Errors
    /// [`ReadLogError`].
    pub async fn checkpoint(&self) -> Result<SignedCheckpoint, ReadLogError> {
        let bytes = self.source.read(CHECKPOINT, MAX_NOTE_SIZE).await?;
        let bytes = bytes.ok_or(ReadLogError::NoCheckpoint)?;
        let text = String::from_utf8(bytes).map_err(|_| ReadLogError::CheckpointText)?;
        let checkpoint = text.parse()?;
        self.require_signed(&checkpoint)?;
        Ok(checkpoint)
    }

    fn require_signed(&self, checkpoint: &SignedCheckpoint) -> Result<TreeHead, ReadLogError> {
        let head = checkpoint.verify(&self.key)?;
        self.policy.check(checkpoint)?;
        Ok(head)
    }

    /// One entry with the proof that it is in the log: what a tlog-proof file holds.
    /// The proof is verified.
    ///
    /// # Errors
    /// [`ReadLogError`].
    pub async fn prove(
        &self,
        index: u64,
        checkpoint: &SignedCheckpoint,
    ) -> Result<LogProof, ReadLogError> {
        let head = self.require_signed(checkpoint)?;
        let past = ReadLogError::PastTheEnd {
            index,
            size: head.size,
        };
        if index >= head.size {
            return Err(past);
        }
        let full = u64::from(FULL_TILE);
        let bundle = self.bundle(index / full, head.size).await?;
        let place = usize::try_from(index % full).unwrap_or(usize::MAX);
        let entry = bundle.entries().nth(place).ok_or(past)?.to_vec();
        let nodes = wanted(|node| prove_inclusion(index, head.size, node));
        let nodes = self.nodes(nodes, head.size).await?;
        let path = prove_inclusion(index, head.size, |node| known(&nodes, node))?;
        verify_inclusion(Hash::of_leaf(&entry), index, &head, &path)
            .map_err(|_| ReadLogError::Rewritten { index })?;
        Ok(LogProof {
            extra: Some(entry),
            index,
            path,
            checkpoint: checkpoint.clone(),
        })
    }

    /// Requires that the log's tree `new`, which is signed, begins with `old`, which
    /// was signed by the same log.
    ///
    /// # Errors
    /// [`ReadLogError::Rollback`], [`ReadLogError::Fork`], which is proven, or that
    /// the tiles do not belong to the tree.
    pub async fn require_consistent(
        &self,
        old: &TreeHead,
        new: &TreeHead,
    ) -> Result<(), ReadLogError> {
        require_no_rollback(old, new)?;
        if old.size == 0 || old.size == new.size {
            return Ok(());
        }
        let (was, is) = (old.size, new.size);
        let mut nodes = wanted(|node| prove_consistency(was, is, node));
        nodes.extend(wanted(|node| Frontier::read(was, node)));
        let nodes = self.nodes(nodes, is).await?;
        let begins_with = Frontier::read(was, |node| known(&nodes, node))?.head();
        let proof = prove_consistency(was, is, |node| known(&nodes, node))?;
        // First whether the tiles are those of the signed tree at all: only then
        // can they accuse the operator of having signed two histories.
        verify_consistency(&begins_with, new, &proof)
            .map_err(|_| ReadLogError::Root { size: is })?;
        if begins_with.root != old.root {
            return Err(ReadLogError::fork(old, is, begins_with.root));
        }
        Ok(())
    }

    /// Hashes of complete subtrees, as the tiles of a tree of `size` have them.
    async fn nodes(
        &self,
        wanted: BTreeSet<Node>,
        size: u64,
    ) -> Result<BTreeMap<Node, Hash>, ReadLogError> {
        let (mut tiles, mut nodes) = (BTreeMap::new(), BTreeMap::new());
        for node in wanted {
            let (tile, range) = Tile::of_node(node, size).ok_or(ReadLogError::Root { size })?;
            let hashes = match tiles.entry(tile) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(self.hashes(tile, size).await?),
            };
            let hashes = hashes.get(range);
            let hashes = hashes.ok_or(ReadLogError::Missing { tile, size })?;
            nodes.insert(node, subtree_root(hashes));
        }
        Ok(nodes)
    }

    /// Requires that the log's tiles of hashes are these.
    async fn compare(&self, computed: Vec<TileFile>, size: u64) -> Result<(), ReadLogError> {
        for TileFile { tile, bytes } in computed {
            // Bundles, and the lowest tiles, were compared entry by entry.
            let is_above = matches!(tile.kind(), TileKind::Hashes { level } if level > 0);
            if is_above && self.hashes(tile, size).await? != tile.hashes(&bytes)? {
                return Err(ReadLogError::Tile { tile });
            }
        }
        Ok(())
    }

    async fn leaves(&self, index: u64, size: u64) -> Result<Vec<Hash>, ReadLogError> {
        let tile = Tile::of_tree(TileKind::Hashes { level: 0 }, index, size);
        self.hashes(tile.ok_or(ReadLogError::Root { size })?, size)
            .await
    }

    async fn hashes(&self, tile: Tile, size: u64) -> Result<Vec<Hash>, ReadLogError> {
        let (found, bytes) = self.file(tile, size, MAX_TILE_SIZE).await?;
        let mut hashes = found.hashes(&bytes)?;
        hashes.truncate(usize::from(tile.width()));
        Ok(hashes)
    }

    async fn bundle(&self, index: u64, size: u64) -> Result<EntryBundle, ReadLogError> {
        let tile = Tile::of_tree(TileKind::Entries, index, size);
        let tile = tile.ok_or(ReadLogError::Root { size })?;
        let (found, bytes) = self.file(tile, size, self.max_bundle_size).await?;
        Ok(EntryBundle::parse(found, bytes)?)
    }

    /// A tile's file. A partial one may be gone once there is the full one, which
    /// begins with the same.
    async fn file(
        &self,
        tile: Tile,
        size: u64,
        max: usize,
    ) -> Result<(Tile, Vec<u8>), ReadLogError> {
        for form in [tile, tile.full()] {
            if let Some(bytes) = self.source.read(&form.to_string(), max).await? {
                return Ok((form, bytes));
            }
        }
        Err(ReadLogError::Missing { tile, size })
    }
}

/// Requires what two signed trees say by themselves: that the log did not shrink, and
/// has one root for one size.
fn require_no_rollback(old: &TreeHead, new: &TreeHead) -> Result<(), ReadLogError> {
    if new.size < old.size {
        return Err(ReadLogError::Rollback {
            known: old.size,
            now: new.size,
        });
    }
    if new.size == old.size && new.root != old.root {
        return Err(ReadLogError::fork(old, new.size, new.root));
    }
    Ok(())
}

/// Which nodes a proof is made of.
fn wanted<T>(
    prove: impl FnOnce(&mut dyn FnMut(Node) -> Result<Hash, Infallible>) -> Result<T, Infallible>,
) -> BTreeSet<Node> {
    let mut wanted = BTreeSet::new();
    let Ok(_) = prove(&mut |node| {
        wanted.insert(node);
        Ok(Hash::of_empty_tree())
    });
    wanted
}

fn known(nodes: &BTreeMap<Node, Hash>, node: Node) -> Result<Hash, ReadLogError> {
    let hash = nodes.get(&node).copied();
    hash.ok_or(ReadLogError::NotRead { node })
}
