//! The unit of the journal: one commit's records under one checksum.
//!
//! ```text
//! struct {
//!   uint32 magic;            // "PBF3"
//!   uint32 length;           // of the payload
//!   uint64 place;            // index of this frame within its segment, XOR the salt
//!   uint32 crc;              // CRC-32 of salt, length, index and payload
//!   opaque payload[length];  // records, each with a uint32 length in front
//! } Frame;
//! ```
//!
//! A frame is written only after the one before it was synced. Therefore a
//! damaged frame with a sound one after it was not torn by a crash: it has
//! decayed, or somebody wrote to it. So that nobody can have bytes written that
//! look like a later frame, or have many places searched for one, each segment has
//! a random [`Salt`], which only its first frame tells.

use zeroize::Zeroize as _;

const MAGIC: [u8; 4] = *b"PBF3";

/// What the checksums of a segment's frames begin with, eight random bytes; zeros
/// for the first frame, which holds the salt of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Salt(pub(crate) [u8; 8]);

impl Salt {
    /// Of a segment's first frame.
    pub(crate) const OF_FIRST: Self = Self([0; 8]);

    pub(crate) fn random() -> Self {
        Self(rand::random())
    }

    /// How the header tells a frame's index, and back.
    const fn mask(self, index: u64) -> u64 {
        index ^ u64::from_be_bytes(self.0)
    }
}

/// Bytes in front of the payload.
pub(crate) const HEADER_SIZE: usize = 20;

/// Records to be written in one commit. Wiped when emptied, for what is in them
/// may not outlive its time.
#[derive(Debug, Default)]
pub struct FrameBuilder {
    bytes: Vec<u8>,
}

impl FrameBuilder {
    /// Adds a record, given in parts.
    pub fn push(&mut self, parts: &[&[u8]]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.make_room(HEADER_SIZE + 4 + length);
        if self.bytes.is_empty() {
            self.bytes.resize(HEADER_SIZE, 0);
        }
        self.bytes.extend(length_prefix(length).to_be_bytes());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
    }

    /// Moves the bytes when they need it, as `Vec` would, and wipes where they were.
    fn make_room(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() >= more {
            return;
        }
        let capacity = (self.bytes.len() + more).max(2 * self.bytes.capacity());
        let mut moved = Vec::with_capacity(capacity);
        moved.extend_from_slice(&self.bytes);
        self.bytes.as_mut_slice().zeroize();
        self.bytes = moved;
    }

    /// True when there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that will be written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The frame's bytes with its header filled in.
    pub(crate) fn seal(&mut self, index: u64, salt: Salt) -> &[u8] {
        if self.bytes.is_empty() {
            self.bytes.resize(HEADER_SIZE, 0);
        }
        if let Some((header, payload)) = self.bytes.split_first_chunk_mut::<HEADER_SIZE>() {
            *header = header_of(payload, index, salt);
        }
        &self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.as_mut_slice().zeroize();
        self.bytes.clear();
    }
}

/// A length as a frame has it. A record is a request, whose size was limited long before;
/// a length that lies would make the journal unreadable from there on.
#[allow(
    clippy::expect_used,
    reason = "a length that lies is worse than an end"
)]
fn length_prefix(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a record has less than 4 GiB")
}

fn header_of(payload: &[u8], index: u64, salt: Salt) -> [u8; HEADER_SIZE] {
    let length = length_prefix(payload.len());
    let mut header = [0; HEADER_SIZE];
    let (magic, rest) = header.split_at_mut(4);
    let (length_field, rest) = rest.split_at_mut(4);
    let (place, crc) = rest.split_at_mut(8);
    magic.copy_from_slice(&MAGIC);
    length_field.copy_from_slice(&length.to_be_bytes());
    place.copy_from_slice(&salt.mask(index).to_be_bytes());
    crc.copy_from_slice(&checksum(salt, length, index, payload).to_be_bytes());
    header
}

