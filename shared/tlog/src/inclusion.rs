//! A proof in a small file that an entry is in a log, to be checked anywhere and
//! without a network (C2SP tlog-proof). Not here: which entry; the checker must know that
//! or find it in `extra`.

use std::fmt;
use std::str::FromStr;

use super::checkpoint::{CheckpointError, SignedCheckpoint, parse_size};
use super::hash::{Hash, HashError};
use super::note::MAX_NOTE_SIZE;
use super::note_key::VerifierKey;
use super::proof::{self, LONGEST_PROOF, ProofError};
use pennyblack_base::encoding::{self, Base64Error};

/// What such a file begins with.
const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// Most bytes of `extra`: an entry of the largest size.
const MAX_EXTRA_SIZE: usize = u16::MAX as usize;
/// Longest file that is read, as [`LogProof::MAX_SIZE`].
const MAX_SIZE: usize = MAX_NOTE_SIZE + MAX_EXTRA_SIZE * 4 / 3 + LONGEST_PROOF * 45 + 128;

/// The proof, read and not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// What belongs to it, signed by nobody: here, the entry itself.
    pub extra: Option<Vec<u8>>,
    /// The entry's place in the log.
    pub index: u64,
    /// The way to the root.
    pub path: Vec<Hash>,
    /// The root, signed.
    pub checkpoint: SignedCheckpoint,
}

/// Text that is not such a proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogProofFormError {
    /// Longer than any.
    #[error("a log proof of {0} bytes: at most {MAX_SIZE} are read")]
    Size(usize),
    /// Not the lines that it has.
    #[error(
        "a log proof is the line {FIRST_LINE:?}, perhaps \"extra …\", \"index …\", hashes, an empty line and a checkpoint"
    )]
    Form,
    /// `extra` is not base64.
    #[error("a log proof: extra: {0}")]
    Extra(Base64Error),
    /// A line of the path is not a hash.
    #[error("a log proof: {0}")]
    Hash(#[from] HashError),
    /// More hashes than any path has.
    #[error("a log proof of more than {LONGEST_PROOF} hashes")]
    TooManyHashes,
    /// No checkpoint at the end.
    #[error("a log proof: {0}")]
    Checkpoint(#[from] CheckpointError),
}

/// A proof that proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogProofError {
    /// The checkpoint is not the log's.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entry is not in the tree.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl LogProof {
    /// Most bytes of such a file; what [`super::LogReader::prove`] gives has no more.
    pub const MAX_SIZE: usize = MAX_SIZE;

    /// Verifies that an entry with the hash `leaf` is in the log with this key.
    /// Whether witnesses have seen the checkpoint is asked of a
    /// [`super::WitnessPolicy`].
    ///
    /// # Errors
    /// [`LogProofError`].
    pub fn verify(&self, leaf: Hash, log: &VerifierKey) -> Result<(), LogProofError> {
        let tree = self.checkpoint.verify(log)?;
        proof::verify_inclusion(leaf, self.index, &tree, &self.path)?;
        Ok(())
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", encoding::base64_standard(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path
            .iter()
            .try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for LogProof {
    type Err = LogProofFormError;

    fn from_str(text: &str) -> Result<Self, LogProofFormError> {
        if text.len() > MAX_SIZE {
            return Err(LogProofFormError::Size(text.len()));
        }
        let form = || LogProofFormError::Form;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(form)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(form());
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.and_then(|line| line.strip_prefix("extra "));
        let extra = extra.map(encoding::from_base64_standard).transpose();
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(parse_size).ok_or_else(form)?;
        let mut path = Vec::new();
        for line in lines {
            if path.len() == LONGEST_PROOF {
                return Err(LogProofFormError::TooManyHashes);
            }
            path.push(line.parse()?);
        }
        Ok(Self {
            extra: extra.map_err(LogProofFormError::Extra)?,
            index,
            path,
            checkpoint: checkpoint.parse()?,
        })
    }
}
