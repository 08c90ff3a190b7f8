//! Segments as they lie on the disk when a journal is opened: which of their
//! frames are sound, whether what follows those was torn by a crash, and that what
//! counts is not in memory alone.

use std::collections::BTreeMap;
use std::io;

use super::{JournalError, name};
use crate::disk::{Disk, DiskFile as _};
use crate::frame::{self, Salt};

/// A segment as it was found.
pub(super) struct FoundSegment {
    pub(super) number: u64,
    contents: Vec<u8>,
    salt: Salt,
    /// Bytes of sound frames from the start.
    pub(super) sound: u64,
    /// How many those are.
    frames: u64,
}

impl FoundSegment {
    fn new(number: u64, contents: Vec<u8>) -> Self {
        let mut found = Self {
            number,
            salt: salt_of(&contents),
            contents,
            sound: 0,
            frames: 0,
        };
        found.count_frames();
        found
    }

    /// The payload of a sound frame at the start of `bytes`, and what follows it.
    fn read_frame<'a>(&self, bytes: &'a [u8], index: u64) -> Option<(&'a [u8], &'a [u8])> {
        let salt = if index == 0 {
            Salt::OF_FIRST
        } else {
            self.salt
        };
        frame::read_frame(bytes, index, salt)
    }

    fn count_frames(&mut self) {
        let (mut rest, mut frames) = (self.contents.as_slice(), 0);
        while let Some((_, after)) = self.read_frame(rest, frames) {
            rest = after;
            frames += 1;
        }
        (self.sound, self.frames) = ((self.contents.len() - rest.len()) as u64, frames);
    }

    /// The records of each sound frame, without the journal's own first frame.
    pub(super) fn payloads(&self) -> impl Iterator<Item = impl Iterator<Item = &[u8]>> {
        let mut rest = self.contents.as_slice();
        let payloads = (0..self.frames).map_while(move |index| {
            let (payload, after) = self.read_frame(rest, index)?;
            rest = after;
            Some(frame::records(payload))
        });
        payloads.skip(1)
    }

    /// The lengths that this segment's first frame states.
    fn limits(&self) -> Vec<(u64, u64)> {
        let first = first_record(&self.contents).and_then(<[u8]>::split_first_chunk::<8>);
        let (pairs, _) = first
            .map_or(&[][..], |(_, limits)| limits)
            .as_chunks::<16>();
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
        self.count_frames();
    }

    /// Tells a torn end from damage and from other versions: with a stated length
    /// everything up to it must be sound; without one, no frame may follow an unsound
    /// one. Of those that follow an unsound first frame nobody knows the salt any more,
    /// and nothing that others chose can be there: what looks like one is one.
    pub(super) fn check_damage(
        &self,
        prefix: &str,
        limit: Option<u64>,
    ) -> Result<(), JournalError> {
        if frame::is_of_other_version(&self.contents) {
            return Err(JournalError::OtherVersion(name(prefix, self.number)));
        }
        let rest = usize::try_from(self.sound)
            .ok()
            .and_then(|sound| self.contents.get(sound..))
            .unwrap_or_default();
        let damaged = match limit {
            Some(limit) => self.sound != limit,
            None if self.frames == 0 => frame::has_any_later_frame(rest),
            None => frame::has_later_frame(rest, self.frames, self.salt),
        };
        if damaged {
            return Err(JournalError::Damaged {
                name: name(prefix, self.number),
                offset: self.sound,
            });
        }
        Ok(())
    }

    /// Makes the sound frames durable. If no later segment states their length, nobody
    /// knows whether the last sync of them failed, and they are written again.
    pub(super) fn make_durable<D: Disk>(
        &self,
        disk: &D,
        prefix: &str,
        limit: Option<u64>,
    ) -> io::Result<()> {
        let mut file = disk.open(&name(prefix, self.number))?;
        if limit.is_none() {
            let sound = usize::try_from(self.sound).unwrap_or(usize::MAX);
            file.rewrite(self.contents.get(..sound).unwrap_or_default(), 0)?;
        }
        file.sync()
    }
}

/// The journal's own record: the salt, then the lengths of earlier segments.
fn first_record(contents: &[u8]) -> Option<&[u8]> {
    let (payload, _) = frame::read_frame(contents, 0, Salt::OF_FIRST)?;
    frame::records(payload).next()
}

/// The salt that a segment's first frame tells. A frame without one was not
/// written by this journal, and with this salt no other follows it.
fn salt_of(contents: &[u8]) -> Salt {
    let salt = first_record(contents).and_then(<[u8]>::first_chunk);
    salt.map_or(Salt::OF_FIRST, |salt| Salt(*salt))
}

/// Reads every segment, oldest first.
pub(super) fn read_segments<D: Disk>(disk: &D, prefix: &str) -> io::Result<Vec<FoundSegment>> {
    let mut numbers: Vec<u64> = disk
        .list()?
        .iter()
        .filter_map(|name| name.strip_prefix(prefix)?.strip_prefix('-'))
        .filter_map(|number| u64::from_str_radix(number, 16).ok())
        .collect();
    numbers.sort_unstable();
    let read = numbers.into_iter().map(|number| {
        let file = disk.open(&name(prefix, number))?;
        Ok(FoundSegment::new(number, file.read_all()?))
    });
    read.collect()
}

/// Cuts every segment to the length that a later one states, newest first: a
/// statement counts only if it is not itself cut away, and about older segments
/// only. Taken at its word about a newer one, a forged statement would make
/// damage of what is acknowledged there later.
pub(super) fn apply_limits(found: &mut [FoundSegment]) -> BTreeMap<u64, u64> {
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
