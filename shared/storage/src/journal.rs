//! An append-only journal in numbered segment files, each a run of frames.
//!
//! **Promise.** When [`Journal::append`] returns `Ok`, the frame survives a crash
//! or a loss of power. When it returns an error, the frame may be on disk or not
//! at this moment, but as soon as any later append has returned `Ok` it is void
//! permanently: the first frame of every segment says how long each segment before
//! it was when it was last synced. After a failed sync nothing more is written to
//! that segment.
//!
//! Segments are removed whole, by their owner, when nothing in them is needed.
//!
//! When much is written, the next segment is made ahead, as long as the last one
//! became and full of zeros: a sync that need not write how long a file has
//! become takes half the time.

mod found;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use self::found::{apply_limits, read_segments};
use crate::disk::{Disk, DiskFile};
use crate::frame::{FrameBuilder, Salt};

/// Most zeros that a segment is begun with, in bytes.
const MOST_ZEROS: u64 = 64 * 1024 * 1024;

/// A journal that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The disk refused.
    #[error("the journal: {0}")]
    Io(#[from] io::Error),
    /// Another version of this program wrote it.
    #[error(
        "journal segment {0} was written by another version of this program: start that version, \
         or move the directory away and start with new token keys"
    )]
    OtherVersion(String),
    /// What was once synced is damaged.
    #[error(
        "journal segment {name} is damaged at byte {offset}, before its end: this is not a crash's \
         doing. Restore the disk, or move the directory away and start with new token keys"
    )]
    Damaged {
        /// The segment's file.
        name: String,
        /// Where the damage begins.
        offset: u64,
    },
}

/// Numbers a segment; later ones are larger, across restarts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentNumber(pub u64);

/// A journal open for appending. The segment that appends go to is always newer
/// than any that was found at opening.
pub struct Journal<D: Disk> {
    disk: Arc<D>,
    prefix: &'static str,
    /// The number of the next file to be made.
    next: u64,
    active: Option<Active<D::File>>,
    /// The segment after the active one, which is being filled with zeros.
    prepared: Option<Prepared<D::File>>,
    /// One that was not full of zeros when it was needed. Others are prepared when it
    /// is done and removed.
    late: Option<Prepared<D::File>>,
    /// Bytes of the last segment that was sealed.
    last_length: u64,
    /// Oldest first.
    sealed: Vec<Sealed>,
}

/// A segment that nothing is appended to any more, and how much of it counts.
struct Sealed {
    number: u64,
    /// 0 when it was found without a sound frame.
    synced: u64,
}

struct Active<F> {
    number: u64,
    file: F,
    salt: Salt,
    frames: u64,
    synced: u64,
}

struct Prepared<F> {
    number: u64,
    file: JoinHandle<io::Result<F>>,
}

impl<F> Prepared<F> {
    /// Waits until it is done, and removes it. A file that stays is in nobody's way:
    /// there is nothing in it.
    fn discard<D: Disk>(self, disk: &D, prefix: &str) {
        let _ = self.file.join();
        let _ = disk.remove(&name(prefix, self.number));
    }
}

