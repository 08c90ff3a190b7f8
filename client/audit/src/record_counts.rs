//! Entries about key records, counted. **Nothing is concluded from them**: an auditor that does
//! not keep each hash cannot tell one that is published twice, and one that is published or
//! ended without need harms nobody (docs/decisions/0027-record-log.md). Not here: whose records
//! they are, which the log does not say.

/// How many entries there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordCounts {
    /// Key records that were published.
    pub published: u64,
    /// Those that ended before their time.
    pub ended: u64,
}
