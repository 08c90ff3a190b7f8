//! Checkpoints: a log's signed word on how many entries it has and what their
//! root is (C2SP tlog-checkpoint). Not here: whether two of them agree, which a
//! consistency proof tells.

use std::fmt;
use std::str::FromStr;

use super::hash::HashError;
use super::note::{NoteError, SignatureLine, SignedNote};
use super::note_key::{KeyName, NoteSigner, VerifierKey};
use super::tree::TreeHead;

/// Longest text of a checkpoint that is read, without its signatures: anyone may send one,
/// and all of it is hashed before it is known whether the log has signed it. Real ones have
/// three lines of some 150 bytes.
pub const MAX_CHECKPOINT_TEXT: usize = 2 * 1024;

/// Text that is not a checkpoint, or one that is not the log's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not a note, or not signed by the log.
    #[error("checkpoint: {0}")]
    Note(#[from] NoteError),
    /// Longer than any checkpoint.
    #[error("the text of a checkpoint has at most {MAX_CHECKPOINT_TEXT} bytes")]
    TooLong,
    /// Fewer than three lines, or an empty one.
    #[error("a checkpoint has three lines or more, none of them empty")]
    Lines,
    /// The second line is not a number in its shortest form.
    #[error("{0:?} in a checkpoint is not a number of entries")]
    Size(String),
    /// The third line is not a hash.
    #[error("checkpoint: {0}")]
    Root(#[from] HashError),
    /// Another log's.
    #[error("the checkpoint is of the log {actual:?}, not of {expected}")]
    Origin {
        /// Whose it should be.
        expected: KeyName,
        /// Whose it says it is.
        actual: String,
    },
}

/// What a checkpoint says. As text it is three lines; extension lines, which
/// nobody can check, are kept and not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log: for one that is served, its URL without the scheme.
    pub origin: String,
    /// The tree.
    pub head: TreeHead,
    /// Lines after the third, each with its line feed.
    extensions: String,
}

impl Checkpoint {
    /// A checkpoint without extensions.
    #[must_use]
    pub fn new(origin: &KeyName, head: TreeHead) -> Self {
        Self {
            origin: origin.as_str().to_owned(),
            head,
            extensions: String::new(),
        }
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`NoteError::Text`], which does not happen: no part of it has a control
    /// character.
    pub fn sign(self, signer: &NoteSigner) -> Result<SignedCheckpoint, NoteError> {
        Ok(SignedCheckpoint {
            note: SignedNote::sign(self.to_string(), signer)?,
            checkpoint: self,
        })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TreeHead { size, root } = self.head;
        write!(f, "{}\n{size}\n{root}\n{}", self.origin, self.extensions)
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let all = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = all.splitn(4, '\n');
        let mut line = || lines.next().ok_or(CheckpointError::Lines);
        let (origin, size, root) = (line()?, line()?, line()?);
        let extensions = lines.next().map(|rest| format!("{rest}\n"));
        let extensions = extensions.unwrap_or_default();
        if origin.is_empty() || extensions.split_terminator('\n').any(str::is_empty) {
            return Err(CheckpointError::Lines);
        }
        let head = TreeHead {
            size: parse_size(size).ok_or_else(|| CheckpointError::Size(shortened(size)))?,
            root: root.parse()?,
        };
        Ok(Self {
            origin: origin.to_owned(),
            head,
            extensions,
        })
    }
}

/// A number in decimal digits, in the only form it has.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let size: u64 = text.parse().ok()?;
    (size.to_string() == text).then_some(size)
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// A checkpoint with its signatures, read and not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: SignedNote,
    checkpoint: Checkpoint,
}

impl SignedCheckpoint {
    /// What it says. Not to be trusted before [`Self::verify`].
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note that it is.
    #[must_use]
    pub const fn note(&self) -> &SignedNote {
        &self.note
    }

    /// Adds a signature, in place of another by the same key.
    pub fn add(&mut self, signature: SignatureLine) {
        self.note.add(signature);
    }

    /// Verifies that the log with this key and name says so.
    ///
    /// # Errors
    /// [`CheckpointError::Origin`] or [`CheckpointError::Note`].
    pub fn verify(&self, log: &VerifierKey) -> Result<TreeHead, CheckpointError> {
        if self.checkpoint.origin != log.name().as_str() {
            return Err(CheckpointError::Origin {
                expected: log.name().clone(),
                actual: shortened(&self.checkpoint.origin),
            });
        }
        self.note.verify(log)?;
        Ok(self.checkpoint.head)
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl FromStr for SignedCheckpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        // The first empty line ends the text, since it has none itself.
        let longest = MAX_CHECKPOINT_TEXT + 1;
        let start = text.as_bytes().get(..longest).unwrap_or(text.as_bytes());
        if text.len() > longest && !start.windows(2).any(|two| two == b"\n\n") {
            return Err(CheckpointError::TooLong);
        }
        let note: SignedNote = text.parse()?;
        let checkpoint = note.text().parse()?;
        Ok(Self { note, checkpoint })
    }
}
