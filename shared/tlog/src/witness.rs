//! What a log asks of a witness, and what the witness decides (C2SP tlog-witness,
//! `add-checkpoint`). Not here: keeping what it has seen, which must be durable
//! and in step with the decision, and HTTP.

use std::fmt;
use std::str::FromStr;

use super::checkpoint::{CheckpointError, SignedCheckpoint, parse_size};
use super::cosignature::Cosigner;
use super::hash::{Hash, HashError};
use super::note::{MAX_NOTE_SIZE, SignatureLine};
use super::note_key::VerifierKey;
use super::proof::{self, ProofError};
use super::tree::TreeHead;
use pennyblack_base::encoding;
use pennyblack_base::time::UnixTime;

/// Most hashes of a consistency proof in a request.
const MOST_HASHES: usize = 63;
/// Bytes of a hash's line.
const HASH_LINE: usize = 45;

/// Longest request that is read: a proof, a size and a checkpoint.
pub const MAX_REQUEST_SIZE: usize = MAX_NOTE_SIZE + MOST_HASHES * HASH_LINE + 64;
/// Media type of the body of a 409: the size that the witness has seen.
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// Where a witness is asked for cosignatures, below its prefix.
pub const ADD_CHECKPOINT_PATH: &str = "/add-checkpoint";
/// Below this a witness shows the last checkpoint that it has cosigned of each log.
pub const LAST_CHECKPOINT_PATH: &str = "/checkpoint/";

/// How a log is named in the path of its last checkpoint: an origin may have slashes.
#[must_use]
pub fn origin_in_path(origin: &str) -> String {
    encoding::base64url(&encoding::sha256(origin.as_bytes()))
}

/// A request to cosign a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the log assumes the witness has seen.
    pub old_size: u64,
    /// The consistency proof from there.
    pub proof: Vec<Hash>,
    /// What is to be cosigned.
    pub checkpoint: SignedCheckpoint,
}

/// Text that is not such a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddCheckpointError {
    /// Longer than any request.
    #[error("a request of {0} bytes: at most {MAX_REQUEST_SIZE} are read")]
    Size(usize),
    /// No line with the old size, or no empty line before the checkpoint.
    #[error(
        "a request is the line \"old <size>\", the proof's hashes, an empty line and a checkpoint"
    )]
    Form,
    /// A line of the proof is not a hash.
    #[error("the proof: {0}")]
    Hash(#[from] HashError),
    /// More hashes than any proof has.
    #[error("a proof of more than {MOST_HASHES} hashes")]
    TooManyHashes,
    /// No checkpoint at the end.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof
            .iter()
            .try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for AddCheckpoint {
    type Err = AddCheckpointError;

    fn from_str(text: &str) -> Result<Self, AddCheckpointError> {
        if text.len() > MAX_REQUEST_SIZE {
            return Err(AddCheckpointError::Size(text.len()));
        }
        let form = AddCheckpointError::Form;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(form.clone())?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old_size = old.and_then(parse_size).ok_or(form)?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MOST_HASHES {
                return Err(AddCheckpointError::TooManyHashes);
            }
            proof.push(line.parse()?);
        }
        Ok(Self {
            old_size,
            proof,
            checkpoint: checkpoint.parse()?,
        })
    }
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessRefusal {
    /// No key of that log is known here.
    #[error("the log {0:?} is not known here")]
    UnknownLog(String),
    /// Not signed by the log.
    #[error(transparent)]
    Signature(#[from] CheckpointError),
    /// The old size is past the checkpoint's.
    #[error("the checkpoint has {new} entries, fewer than the old {old}")]
    OldSize {
        /// The size before.
        old: u64,
        /// The size after.
        new: u64,
    },
    /// The witness has seen another size than the log assumes.
    #[error("the last checkpoint that was seen here has {seen} entries, not {said}")]
    Seen {
        /// What the witness has seen.
        seen: u64,
        /// What the log said.
        said: u64,
    },
    /// The log has signed two trees of one size. Both checkpoints together prove it.
    #[error(
        "the log has signed two histories: of {size} entries with the root {seen}, and with {new}"
    )]
    Fork {
        /// The size of both.
        size: u64,
        /// The root that was seen before.
        seen: Hash,
        /// The root of this checkpoint.
        new: Hash,
    },
    /// The log contradicts itself: the tree does not begin with the one before.
    #[error("the log contradicts what it said before: {0}")]
    Inconsistent(ProofError),
    /// The proof is none. Anyone can send a published checkpoint with such a one: it says
    /// nothing about the log.
    #[error("it is not proven that the log continues what it said before: {0}")]
    Unproven(ProofError),
}

impl WitnessRefusal {
    /// The HTTP status to answer with.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::UnknownLog(_) => 404,
            Self::Signature(_) => 403,
            Self::OldSize { .. } => 400,
            Self::Seen { .. } | Self::Fork { .. } => 409,
            Self::Inconsistent(_) | Self::Unproven(_) => 422,
        }
    }
}

impl AddCheckpoint {
    /// Decides whether a witness that knows the keys in `logs`, and that has last
    /// seen the tree `seen` of this log, may cosign. The caller must make the
    /// returned tree durable as the last that was seen, with no other decision on
    /// this log in between, before [`Self::cosign`]ed lines leave.
    ///
    /// # Errors
    /// [`WitnessRefusal`].
    pub fn verify(
        &self,
        logs: &[VerifierKey],
        seen: Option<TreeHead>,
    ) -> Result<TreeHead, WitnessRefusal> {
        let origin = &self.checkpoint.checkpoint().origin;
        let keys = logs.iter().filter(|key| key.name().as_str() == origin);
        let log = self.key_that_signed(keys)?;
        let new = self.checkpoint.verify(log)?;
        if self.old_size > new.size {
            return Err(WitnessRefusal::OldSize {
                old: self.old_size,
                new: new.size,
            });
        }
        let seen = seen.unwrap_or_else(TreeHead::empty);
        if seen.size != self.old_size {
            return Err(WitnessRefusal::Seen {
                seen: seen.size,
                said: self.old_size,
            });
        }
        // There is only one empty tree: another root for it is not a fork but an error.
        if seen.size == new.size && seen.size > 0 && seen.root != new.root {
            return Err(WitnessRefusal::Fork {
                size: new.size,
                seen: seen.root,
                new: new.root,
            });
        }
        let proven = proof::verify_consistency(&seen, &new, &self.proof);
        proven.map_err(|error| match error {
            ProofError::Root { size, .. } if size == seen.size && size < new.size => {
                WitnessRefusal::Inconsistent(error)
            }
            _ => WitnessRefusal::Unproven(error),
        })?;
        Ok(new)
    }

    /// Of a log's keys the one that the checkpoint names, else the first.
    fn key_that_signed<'a>(
        &self,
        keys: impl Iterator<Item = &'a VerifierKey>,
    ) -> Result<&'a VerifierKey, WitnessRefusal> {
        let keys: Vec<_> = keys.collect();
        let note = self.checkpoint.note();
        let signed = keys.iter().find(|key| note.by(key).is_some());
        let unknown = || WitnessRefusal::UnknownLog(self.checkpoint.checkpoint().origin.clone());
        signed.or(keys.first()).copied().ok_or_else(unknown)
    }

    /// The line that a witness answers with, once what [`Self::verify`] returned is
    /// durable.
    #[must_use]
    pub fn cosign(&self, witness: &Cosigner, now: UnixTime) -> SignatureLine {
        witness.cosign(&self.checkpoint, now)
    }
}
