//! A page of a mailbox as a store reads it: as many bytes whatever is in it.

use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_sealing::mailbox::Kem;
use pennyblack_sealing::sealed::slot_size;
use zeroize::Zeroizing;

use super::StoreError;

/// Which entries of a mailbox are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Entries after this one.
    pub after: Cursor,
    /// How many at the most.
    pub max: usize,
    /// Bytes of each.
    pub slot_size: usize,
}

impl Window {
    /// So many slots of a mailbox of this KEM.
    #[must_use]
    pub fn new(after: Cursor, slots: Slots, kem: Kem) -> Self {
        Self {
            after,
            max: usize::from(slots.count()),
            slot_size: slot_size(kem),
        }
    }

    /// Bytes of the page.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.max.saturating_mul(self.slot_size)
    }
}

/// Some of a mailbox's unexpired entries, and filler in the other slots. Its bytes are
/// wiped when it is dropped.
#[derive(Debug, Clone)]
pub struct Page {
    bytes: Zeroizing<Vec<u8>>,
    slot_size: usize,
    filled: usize,
    /// True when unexpired entries after these are waiting.
    pub more: bool,
    /// True when an unexpired entry after the window's cursor was dropped, since the
    /// mailbox was full.
    pub dropped: bool,
    /// The cursor to ask with next time.
    pub next: Cursor,
}

impl Page {
    /// Takes over the bytes of a window, in whose first `filled` slots there are entries.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the bytes are not a window's.
    pub(super) fn new(
        window: Window,
        bytes: Zeroizing<Vec<u8>>,
        filled: usize,
    ) -> Result<Self, StoreError> {
        if bytes.len() != window.bytes() || filled > window.max {
            return Err(StoreError::Unavailable(format!(
                "a page of {} bytes with {filled} entries, where {} slots of {} were asked for",
                bytes.len(),
                window.max,
                window.slot_size,
            )));
        }
        Ok(Self {
            bytes,
            slot_size: window.slot_size,
            filled,
            more: false,
            dropped: false,
            next: window.after,
        })
    }

    /// Oldest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let slots = self.bytes.chunks_exact(self.slot_size.max(1));
        slots.take(self.filled)
    }
}
