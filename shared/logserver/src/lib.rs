//! A transparency log on disk: entries that are durable when they are promised,
//! tiles and a signed checkpoint as plain files that any web server can mirror,
//! and the same over HTTP. Not here: the formats, the proofs and the entries
//! themselves.
//!
//! A log's directory:
//!
//! ```text
//! key                 the log's private key (mode 0600)
//! journal/            entries that are not in tiles yet
//! public/checkpoint   what was signed last
//! public/tile/…       tiles and entry bundles (C2SP tlog-tiles)
//! ```
//!
//! An entry is promised when it is in the journal. Tiles are made of entries that
//! are in the journal, and a checkpoint is signed for tiles that are on disk, so
//! after a crash at any step everything that was promised or signed is there.

pub mod files;
mod journal_record;
pub mod log;
mod log_key;
mod machine;
#[cfg(test)]
mod memory_files;
pub mod nodes;
pub mod opening;
#[cfg(test)]
mod reader_tests;
pub mod routes;
pub mod statements;

pub use files::{Directory, LogFiles};
pub use log::{AppendError, TransparencyLog};
pub use log_key::LogKeyError;
pub use opening::OpenLogError;
