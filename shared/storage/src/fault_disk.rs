//! A disk in memory that loses power: what was not synced is lost, in part or
//! whole, in any order. For the tests of whatever is built on [`Disk`].

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::disk::{Disk, DiskFile};

/// What is written or lost as one.
const SECTOR: usize = 64;

/// The seeds of a test's random runs: `PENNYBLACK_SEEDS` of them, 2,000 without it.
///
/// # Panics
/// If `PENNYBLACK_SEEDS` is not a number.
#[must_use]
#[allow(clippy::panic)]
pub fn seeds() -> Range<u64> {
    let count = std::env::var("PENNYBLACK_SEEDS").map_or(Ok(2_000), |count| count.parse());
    0..count.unwrap_or_else(|error| panic!("PENNYBLACK_SEEDS is not a number: {error}"))
}

/// How the next sync fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncFault {
    /// An error, and what was appended is gone. It is read still, and later syncs
    /// succeed; only what is written anew gets to the disk.
    Lost,
    /// An error, and what was appended is durable all the same.
    Persisted,
}

#[derive(Debug, Clone, Default)]
struct FileState {
    /// What a reader sees.
    contents: Vec<u8>,
    /// Where the next append goes. What is behind it are durable zeros.
    end: usize,
    /// How much of what was appended was synced.
    durable: usize,
    /// What a failed sync has lost of that, though it is read still.
    lost: Vec<Range<usize>>,
    /// What was written anew since the last sync.
    rewritten: Vec<Range<usize>>,
    /// Whether the directory's entry is durable.
    entered: bool,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, FileState>,
    /// Removed, but the directory is not synced: they may come back.
    removed: BTreeMap<String, FileState>,
    faults: Vec<SyncFault>,
    directory_faults: usize,
    room: Option<usize>,
    ignore_syncs: bool,
}

impl State {
    /// Bytes that can be written yet.
    fn free(&self) -> usize {
        let used: usize = self.files.values().map(|file| file.contents.len()).sum();
        let room = self.room.unwrap_or(usize::MAX);
        room.saturating_sub(used)
    }
}

/// The disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct FaultDisk(Arc<Mutex<State>>);

impl FaultDisk {
    /// The next file sync fails in this way.
    pub fn fail_next_sync(&self, fault: SyncFault) {
        self.state().faults.push(fault);
    }

    /// The next sync of the directory fails, and makes nothing durable.
    pub fn fail_next_directory_sync(&self) {
        self.state().directory_faults += 1;
    }

    /// At most so many bytes may be in all files together.
    pub fn limit(&self, room: Option<usize>) {
        self.state().room = room;
    }

    /// The planted bug: a sync that says it is done and does nothing. A harness
    /// is trusted only after it has caught this.
    pub fn ignore_syncs(&self) {
        self.state().ignore_syncs = true;
    }

    /// The disk as it may be found after power was lost now.
    #[must_use]
    pub fn after_power_loss(&self, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let state = self.state();
        let mut found = BTreeMap::new();
        for (name, file) in &state.files {
            if file.entered || rng.random() {
                found.insert(name.clone(), file.after_power_loss(&mut rng));
            }
        }
        for (name, file) in &state.removed {
            if !found.contains_key(name) && rng.random() {
                found.insert(name.clone(), file.after_power_loss(&mut rng));
            }
        }
        Self(Arc::new(Mutex::new(State {
            files: found,
            ..State::default()
        })))
    }