impl<D: Disk> Journal<D> {
    /// Opens the journal whose files begin with `prefix`, and hands every
    /// durable record to `replay`, oldest first.
    ///
    /// What was found is made durable before this returns, so that nothing replayed
    /// can be lost by a later loss of power.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(
        disk: Arc<D>,
        prefix: &'static str,
        mut replay: impl FnMut(SegmentNumber, &[u8]),
    ) -> Result<Self, JournalError> {
        let mut found = read_segments(disk.as_ref(), prefix)?;
        let limits = apply_limits(&mut found);
        let mut sealed = Vec::new();
        for segment in &found {
            let limit = limits.get(&segment.number).copied();
            segment.check_damage(prefix, limit)?;
            segment.make_durable(disk.as_ref(), prefix, limit)?;
            for payload in segment.payloads() {
                // The first record of a segment is the journal's own.
                for record in payload {
                    replay(SegmentNumber(segment.number), record);
                }
            }
            sealed.push(Sealed {
                number: segment.number,
                synced: segment.sound,
            });
        }
        disk.sync_directory()?;
        Ok(Self {
            disk,
            prefix,
            next: found.last().map_or(0, |segment| segment.number + 1),
            active: None,
            prepared: None,
            late: None,
            last_length: 0,
            sealed,
        })
    }

    /// Where its files are.
    pub(crate) fn disk(&self) -> &D {
        &self.disk
    }

    /// The segment that the next append goes to.
    #[must_use]
    pub fn current(&self) -> SegmentNumber {
        let prepared = || self.prepared.as_ref().map_or(self.next, |p| p.number);
        SegmentNumber(self.active.as_ref().map_or_else(prepared, |a| a.number))
    }

    /// The segments that nothing is appended to any more, oldest first.
    #[must_use]
    pub fn sealed(&self) -> Vec<SegmentNumber> {
        let numbers = self
            .sealed
            .iter()
            .map(|sealed| SegmentNumber(sealed.number));
        numbers.collect()
    }

    /// Appends one frame and syncs it; empties the builder either way.
    ///
    /// # Errors
    /// What the disk says; see the module's promise for what that means.
    pub fn append(&mut self, frame: &mut FrameBuilder) -> io::Result<()> {
        let written = self.write(frame);
        frame.clear();
        if written.is_err() {
            self.roll();
        }
        written
    }

    fn write(&mut self, frame: &mut FrameBuilder) -> io::Result<()> {
        if self.active.is_none() {
            self.begin_segment()?;
        }
        let Some(active) = &mut self.active else {
            return Err(io::Error::other("no segment to write to"));
        };
        let salt = if active.frames == 0 {
            Salt::OF_FIRST
        } else {
            active.salt
        };
        let bytes = frame.seal(active.frames, salt);
        active.file.append(bytes)?;
        active.file.sync()?;
        active.frames += 1;
        active.synced += bytes.len() as u64;
        Ok(())
    }

    /// Begins the next segment with its first frame, which settles all before it.
    fn begin_segment(&mut self) -> io::Result<()> {
        let (number, file) = self.next_file()?;
        let salt = Salt::random();
        self.active = Some(Active {
            number,
            file,
            salt,
            frames: 0,
            synced: 0,
        });
        let mut limits = Vec::new();
        for sealed in &self.sealed {
            limits.extend(sealed.number.to_be_bytes());
            limits.extend(sealed.synced.to_be_bytes());
        }
        let mut first = FrameBuilder::default();
        first.push(&[&salt.0, &limits]);
        self.write(&mut first)?;
        self.disk.sync_directory()?;
        self.prepare_next();
        Ok(())
    }

    /// The file that was prepared, or an empty one.
    fn next_file(&mut self) -> io::Result<(u64, D::File)> {
        match self.prepared.take() {
            Some(prepared) if !prepared.file.is_finished() => self.late = Some(prepared),
            Some(Prepared { number, file }) => {
                if let Ok(Ok(file)) = file.join() {
                    return Ok((number, file));
                }
            }
            None => {}
        }
        let file = self.disk.create(&name(self.prefix, self.next))?;
        self.next += 1;
        Ok((self.next - 1, file))
    }

    fn discard_late(&mut self) {
        if let Some(late) = self.late.take_if(|late| late.file.is_finished()) {
            late.discard(self.disk.as_ref(), self.prefix);
        }
    }

    /// Has the next segment made ahead, if it is likely to become long.
    fn prepare_next(&mut self) {
        self.discard_late();
        let length = self.last_length.min(MOST_ZEROS);
        if length < D::WORTH_ZEROS || self.prepared.is_some() || self.late.is_some() {
            return;
        }
        let (disk, number) = (Arc::clone(&self.disk), self.next);
        let name = name(self.prefix, number);
        // Without a thread the next segment is begun empty, as others are.
        if let Ok(file) = D::in_background(move || disk.create_zeroed(&name, length)) {
            self.prepared = Some(Prepared { number, file });
            self.next += 1;
        }
    }

    /// Seals the active segment; the next append begins another. A segment
    /// without a durable first frame has nothing in it, and is deleted: otherwise such
    /// segments would add up on a full disk.
    pub fn roll(&mut self) {
        let Some(active) = self.active.take() else {
            return;
        };
        self.last_length = active.synced;
        if active.synced == 0 {
            // Should it stay or come back: what its first frame states is true.
            let _ = self.disk.remove(&name(self.prefix, active.number));
            return;
        }
        self.sealed.push(Sealed {
            number: active.number,
            synced: active.synced,
        });
    }

    /// Removes a sealed segment. There is always a younger one that keeps the
    /// numbers going and says how long the older ones are: if there is none, an
    /// empty one is begun first.
    ///
    /// # Errors
    /// What the disk says; then it is still there, or comes back.
    pub fn remove(&mut self, segment: SegmentNumber) -> io::Result<()> {
        self.discard_late();
        if !self.sealed.iter().any(|sealed| sealed.number == segment.0) {
            return Ok(());
        }
        let says = |sealed: &Sealed| sealed.number > segment.0 && sealed.synced > 0;
        if self.active.is_none()
            && !self.sealed.iter().any(says)
            && let Err(error) = self.begin_segment()
        {
            self.roll();
            return Err(error);
        }
        match self.disk.remove(&name(self.prefix, segment.0)) {
            // Removed before, and the directory could not be synced then.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        self.disk.sync_directory()?;
        self.sealed.retain(|sealed| sealed.number != segment.0);
        Ok(())
    }
}

impl<D: Disk> Drop for Journal<D> {
    /// Waits for what is done in the background, so that the disk is free then.
    fn drop(&mut self) {
        for prepared in [self.prepared.take(), self.late.take()]
            .into_iter()
            .flatten()
        {
            prepared.discard(self.disk.as_ref(), self.prefix);
        }
    }
}

fn name(prefix: &str, number: u64) -> String {
    format!("{prefix}-{number:016x}")
}

#[cfg(test)]
mod tests;
