//! The thread that writes a log: entries into the journal, and from there, in
//! batches, into tiles and under a checkpoint.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use pennyblack_storage::disk::Disk;
use pennyblack_storage::group_commit::{FrameBuilder, StateMachine};
use pennyblack_storage::journal::Journal;
use pennyblack_tlog::note_key::NoteSigner;
use pennyblack_tlog::{Checkpoint, SignatureLine, SignedCheckpoint, Tile};
use tokio::sync::watch;

use crate::files::LogFiles;
use crate::journal_record::JournalRecord;
use crate::opening::{CHECKPOINT, Found};
use pennyblack_tlog::edge::Edge;

/// While entries come, a checkpoint is signed this often; one that comes alone is
/// under a checkpoint at once.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// Entries that go into tiles in one step, and no more of which wait for long.
const BATCH: usize = 4_096;
/// Entries that may wait for tiles when these cannot be written; then no more are
/// taken.
const MOST_WAITING: usize = 65_536;
/// Bytes of entries in the journal after which it begins anew.
const JOURNAL_SIZE: usize = 4 * 1024 * 1024;

/// What the thread is asked.
pub(crate) enum Command {
    /// Append an entry.
    Append(Arc<[u8]>),
    /// Put cosignatures under the checkpoint of this size, if it still is the last.
    Cosign(u64, Vec<SignatureLine>),
}

/// What it answers.
pub(crate) enum Answer {
    /// The entry has this place in the log, and is durable.
    Appended(u64),
    /// Too many wait for tiles.
    Full,
    /// Whether the cosignatures are published.
    Cosigned(bool),
}

/// What the thread shares with readers.
pub(crate) struct Shared<F> {
    pub(crate) files: F,
    /// What was signed last. Kept by the sender, so that one can wait for the next.
    pub(crate) checkpoint: watch::Sender<Arc<SignedCheckpoint>>,
    pub(crate) waiting: RwLock<Waiting>,
}

/// Entries that are durable and not in tiles yet.
#[derive(Default)]
pub(crate) struct Waiting {
    /// The place of the first of them; so many are in tiles.
    pub(crate) first: u64,
    pub(crate) entries: VecDeque<Arc<[u8]>>,
}

impl Waiting {
    pub(crate) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }
}

impl<F: LogFiles> Shared<F> {
    fn write_checkpoint(&self, checkpoint: SignedCheckpoint) -> io::Result<()> {
        let text = checkpoint.to_string().into_bytes();
        self.files.write(&[(CHECKPOINT.to_owned(), text)])?;
        self.checkpoint.send_replace(Arc::new(checkpoint));
        Ok(())
    }
}

/// The thread's state.
pub(crate) struct Machine<D: Disk, F> {
    journal: Journal<D>,
    shared: Arc<Shared<F>>,
    signer: NoteSigner,
    edge: Edge,
    /// Entries of the commit that is being gathered.
    judged: Vec<Arc<[u8]>>,
    /// The place of the next entry.
    next: u64,
    /// No checkpoint is signed before.
    due: Instant,
    journal_bytes: usize,
}

impl<D: Disk, F: LogFiles> Machine<D, F> {
    /// Takes over what was found, and puts what waits into tiles.
    pub(crate) fn start(found: Found<D>, files: F, signer: NoteSigner) -> io::Result<Self> {
        let (checkpoint, _) = watch::channel(Arc::new(found.checkpoint));
        let waiting = Waiting {
            first: found.edge.size(),
            entries: found.tail,
        };
        let next = waiting.end();
        let shared = Shared {
            files,
            checkpoint,
            waiting: RwLock::new(waiting),
        };
        let mut machine = Self {
            journal: found.journal,
            shared: Arc::new(shared),
            signer,
            edge: found.edge,
            judged: Vec::new(),
            next,
            due: Instant::now(),
            // What was found is in segments that are not written to any more.
            journal_bytes: 0,
        };
        machine.integrate()?;
        machine.forget_superseded()?;
        machine.tidy()?;
        Ok(machine)
    }

    pub(crate) fn shared(&self) -> Arc<Shared<F>> {
        Arc::clone(&self.shared)
    }

    /// Puts all that waits into tiles and under a checkpoint.
    fn integrate(&mut self) -> io::Result<()> {
        loop {
            let batch = self.batch();
            if batch.is_empty() {
                return Ok(());
            }
            self.integrate_batch(&batch)?;
        }
    }

    fn batch(&self) -> Vec<Arc<[u8]>> {
        let waiting = &self.shared.waiting;
        let waiting = waiting.read().unwrap_or_else(PoisonError::into_inner);
        waiting.entries.iter().take(BATCH).cloned().collect()
    }

