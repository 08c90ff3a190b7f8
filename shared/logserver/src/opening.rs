//! What is found of a log at the start, checked against itself: every entry is
//! hashed, every tile compared, and the root must be the one that was signed. A
//! log that has fewer entries than it signed for, or others, does not start: if it
//! went on, it would contradict itself, publicly and permanently.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pennyblack_base::wire::WireError;
use pennyblack_storage::disk::{Disk, OpenDiskError};
use pennyblack_storage::group_commit::FrameBuilder;
use pennyblack_storage::journal::{Journal, JournalError};
use pennyblack_tlog::note_key::NoteSigner;
use pennyblack_tlog::{
    BundleError, Checkpoint, CheckpointError, EntryBundle, NoteError, SignedCheckpoint, Tile,
    TileKind, TreeHead,
};

use crate::files::LogFiles;
use crate::journal_record::JournalRecord;
use crate::log_key::{self, LogKeyError};
use pennyblack_tlog::edge::{Edge, TileFile};

/// The checkpoint's path.
pub(crate) const CHECKPOINT: &str = "checkpoint";
const JOURNAL_PREFIX: &str = "log";

/// A log that does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenLogError {
    /// The directory.
    #[error("the log: {0}")]
    Disk(#[from] OpenDiskError),
    /// The journal.
    #[error("the log: {0}")]
    Journal(#[from] JournalError),
    /// The file system refused.
    #[error("the log: {0}")]
    Io(#[from] io::Error),
    /// A directory of the log cannot be made.
    #[error("the log: {}: {error}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the file system says.
        error: io::Error,
    },
    /// The key.
    #[error("the log's key: {0}")]
    Key(#[from] LogKeyError),
    /// There is a log and no key.
    #[error(
        "the log has no key any more: restore its file `key` from a backup. With a new key it \
         would be another log"
    )]
    KeyMissing,
    /// There are entries and no checkpoint.
    #[error(
        "the log has no checkpoint, and it is not a new one: restore `public` from a mirror. To \
         begin again would contradict what was signed before"
    )]
    CheckpointMissing,
    /// The checkpoint is not this log's.
    #[error("the log: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint's file is not text.
    #[error("the log's checkpoint is not text: restore it from a mirror")]
    CheckpointText,
    /// The checkpoint cannot be signed.
    #[error("the log: {0}")]
    Sign(#[from] NoteError),
    /// A file that was signed for is gone.
    #[error(
        "the log has signed for {size} entries, and {tile} is missing: the disk was restored to \
         an earlier day, or files were removed. Restore `public` from a mirror; what was signed \
         cannot be taken back"
    )]
    Missing {
        /// Which file.
        tile: Tile,
        /// For how many entries the checkpoint is.
        size: u64,
    },
    /// A bundle that is none.
    #[error("the log: {0}: restore the file from a mirror")]
    Bundle(#[from] BundleError),
    /// A tile that is not made of the entries.
    #[error(
        "the log's {0} does not hold the hashes of the entries: it was changed. Restore `public` \
         from a mirror"
    )]
    Different(Tile),
    /// The entries are not those that were signed for.
    #[error(
        "the log's {} entries have the root {}, and {} was signed: entries were changed. Restore \
         `public` from a mirror; what was signed cannot be taken back", found.size, found.root,
        signed.root
    )]
    Root {
        /// What was signed.
        signed: TreeHead,
        /// What is there.
        found: TreeHead,
    },
    /// The checkpoint is older than the journal knows of.
    #[error(
        "the log's checkpoint is for {signed} entries, and {known} were signed for before: \
         `public` was restored to an earlier day. Restore it from a mirror"
    )]
    Fewer {
        /// For how many the checkpoint is.
        signed: u64,
        /// For how many there was one.
        known: u64,
    },
    /// An entry is neither in tiles nor in the journal.
    #[error(
        "entry {0} of the log is missing, though later ones are in its journal: `public` was \
         restored to an earlier day. Restore it from a mirror"
    )]
    Gap(u64),
    /// The journal has another entry than the tiles.
    #[error(
        "entry {0} of the log is another one in its journal than in its tiles: files of two \
         logs or two days were mixed. Restore all of them from one day"
    )]
    Rewritten(u64),
    /// A record of another form.
    #[error("the log's journal: {0}")]
    Record(#[from] WireError),
    /// A record of a kind that is not known.
    #[error("the log's journal has a record of an unknown kind: it was written by a later version")]
    RecordKind,
    /// No thread to write with.
    #[error("starting the log's thread: {0}")]
    Thread(io::Error),
}

/// What was found, and is sound.
pub(crate) struct Found<D: Disk> {
    pub(crate) journal: Journal<D>,
    pub(crate) edge: Edge,
    pub(crate) checkpoint: SignedCheckpoint,
    /// Entries in the journal that are not in tiles.
    pub(crate) tail: VecDeque<Arc<[u8]>>,
}

/// What the journal holds.
#[derive(Default)]
struct Journalled {
    entries: BTreeMap<u64, Vec<u8>>,
    in_tiles: Option<u64>,
    unread: Option<OpenLogError>,
}

impl Journalled {
    fn take(&mut self, record: &[u8]) {
        match JournalRecord::parse(record) {
            Ok(Some(JournalRecord::Entry { index, entry })) => {
                self.entries.insert(index, entry.to_vec());
            }
            Ok(Some(JournalRecord::InTiles(size))) => {
                self.in_tiles = self.in_tiles.max(Some(size));
            }
            Ok(None) => self.unread = Some(OpenLogError::RecordKind),
            Err(error) => self.unread = Some(error.into()),
        }
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.in_tiles.is_none()
    }
}

