//! A transparency log, open: appended to by its service, read by anyone.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use pennyblack_storage::disk::{Disk, RealDisk};
use pennyblack_storage::group_commit::{CommitError, GroupCommit};
use pennyblack_tlog::tile::subtree_root;
use pennyblack_tlog::{
    EntryBundle, FULL_TILE, Frontier, HASH_SIZE, Hash, KeyName, MAX_ENTRY_SIZE, Node, NoteSigner,
    SignatureLine, SignedCheckpoint, Tile, TileKind, TreeHead, VerifierKey, prove_consistency,
    prove_inclusion,
};
use tokio::sync::watch;

use crate::files::{Directory, LogFiles};
use crate::log_key;
use crate::machine::{Answer, Command, Machine, Shared};
use crate::opening::{OpenLogError, Opening};

/// Appends that may wait for a commit.
const QUEUE: usize = 4_096;

/// An entry that was not appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// It was not made durable, or that is not known.
    #[error("the log: {0}")]
    Commit(#[from] CommitError),
    /// Too many entries wait for tiles: these cannot be written.
    #[error(
        "the log's tiles cannot be written, and too many entries are waiting: see the service's log"
    )]
    Full,
    /// No bundle could hold it.
    #[error("an entry of {0} bytes: at most {MAX_ENTRY_SIZE} fit into the log")]
    Size(usize),
}

/// The log.
pub struct TransparencyLog<D: Disk = RealDisk, F: LogFiles = Directory> {
    commit: GroupCommit<Machine<D, F>>,
    shared: Arc<Shared<F>>,
    verifier: VerifierKey,
}

impl TransparencyLog {
    /// Opens the log in a directory of its own, or begins one there, with this
    /// name: its URL without the scheme. `visit` sees every entry with its place,
    /// first to last. Reads and checks the whole log: not for an async context.
    ///
    /// # Errors
    /// [`OpenLogError`]: among others, when the log has not all that it signed for.
    pub fn open(
        directory: &Path,
        name: &KeyName,
        visit: impl FnMut(u64, &[u8]),
    ) -> Result<Self, OpenLogError> {
        // Locks it.
        let disk = Arc::new(RealDisk::open(&directory.join("journal"))?);
        let (public, unfinished) = (directory.join("public"), directory.join("unfinished"));
        let files = Directory::open(&public, &unfinished);
        let files = files.map_err(|error| OpenLogError::Directory {
            path: public.clone(),
            error,
        })?;
        let key = directory.join("key");
        let found = log_key::load(&key, name)?;
        let new_key = found.is_none().then_some(key.as_path());
        let signer = found.unwrap_or_else(|| log_key::generate(name));
        Self::on(disk, files, signer, new_key, visit)
    }
}

impl<D: Disk, F: LogFiles> TransparencyLog<D, F> {
    /// Opens a log on any disk and any files.
    pub(crate) fn on(
        disk: Arc<D>,
        files: F,
        signer: NoteSigner,
        new_key: Option<&Path>,
        visit: impl FnMut(u64, &[u8]),
    ) -> Result<Self, OpenLogError> {
        let opening = Opening {
            files: &files,
            signer: &signer,
            new_key,
        };
        let found = opening.run(disk, visit)?;
        let verifier = signer.verifier().clone();
        let machine = Machine::start(found, files, signer)?;
        let shared = machine.shared();
        let commit = GroupCommit::start("transparency-log", machine, QUEUE);
        Ok(Self {
            commit: commit.map_err(OpenLogError::Thread)?,
            shared,
            verifier,
        })
    }

