//! Transparency logs: an append-only list of entries whose operator cannot drop,
//! change or reorder one without everybody seeing it who looks. Merkle trees of
//! RFC 6962 (proofs as RFC 9162 section 2.1 verifies them), and the C2SP forms
//! signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles, tlog-witness and
//! tlog-proof; and the one reader of a log, which trusts only what is proven.
//! Not here: what the entries say, and how a log is kept.

pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
pub mod edge;
pub mod hash;
pub mod inclusion;
pub mod note;
pub mod note_key;
pub mod proof;
pub mod reader;
pub mod tile;
pub mod tree;
pub mod witness;

pub use bundle::{BundleError, EntryBundle, MAX_ENTRY_SIZE};
pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use cosignature::{Cosignature, Cosigner, WitnessPolicy};
pub use hash::{HASH_SIZE, Hash};
pub use inclusion::LogProof;
pub use note::{NoteError, SignatureLine, SignedNote};
pub use note_key::{KeyId, KeyName, NoteKeyError, NoteSigner, VerifierKey};
pub use proof::{ProofError, prove_consistency, prove_inclusion};
pub use reader::{LogReader, LogSource, Mirror, Position, ReadLogError};
pub use tile::{FULL_TILE, Tile, TileKind};
pub use tree::{Frontier, Node, TreeHead};
pub use witness::AddCheckpoint;

#[cfg(test)]
mod tests;