/// Where the parts of a log are.
pub(crate) struct Opening<'a, F> {
    pub(crate) files: &'a F,
    pub(crate) signer: &'a NoteSigner,
    /// Where the key is to be kept, if it is a new one.
    pub(crate) new_key: Option<&'a Path>,
}

impl<F: LogFiles> Opening<'_, F> {
    /// Opens the log, or begins it; `visit` sees every entry, first to last.
    pub(crate) fn run<D: Disk>(
        &self,
        disk: Arc<D>,
        mut visit: impl FnMut(u64, &[u8]),
    ) -> Result<Found<D>, OpenLogError> {
        let mut journalled = Journalled::default();
        let mut journal = Journal::open(disk, JOURNAL_PREFIX, |_, record| journalled.take(record))?;
        if let Some(error) = journalled.unread.take() {
            return Err(error);
        }
        let checkpoint = match self.checkpoint()? {
            Some(checkpoint) => checkpoint,
            None => self.begin(&journalled)?,
        };
        let head = checkpoint.verify(self.signer.verifier())?;
        let known = journalled.in_tiles.unwrap_or_default();
        if known > head.size {
            return Err(OpenLogError::Fewer {
                signed: head.size,
                known,
            });
        }
        let edge = self.walk(head, &mut journalled, &mut visit)?;
        let tail = contiguous(head.size, journalled.entries)?;
        for (index, entry) in (head.size..).zip(&tail) {
            visit(index, entry);
        }
        let mut frame = FrameBuilder::default();
        JournalRecord::InTiles(head.size).push_to(&mut frame);
        journal.append(&mut frame)?;
        Ok(Found {
            journal,
            edge,
            checkpoint,
            tail,
        })
    }

    fn checkpoint(&self) -> Result<Option<SignedCheckpoint>, OpenLogError> {
        let Some(bytes) = self.files.read(CHECKPOINT)? else {
            return Ok(None);
        };
        if self.new_key.is_some() {
            return Err(OpenLogError::KeyMissing);
        }
        let text = String::from_utf8(bytes).map_err(|_| OpenLogError::CheckpointText)?;
        Ok(Some(text.parse()?))
    }

    /// The first checkpoint, of no entries.
    fn begin(&self, journalled: &Journalled) -> Result<SignedCheckpoint, OpenLogError> {
        let first = Tile::of_tree(TileKind::Entries, 0, u64::MAX).map(|tile| tile.to_string());
        let has_tiles = first.map(|path| self.files.read(&path)).transpose()?;
        if !journalled.is_empty() || has_tiles.flatten().is_some() {
            return Err(OpenLogError::CheckpointMissing);
        }
        if let Some(path) = self.new_key {
            log_key::persist(path, self.signer)?;
        }
        let name = self.signer.verifier().name();
        let checkpoint = Checkpoint::new(name, TreeHead::empty()).sign(self.signer)?;
        let text = checkpoint.to_string().into_bytes();
        self.files.write(&[(CHECKPOINT.to_owned(), text)])?;
        Ok(checkpoint)
    }

    /// Reads all entries that were signed for, and compares all tiles.
    fn walk(
        &self,
        head: TreeHead,
        journalled: &mut Journalled,
        visit: &mut impl FnMut(u64, &[u8]),
    ) -> Result<Edge, OpenLogError> {
        let mut edge = Edge::default();
        let mut made = Vec::new();
        for tile in Tile::between(0, head.size).take_while(|tile| tile.kind() == TileKind::Entries)
        {
            let missing = OpenLogError::Missing {
                tile,
                size: head.size,
            };
            let bytes = self.files.read(&tile.to_string())?.ok_or(missing)?;
            let bundle = EntryBundle::parse(tile, bytes)?;
            for (index, entry) in (tile.start()..).zip(bundle.entries()) {
                let again = journalled.entries.remove(&index);
                if again.is_some_and(|again| again != entry) {
                    return Err(OpenLogError::Rewritten(index));
                }
                edge.push(entry, &mut made)?;
                visit(index, entry);
            }
            self.compare(made.drain(..), head.size)?;
        }
        self.compare(edge.partial(0).into_iter(), head.size)?;
        let found = edge.head();
        if found != head {
            return Err(OpenLogError::Root {
                signed: head,
                found,
            });
        }
        Ok(edge)
    }

    fn compare(&self, made: impl Iterator<Item = TileFile>, size: u64) -> Result<(), OpenLogError> {
        for TileFile { tile, bytes } in made {
            match self.files.read(&tile.to_string())? {
                Some(found) if found == bytes => {}
                Some(_) => return Err(OpenLogError::Different(tile)),
                None => return Err(OpenLogError::Missing { tile, size }),
            }
        }
        Ok(())
    }
}

/// The entries from `first` on, if none is missing.
fn contiguous(
    first: u64,
    entries: BTreeMap<u64, Vec<u8>>,
) -> Result<VecDeque<Arc<[u8]>>, OpenLogError> {
    let mut tail = VecDeque::new();
    for (expected, (index, entry)) in (first..).zip(entries) {
        if index != expected {
            return Err(OpenLogError::Gap(expected));
        }
        tail.push_back(entry.into());
    }
    Ok(tail)
}
