//! What is counted of one key epoch.

/// The counts of one key epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Repetitions of a request that was stored.
    pub replayed: u64,
    /// Requests that were refused.
    pub refused: u64,
}
