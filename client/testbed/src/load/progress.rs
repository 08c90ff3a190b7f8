//! How far a run has come, for display.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that a run moves and anybody may read. They only ever grow.
#[derive(Debug, Default)]
pub struct Progress {
    tokens: AtomicU64,
    prepared: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl Progress {
    /// Tokens drawn so far, of those that [`super::Load::stores`] says are needed.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens.load(Ordering::Relaxed)
    }

    /// Requests made ready to be sent so far.
    #[must_use]
    pub fn prepared(&self) -> u64 {
        self.prepared.load(Ordering::Relaxed)
    }

    /// Requests answered as they should be so far, warm-up and all.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.succeeded.load(Ordering::Relaxed)
    }

    /// Requests that failed so far, warm-up and all.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn drew(&self, tokens: u64) {
        self.tokens.fetch_add(tokens, Ordering::Relaxed);
    }

    pub(super) fn prepared_one(&self) {
        self.prepared.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, well: bool) {
        let counter = if well { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
