//! An append-only journal in numbered segment files, each a run of frames.
//!
//! **Promise.** When [`Journal::append`] returns `Ok`, the frame survives a crash
//! or a loss of power. When it returns an error, the frame may be on disk or not
//! at this moment, but as soon as any later append has returned `Ok` it is void
//! for ever: the first frame of the next segment says how long each segment
//! before it was when it was last synced. After a failed sync nothing more is
//! written to that segment.
//!
//! Segments are removed whole, by their owner, when nothing in them is needed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::frame::{self, FrameBuilder};

/// A journal that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The disk refused.
    #[error("the journal: {0}")]
    Io(#[from] io::Error),
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
    next: u64,
    active: Option<Active<D::File>>,
    /// Synced lengths of the segments that no durable frame has named yet.
    unsettled: Vec<(u64, u64)>,
    sealed: Vec<SegmentNumber>,
}

struct Active<F> {
    number: u64,
    file: F,
    frames: u64,
    synced: u64,
}

impl<D: Disk> Journal<D> {
    /// Opens the journal whose files begin with `prefix`, and hands every
    /// durable record to `replay`, oldest first.
    ///
    /// What was found is synced before this returns, so that nothing replayed
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
        let mut unsettled = Vec::new();
        let mut sealed = Vec::new();
        for segment in &found {
            segment.check_damage(prefix, limits.get(&segment.number).copied())?;
            for payload in segment.payloads() {
                // The first record of a segment is the journal's own.
                for record in payload {
                    replay(SegmentNumber(segment.number), record);
                }
            }
            unsettled.push((segment.number, segment.sound));
            sealed.push(SegmentNumber(segment.number));
        }
        disk.sync_directory()?;
        Ok(Self {
            disk,
            prefix,
            next: found.last().map_or(0, |segment| segment.number + 1),
            active: None,
            unsettled,
            sealed,
        })
    }

    /// The segment that the next append goes to.
    #[must_use]
    pub fn current(&self) -> SegmentNumber {
        SegmentNumber(self.active.as_ref().map_or(self.next, |a| a.number))
    }

    /// The segments that nothing is appended to any more, oldest first.
    #[must_use]
    pub fn sealed(&self) -> &[SegmentNumber] {
        &self.sealed
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
        let bytes = frame.seal(active.frames);
        active.file.append(bytes)?;
        active.file.sync()?;
        active.frames += 1;
        active.synced += bytes.len() as u64;
        Ok(())
    }

    /// Makes the next segment with its first frame, which settles all before it.
    fn begin_segment(&mut self) -> io::Result<()> {
        let number = self.next;
        let file = self.disk.create(&name(self.prefix, number))?;
        self.next += 1;
        self.active = Some(Active {
            number,
            file,
            frames: 0,
            synced: 0,
        });
        let mut limits = Vec::new();
        for (number, length) in &self.unsettled {
            limits.extend(number.to_be_bytes());
            limits.extend(length.to_be_bytes());
        }
        let mut first = FrameBuilder::default();
        first.push(&[&limits]);
        self.write(&mut first)?;
        self.disk.sync_directory()?;
        self.unsettled.clear();
        Ok(())
    }

    /// Seals the active segment; the next append begins another.
    pub fn roll(&mut self) {
        if let Some(active) = self.active.take() {
            self.unsettled.push((active.number, active.synced));
            self.sealed.push(SegmentNumber(active.number));
        }
    }

    /// Removes a sealed segment. There is always one that keeps the numbers
    /// going: if this is the newest, an empty one is begun first.
    ///
    /// # Errors
    /// What the disk says; then it is still there, or comes back.
    pub fn remove(&mut self, segment: SegmentNumber) -> io::Result<()> {
        if !self.sealed.contains(&segment) {
            return Ok(());
        }
        if segment.0 + 1 == self.next
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
        self.sealed.retain(|other| *other != segment);
        self.unsettled.retain(|(number, _)| *number != segment.0);
        Ok(())
    }
}