    /// The key with which checkpoints are verified.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The last checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> Arc<SignedCheckpoint> {
        Arc::clone(&self.shared.checkpoint.borrow())
    }

    /// The last checkpoint, and word of each that follows.
    #[must_use]
    pub fn checkpoints(&self) -> watch::Receiver<Arc<SignedCheckpoint>> {
        self.shared.checkpoint.subscribe()
    }

    /// How many entries are durable; a few of the last may not be under a
    /// checkpoint yet.
    #[must_use]
    pub fn size(&self) -> u64 {
        let waiting = &self.shared.waiting;
        let waiting = waiting.read().unwrap_or_else(PoisonError::into_inner);
        waiting.end()
    }

    /// Appends an entry, and tells its place. It is durable when this returns, and
    /// under a checkpoint about a second later.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn append(&self, entry: Vec<u8>) -> Result<u64, AppendError> {
        if entry.len() > MAX_ENTRY_SIZE {
            return Err(AppendError::Size(entry.len()));
        }
        match self.commit.submit(Command::Append(entry.into())).await? {
            Answer::Appended(index) => Ok(index),
            Answer::Full => Err(AppendError::Full),
            Answer::Cosigned(_) => Err(CommitError::Stopped.into()),
        }
    }

    /// Puts cosignatures under the checkpoint of this size; false if there is a
    /// later one by now. Whether they are good is for the caller to see to.
    ///
    /// # Errors
    /// [`AppendError::Commit`].
    pub async fn publish_cosignatures(
        &self,
        size: u64,
        lines: Vec<SignatureLine>,
    ) -> Result<bool, AppendError> {
        let answer = self.commit.submit(Command::Cosign(size, lines)).await?;
        Ok(matches!(answer, Answer::Cosigned(true)))
    }

    /// Whether the log has so many entries that it may have this tile. Reads no disk, and
    /// tells a stranger's invention from a tile before anything is done for it.
    #[must_use]
    pub fn reaches(&self, tile: Tile) -> bool {
        let end = tile.start().saturating_add(u64::from(tile.width()));
        end <= tile.kind().items(self.size())
    }

    /// What is in the file of a tile; `None` if there is none. Reads the disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn tile(&self, tile: Tile) -> io::Result<Option<Vec<u8>>> {
        self.shared.files.read(&tile.to_string())
    }

    /// Durable entries from a place on, at most `max`. Reads the disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn entries(&self, first: u64, max: usize) -> io::Result<Vec<(u64, Arc<[u8]>)>> {
        let (in_tiles, waiting) = {
            let waiting = &self.shared.waiting;
            let waiting = waiting.read().unwrap_or_else(PoisonError::into_inner);
            let skip = usize::try_from(first.saturating_sub(waiting.first)).unwrap_or(usize::MAX);
            let entries = waiting.entries.iter().skip(skip).take(max).cloned();
            (waiting.first, entries.collect::<Vec<_>>())
        };
        let mut entries = Vec::new();
        let mut place = first;
        while place < in_tiles && entries.len() < max {
            let index = place / u64::from(FULL_TILE);
            let Some(tile) = Tile::of_tree(TileKind::Entries, index, in_tiles) else {
                break;
            };
            let bundle = self.bundle(tile)?;
            let there = (tile.start()..in_tiles).zip(bundle.entries());
            let wanted = there.filter(|(at, _)| *at >= place);
            entries.extend(wanted.map(|(at, entry)| (at, Arc::from(entry))));
            place = tile.start() + u64::from(tile.width());
        }
        entries.extend((place..).zip(waiting));
        entries.truncate(max);
        Ok(entries)
    }

    /// The way from an entry to the root of the tree of `size`, which must be no
    /// larger than the last checkpoint. Reads the disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn prove_inclusion(&self, index: u64, size: u64) -> io::Result<Vec<Hash>> {
        prove_inclusion(index, size, |node| self.node(node))
    }

    /// The proof that the tree of `new` entries begins with the tree of `old`; `new`
    /// must be no larger than the last checkpoint. Reads the disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn prove_consistency(&self, old: u64, new: u64) -> io::Result<Vec<Hash>> {
        prove_consistency(old, new, |node| self.node(node))
    }

    /// The tree of the first `size` entries, which must be no more than those of the
    /// last checkpoint. Reads the disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn head_at(&self, size: u64) -> io::Result<TreeHead> {
        Ok(Frontier::read(size, |node| self.node(node))?.head())
    }

    /// The hash of a complete subtree.
    fn node(&self, node: Node) -> io::Result<Hash> {
        let size = self.checkpoint().checkpoint().head.size;
        let (tile, range) = Tile::of_node(node, size).ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = self.tile_or_full(tile)?;
        bytes.truncate(usize::from(tile.width()) * HASH_SIZE);
        let hashes = tile.hashes(&bytes).map_err(io::Error::other)?;
        let leaves = hashes.get(range).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(subtree_root(leaves))
    }

    /// A bundle, or the full one if that is all there is.
    fn bundle(&self, tile: Tile) -> io::Result<EntryBundle> {
        if let Some(bytes) = self.tile(tile)? {
            return EntryBundle::parse(tile, bytes).map_err(io::Error::other);
        }
        let full = self.tile(tile.full())?.ok_or(io::ErrorKind::NotFound)?;
        EntryBundle::parse(tile.full(), full).map_err(io::Error::other)
    }

    /// A partial tile may be removed once the full one is there.
    fn tile_or_full(&self, tile: Tile) -> io::Result<Vec<u8>> {
        if let Some(bytes) = self.tile(tile)? {
            return Ok(bytes);
        }
        Ok(self.tile(tile.full())?.ok_or(io::ErrorKind::NotFound)?)
    }
}

impl<D: Disk, F: LogFiles> std::fmt::Debug for TransparencyLog<D, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransparencyLog")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