    fn integrate_batch(&mut self, batch: &[Arc<[u8]>]) -> io::Result<()> {
        let mut edge = self.edge.clone();
        let old = edge.size();
        let mut full = Vec::new();
        for entry in batch {
            edge.push(entry, &mut full).map_err(io::Error::other)?;
        }
        let partial = edge.partial(old);
        let superseded: Vec<_> = full
            .iter()
            .map(|file| file.tile.partial_directory())
            .collect();
        let files = full.into_iter().chain(partial);
        let files: Vec<_> = files
            .map(|file| (file.tile.to_string(), file.bytes))
            .collect();
        self.shared.files.write(&files)?;
        // Only now: what a checkpoint signs for is there to be read.
        let checkpoint = Checkpoint::new(self.signer.verifier().name(), edge.head());
        let checkpoint = checkpoint.sign(&self.signer).map_err(io::Error::other)?;
        self.shared.write_checkpoint(checkpoint)?;
        self.edge = edge;
        self.forget_waiting(batch.len());
        for directory in superseded {
            self.shared.files.remove_directory(&directory)?;
        }
        Ok(())
    }

    fn forget_waiting(&self, count: usize) {
        let waiting = &self.shared.waiting;
        let mut waiting = waiting.write().unwrap_or_else(PoisonError::into_inner);
        waiting.entries.drain(..count);
        waiting.first += count as u64;
    }

    /// Removes what a crash has left of tiles that are full now.
    fn forget_superseded(&self) -> io::Result<()> {
        let full = Tile::between(0, self.edge.size()).filter(Tile::is_full);
        let mut directories = full.map(|tile| tile.partial_directory());
        directories.try_for_each(|directory| self.shared.files.remove_directory(&directory))
    }

    /// Removes journal segments whose entries are all in tiles.
    fn tidy(&mut self) -> io::Result<()> {
        if self.journal_bytes >= JOURNAL_SIZE {
            self.journal.roll();
            self.journal_bytes = 0;
        }
        let sealed = self.journal.sealed().to_vec();
        if sealed.is_empty() {
            return Ok(());
        }
        let mut frame = FrameBuilder::default();
        JournalRecord::InTiles(self.edge.size()).push_to(&mut frame);
        self.journal.append(&mut frame)?;
        for segment in sealed {
            self.journal.remove(segment)?;
        }
        Ok(())
    }

    fn cosign(&self, size: u64, lines: Vec<SignatureLine>) -> bool {
        let last = Arc::clone(&self.shared.checkpoint.borrow());
        if last.checkpoint().head.size != size {
            return false;
        }
        let mut checkpoint = SignedCheckpoint::clone(&last);
        for line in lines {
            checkpoint.add(line);
        }
        let written = self.shared.write_checkpoint(checkpoint);
        if let Err(error) = &written {
            tracing::error!(%error, "publishing cosignatures failed");
        }
        written.is_ok()
    }
}

impl<D: Disk, F: LogFiles> StateMachine for Machine<D, F> {
    type Disk = D;
    type Command = Command;
    type Answer = Answer;

    fn journal(&mut self) -> &mut Journal<D> {
        &mut self.journal
    }

    fn decide(&mut self, command: Command, frame: &mut FrameBuilder) -> Answer {
        let entry = match command {
            Command::Append(entry) => entry,
            Command::Cosign(size, lines) => return Answer::Cosigned(self.cosign(size, lines)),
        };
        let index = self.next + self.judged.len() as u64;
        if index - self.edge.size() >= MOST_WAITING as u64 {
            return Answer::Full;
        }
        let record = JournalRecord::Entry {
            index,
            entry: &entry,
        };
        record.push_to(frame);
        self.journal_bytes += entry.len();
        self.judged.push(entry);
        Answer::Appended(index)
    }

    fn commit(&mut self) {
        self.next += self.judged.len() as u64;
        let waiting = &self.shared.waiting;
        let mut waiting = waiting.write().unwrap_or_else(PoisonError::into_inner);
        waiting.entries.extend(self.judged.drain(..));
    }

    fn abort(&mut self) {
        self.judged.clear();
    }

    fn tick(&mut self) -> Option<io::Result<()>> {
        let now = Instant::now();
        let waiting = self.next - self.edge.size();
        // Appends that come faster than tiles are written wait for the tiles.
        if waiting == 0 || (now < self.due && waiting < BATCH as u64) {
            return None;
        }
        self.due = now + CHECKPOINT_EVERY;
        Some(self.integrate().and_then(|()| self.tidy()))
    }
}
