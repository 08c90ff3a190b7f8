//! Calls that ask while the disk writes for others. Those that wait are written together: a
//! burst of calls costs a few synced transactions and not one for each, and a disk that hangs
//! takes one thread and not all. Not here: what is written.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pennyblack_base::time::UnixTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Assigned;
use super::selection::Selection;

/// Most calls of one transaction: another process must get the file in between.
const MAX_AT_ONCE: usize = 256;

/// Those that wait, in the order in which they asked.
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Waiting>>,
    turn: Arc<Semaphore>,
}

/// A call that waits.
pub(super) struct Waiting {
    pub(super) selection: Selection,
    pub(super) now: UnixTime,
    pub(super) answer: oneshot::Sender<Assigned>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Adds one, and forgets those that have gone: while a disk hangs nobody else would.
    pub(super) fn add(&self, one: Waiting) {
        let mut waiting = self.waiting();
        waiting.retain(|one| !one.answer.is_closed());
        waiting.push_back(one);
    }

    /// Returns when it is the caller's turn to write for all that wait.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turn).acquire_owned().await.ok()
    }

    /// Those that are written now, without those that have gone: what was not begun when a
    /// call's deadline came stays free.
    pub(super) fn next(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        waiting.retain(|one| !one.answer.is_closed());
        let count = waiting.len().min(MAX_AT_ONCE);
        waiting.drain(..count).collect()
    }

    /// Every change is whole before anything can panic.
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