fn checksum(salt: Salt, length: u32, index: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.0);
    hasher.update(&length.to_be_bytes());
    hasher.update(&index.to_be_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// True when `bytes` begin with a frame of an earlier or a later version.
pub(crate) fn is_of_other_version(bytes: &[u8]) -> bool {
    let is_magic = |magic: &[u8; 4]| matches!(magic, [b'P', b'B', b'F', b'0'..=b'9']);
    bytes
        .first_chunk()
        .is_some_and(|magic| is_magic(magic) && *magic != MAGIC)
}

/// A sound frame at the start of `bytes`, when there is one: its payload, and
/// what follows it.
pub(crate) fn read_frame(bytes: &[u8], index: u64, salt: Salt) -> Option<(&[u8], &[u8])> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (place, rest) = rest.split_first_chunk::<8>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length);
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let sound = *magic == MAGIC
        && salt.mask(u64::from_be_bytes(*place)) == index
        && u32::from_be_bytes(*crc) == checksum(salt, length, index, payload);
    sound.then_some((payload, rest))
}

/// True when a sound frame with a later index than `index` starts anywhere in
/// `bytes`. Checksums are made only where the header has the salt in it, so that
/// bytes chosen by others are passed over.
pub(crate) fn has_later_frame(bytes: &[u8], index: u64, salt: Salt) -> bool {
    let last = index.saturating_add((bytes.len() / HEADER_SIZE) as u64);
    headers(bytes).any(|(at, place)| {
        let later = salt.mask(place);
        later > index
            && later <= last
            && bytes
                .get(at..)
                .is_some_and(|rest| read_frame(rest, later, salt).is_some())
    })
}

/// True when something behind the first frame looks like a frame of any salt.
pub(crate) fn has_any_later_frame(bytes: &[u8]) -> bool {
    headers(bytes).any(|(at, _)| at >= HEADER_SIZE)
}

/// Where in `bytes` something looks like a frame's header, and the place that it tells.
fn headers(bytes: &[u8]) -> impl Iterator<Item = (usize, u64)> {
    let windows = bytes.windows(HEADER_SIZE).enumerate();
    windows.filter_map(|(at, window)| {
        let place = window.strip_prefix(&MAGIC)?.get(4..)?.first_chunk()?;
        Some((at, u64::from_be_bytes(*place)))
    })
}

/// The records of a sound frame's payload.
pub(crate) fn records(mut payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = payload.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (record, rest) = rest.split_at_checked(length)?;
        payload = rest;
        Some(record)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SALT: Salt = Salt(*b"saltsalt");

    proptest! {
        #[test]
        fn a_frame_comes_back_as_it_went(
            items in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..8),
            index: u64,
        ) {
            let mut builder = FrameBuilder::default();
            for item in &items {
                let (a, b) = item.split_at(item.len() / 2);
                builder.push(&[a, b]);
            }
            let mut bytes = builder.seal(index, SALT).to_vec();
            bytes.push(7);
            let (payload, rest) = read_frame(&bytes, index, SALT).unwrap();
            prop_assert_eq!(rest, &[7]);
            prop_assert_eq!(records(payload).collect::<Vec<_>>(), items);
            prop_assert!(read_frame(&bytes, index ^ 1, SALT).is_none());
            prop_assert!(read_frame(&bytes, index, Salt::OF_FIRST).is_none());
        }

        #[test]
        fn a_damaged_frame_is_noticed(at in 0usize..60, flip in 1u8..) {
            let mut builder = FrameBuilder::default();
            builder.push(&[&[5; 36]]);
            let mut bytes = builder.seal(3, SALT).to_vec();
            bytes[at] ^= flip;
            prop_assert!(read_frame(&bytes, 3, SALT).is_none());
        }

        #[test]
        fn a_later_frame_is_found_wherever_it_starts(
            before in proptest::collection::vec(any::<u8>(), 0..200),
            steps in 1u64..9,
        ) {
            let mut builder = FrameBuilder::default();
            builder.push(&[b"later"]);
            let mut bytes = before;
            // As many frames as there are between may have decayed, and no more.
            bytes.resize(bytes.len() + 9 * HEADER_SIZE, 0);
            bytes.extend(builder.seal(3 + steps, SALT));
            prop_assert!(has_later_frame(&bytes, 3, SALT));
            prop_assert!(!has_later_frame(&bytes, 3 + steps, SALT));
            prop_assert!(!has_later_frame(&bytes, 3, Salt(*b"pepper!!")));
            prop_assert!(has_any_later_frame(&bytes));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_frame(&bytes, 0, SALT);
            let _ = has_later_frame(&bytes, 0, SALT);
            let _ = has_later_frame(&bytes, u64::MAX - 1, SALT);
            let _ = has_any_later_frame(&bytes);
            let _ = records(&bytes).count();
        }
    }
}
