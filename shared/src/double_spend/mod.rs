//! What is kept of a spend, and what it proves (docs/protocol.md sections 3 and
//! 7). Not here: the spent set that keeps it, and the log that publishes it.

mod record;

pub use record::SpendRecord;
