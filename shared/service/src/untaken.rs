//! What the HTTP stack does not have yet of an answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Most bytes of an answer that are handed to the HTTP stack at once: what it has,
/// it keeps until the client takes it, and a window of one byte is enough to get it.
pub(crate) const PIECE: usize = 16 * 1024;

/// The answer gave way to others.
#[derive(Debug, thiserror::Error)]
#[error("the answer was not taken in time, and its memory was needed")]
pub(crate) struct Displaced;

/// The rest of an answer, which two share: the one that sends it, and the one that takes
/// it away when memory is needed.
#[derive(Debug)]
pub(crate) struct Untaken(Mutex<Option<Bytes>>);

impl Untaken {
    pub(crate) const fn new(rest: Bytes) -> Self {
        Self(Mutex::new(Some(rest)))
    }

    /// How many bytes are left.
    pub(crate) fn len(&self) -> usize {
        self.rest().as_ref().map_or(0, Bytes::len)
    }

    /// Whether the last piece was taken. Not so, when it was given up before.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest().as_ref().is_some_and(Bytes::is_empty)
    }

    /// Frees them; how many there were.
    pub(crate) fn give_up(&self) -> usize {
        self.rest().take().map_or(0, |rest| rest.len())
    }

    /// Adds what has been made after the last piece was taken.
    pub(crate) fn refill(&self, bytes: Bytes) -> Result<(), Displaced> {
        *self.rest().as_mut().ok_or(Displaced)? = bytes;
        Ok(())
    }

    /// The next piece; nothing at the end. A piece of a larger whole is copied: the HTTP
    /// stack would keep the whole for it otherwise.
    pub(crate) fn next_piece(&self) -> Result<Option<Bytes>, Displaced> {
        let mut rest = self.rest();
        let rest = rest.as_mut().ok_or(Displaced)?;
        let piece = if rest.len() <= PIECE {
            std::mem::take(rest)
        } else {
            Bytes::copy_from_slice(&rest.split_to(PIECE))
        };
        Ok((!piece.is_empty()).then_some(piece))
    }

    fn rest(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_keeps_nothing_of_a_larger_whole() {
        let whole = Bytes::from(vec![b'x'; 2 * PIECE + 1]);
        let memory = whole.as_ptr_range();
        let untaken = Untaken::new(whole);
        for left in [PIECE + 1, 1] {
            let piece = untaken.next_piece().unwrap().unwrap();
            assert_eq!((piece.len(), untaken.len()), (PIECE, left));
            assert!(!memory.contains(&piece.as_ptr()));
        }
        assert_eq!(untaken.next_piece().unwrap().unwrap().len(), 1);
        assert!(untaken.next_piece().unwrap().is_none() && untaken.is_empty());
    }
}