fn name(prefix: &str, number: u64) -> String {
    format!("{prefix}-{number:016x}")
}

/// A segment as it was found.
struct Found {
    number: u64,
    contents: Vec<u8>,
    /// Bytes of sound frames from the start.
    sound: u64,
    /// How many those are.
    frames: u64,
}

impl Found {
    /// The records of each sound frame, without the journal's own first frame.
    fn payloads(&self) -> impl Iterator<Item = impl Iterator<Item = &[u8]>> {
        let mut rest = self.contents.as_slice();
        let payloads = (0..self.frames).map_while(move |index| {
            let (payload, after) = frame::read_frame(rest, index)?;
            rest = after;
            Some(frame::records(payload))
        });
        payloads.skip(1)
    }

    /// The lengths that this segment's first frame states.
    fn limits(&self) -> Vec<(u64, u64)> {
        let first = frame::read_frame(&self.contents, 0);
        let record = first.and_then(|(payload, _)| frame::records(payload).next());
        let (pairs, _) = record.unwrap_or_default().as_chunks::<16>();
        let pair = |pair: &[u8; 16]| {
            let both = u128::from_be_bytes(*pair);
            ((both >> 64) as u64, (both & u128::from(u64::MAX)) as u64)
        };
        pairs.iter().map(pair).collect()
    }

    /// Forgets the frames that do not lie within the first `length` bytes.
    fn cut(&mut self, length: u64) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.contents.truncate(length);
        (self.sound, self.frames) = sound_prefix(&self.contents);
    }

    /// Tells a torn end from damage: with a stated length everything up to it
    /// must be sound; without one, no sound frame may follow an unsound one.
    fn check_damage(&self, prefix: &str, limit: Option<u64>) -> Result<(), JournalError> {
        let rest = usize::try_from(self.sound)
            .ok()
            .and_then(|sound| self.contents.get(sound..))
            .unwrap_or_default();
        let damaged = match limit {
            Some(limit) => self.sound != limit,
            None => frame::has_later_frame(rest, self.frames),
        };
        if damaged {
            return Err(JournalError::Damaged {
                name: name(prefix, self.number),
                offset: self.sound,
            });
        }
        Ok(())
    }
}

fn sound_prefix(contents: &[u8]) -> (u64, u64) {
    let (mut rest, mut frames) = (contents, 0);
    while let Some((_, after)) = frame::read_frame(rest, frames) {
        rest = after;
        frames += 1;
    }
    ((contents.len() - rest.len()) as u64, frames)
}

/// Reads and syncs every segment, oldest first.
fn read_segments<D: Disk>(disk: &D, prefix: &str) -> Result<Vec<Found>, JournalError> {
    let mut numbers: Vec<u64> = disk
        .list()?
        .iter()
        .filter_map(|name| name.strip_prefix(prefix)?.strip_prefix('-'))
        .filter_map(|number| u64::from_str_radix(number, 16).ok())
        .collect();
    numbers.sort_unstable();
    let read = numbers.into_iter().map(|number| {
        let mut file = disk.open(&name(prefix, number))?;
        file.sync()?;
        let contents = file.read_all()?;
        let (sound, frames) = sound_prefix(&contents);
        Ok(Found {
            number,
            contents,
            sound,
            frames,
        })
    });
    read.collect()
}

/// Cuts every segment to the length that a later one states, newest first: a
/// statement counts only if it is not itself cut away, and about older segments
/// only. Taken at its word about a newer one, a forged statement would make
/// damage of what is acknowledged there later.
fn apply_limits(found: &mut [Found]) -> BTreeMap<u64, u64> {
    let mut limits = BTreeMap::new();
    for segment in found.iter_mut().rev() {
        if let Some(&length) = limits.get(&segment.number) {
            segment.cut(length);
        }
        if segment.frames > 0 {
            let older = |(number, _): &(u64, u64)| *number < segment.number;
            limits.extend(segment.limits().into_iter().filter(older));
        }
    }
    limits
}

#[cfg(test)]
mod tests;
