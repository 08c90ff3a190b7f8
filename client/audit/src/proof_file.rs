//! One entry with the proof that it is in a log, as a small file (C2SP tlog-proof)
//! that is verified without a network. Not here: making one, which
//! [`pennyblack_tlog::LogReader::prove`] does.

use pennyblack_evidence::log_entry::{LogEntry, LogEntryError};
use pennyblack_tlog::cosignature::{Cosignature, PolicyError};
use pennyblack_tlog::inclusion::{LogProofError, LogProofFormError};
use pennyblack_tlog::note::NoteError;
use pennyblack_tlog::{CheckpointError, Hash, LogProof, VerifierKey, WitnessPolicy};

use super::misbehaviour::Misbehaviour;

/// A file that proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofFileError {
    /// Not such a file.
    #[error(transparent)]
    Form(#[from] LogProofFormError),
    /// Without the entry.
    #[error("the proof does not hold the entry itself (a line \"extra …\")")]
    NoEntry,
    /// The entry is not in the log, or the checkpoint not the log's.
    #[error(transparent)]
    Proof(#[from] LogProofError),
    /// Not cosigned by enough witnesses.
    #[error(transparent)]
    Witnesses(#[from] PolicyError),
    /// The entry is in the log and cannot be read.
    #[error("the entry is in the log, and: {0}")]
    Entry(#[from] LogEntryError),
}

impl ProofFileError {
    /// What is wrong with what the file shows; `None` if it is no such file.
    #[must_use]
    pub const fn misbehaviour(&self) -> Option<Misbehaviour> {
        match self {
            Self::Proof(LogProofError::Proof(_)) => Some(Misbehaviour::RewrittenEntry),
            Self::Proof(LogProofError::Checkpoint(
                CheckpointError::Note(NoteError::Missing { .. } | NoteError::Forged { .. })
                | CheckpointError::Origin { .. },
            ))
            | Self::Witnesses(PolicyError::Forged(_)) => Some(Misbehaviour::BadSignature),
            Self::Witnesses(PolicyError::TooFew { .. }) => Some(Misbehaviour::TooFewWitnesses),
            Self::Entry(_) => Some(Misbehaviour::Contradiction),
            _ => None,
        }
    }
}

/// An entry that is proven to be in a log.
#[derive(Debug, Clone)]
pub struct ProvenEntry {
    /// Its place, from 0.
    pub index: u64,
    /// The size of the log's tree in which it is.
    pub size: u64,
    /// The entry. That it is in the log is proven, not that it is true.
    pub entry: LogEntry,
    /// Who has cosigned the checkpoint, of the witnesses that were named.
    pub cosignatures: Vec<Cosignature>,
}

/// Verifies such a file.
///
/// # Errors
/// [`ProofFileError`].
pub fn verify_proof(
    text: &str,
    log: &VerifierKey,
    policy: &WitnessPolicy,
) -> Result<ProvenEntry, ProofFileError> {
    let proof: LogProof = text.parse()?;
    let entry = proof.extra.as_ref().ok_or(ProofFileError::NoEntry)?;
    proof.verify(Hash::of_leaf(entry), log)?;
    Ok(ProvenEntry {
        index: proof.index,
        size: proof.checkpoint.checkpoint().head.size,
        entry: LogEntry::parse(entry)?,
        cosignatures: policy.check(&proof.checkpoint)?,
    })
}