    fn file(&self, name: &str) -> FaultFile {
        FaultFile {
            disk: self.clone(),
            name: name.to_owned(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileState {
    fn new(contents: Vec<u8>) -> Self {
        Self {
            end: contents.len(),
            durable: contents.len(),
            contents,
            lost: Vec::new(),
            rewritten: Vec::new(),
            entered: false,
        }
    }

    fn write_behind(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len();
        if self.contents.len() < end {
            self.contents.resize(end, 0);
        }
        if let Some(place) = self.contents.get_mut(self.end..end) {
            place.copy_from_slice(bytes);
        }
        self.end = end;
    }

    /// What was written anew gets to the disk with the next sync.
    fn sync(&mut self) {
        for again in self.rewritten.drain(..) {
            let split = |lost: Range<usize>| {
                let before = lost.start..lost.end.min(again.start);
                let after = lost.start.max(again.end)..lost.end;
                [before, after]
                    .into_iter()
                    .filter(|part| part.start < part.end)
            };
            self.lost = self.lost.drain(..).flat_map(split).collect();
        }
        self.durable = self.end;
    }

    fn lose(&mut self) {
        self.rewritten.clear();
        self.lost.push(self.durable..self.end);
        self.durable = self.end;
    }

    /// From where on nothing is known to be on the disk.
    fn firm(&self) -> usize {
        let mut firm = self.durable;
        while let Some(lost) = self
            .lost
            .iter()
            .find(|lost| lost.end == firm && lost.start < firm)
        {
            firm = lost.start;
        }
        firm
    }

    /// The durable part, and of the rest some sectors; lost ones read as zeros.
    fn after_power_loss(&self, rng: &mut StdRng) -> Self {
        let (appended, zeros) = self.contents.split_at_checked(self.end).unwrap_or_default();
        let firm = self.firm();
        let (durable, rest) = appended.split_at_checked(firm).unwrap_or_default();
        let mut contents = durable.to_vec();
        for lost in &self.lost {
            let lost = contents.get_mut(lost.clone()).unwrap_or_default();
            for sector in lost.chunks_mut(SECTOR) {
                if rng.random() {
                    sector.fill(0);
                }
            }
        }
        let mut kept = firm;
        for sector in rest.chunks(SECTOR) {
            if rng.random() {
                contents.extend_from_slice(sector);
                kept = contents.len();
            } else {
                contents.resize(contents.len() + sector.len(), 0);
            }
        }
        if zeros.is_empty() {
            contents.truncate(kept);
            // A torn sector at the very end.
            if kept > firm && rng.random() {
                contents.truncate(rng.random_range(firm..=kept));
            }
        }
        contents.extend_from_slice(zeros);
        Self {
            entered: true,
            ..Self::new(contents)
        }
    }
}

impl Disk for FaultDisk {
    type File = FaultFile;
    const GATHER: Duration = Duration::ZERO;
    const WORTH_ZEROS: u64 = 1_000;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().files.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<FaultFile> {
        let mut state = self.state();
        if state.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.files.insert(name.to_owned(), FileState::default());
        Ok(self.file(name))
    }

    fn create_zeroed(&self, name: &str, length: u64) -> io::Result<FaultFile> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut file = self.create(name)?;
        file.append(&vec![0; length])
            .and_then(|()| file.sync())
            .inspect_err(|_| drop(self.remove(name)))?;
        file.with(|file| {
            file.end = 0;
            file.durable = 0;
            Ok(())
        })?;
        Ok(file)
    }

    /// Does it before it returns, so that a seed's run is always the same.
    fn in_background<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let thread = thread::Builder::new().spawn(work)?;
        while !thread.is_finished() {
            thread::yield_now();
        }
        Ok(thread)
    }

    fn open(&self, name: &str) -> io::Result<FaultFile> {
        let mut state = self.state();
        let file = state.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        // Zeros that nothing was written over count as appended.
        file.end = file.contents.len();
        Ok(self.file(name))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let file = state.files.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.removed.insert(name.to_owned(), file);
        Ok(())
    }

    fn is_nearly_full(&self) -> bool {
        self.state().free() < 1_000_000
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.directory_faults > 0 {
            state.directory_faults -= 1;
            return Err(io::Error::other("input/output error"));
        }
        if !state.ignore_syncs {
            state.removed.clear();
            for file in state.files.values_mut() {
                file.entered = true;
            }
        }
        Ok(())
    }
}

/// A file of a [`FaultDisk`].
#[derive(Debug)]
pub struct FaultFile {
    disk: FaultDisk,
    name: String,
}

impl FaultFile {
    fn with<T>(&self, act: impl FnOnce(&mut FileState) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        let file = state.files.get_mut(&self.name);
        act(file.ok_or(io::ErrorKind::NotFound)?)
    }
}

impl DiskFile for FaultFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = self.disk.state().free();
        self.with(|file| {
            // A full disk takes the part that fits.
            let room = room.saturating_add(file.contents.len() - file.end);
            let fits = bytes.get(..room.min(bytes.len())).unwrap_or_default();
            file.write_behind(fits);
            if fits.len() < bytes.len() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        let (fault, ignored) = {
            let mut state = self.disk.state();
            (state.faults.pop(), state.ignore_syncs)
        };
        self.with(|file| {
            match fault {
                None if ignored => return Ok(()),
                None | Some(SyncFault::Persisted) => file.sync(),
                Some(SyncFault::Lost) => file.lose(),
            }
            match fault {
                None => Ok(()),
                Some(_) => Err(io::Error::other("input/output error")),
            }
        })
    }

    fn rewrite(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(|file| {
            let start = usize::try_from(offset).map_err(io::Error::other)?;
            let range = start..start + bytes.len();
            if file.contents.get(range.clone()) != Some(bytes) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            file.rewritten.push(range);
            Ok(())
        })
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.with(|file| {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            file.contents.truncate(length);
            file.end = length;
            file.durable = file.durable.min(length);
            file.lost.retain_mut(|lost| {
                lost.end = lost.end.min(length);
                lost.start < lost.end
            });
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.with(|file| Ok(file.contents.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.with(|file| {
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            let found = file.contents.get(from..).unwrap_or_default();
            let found = found
                .get(..buffer.len())
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            buffer.copy_from_slice(found);
            Ok(())
        })
    }
}
