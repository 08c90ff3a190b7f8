//! Why a CPS's log, or a key that it serves, is not trusted.

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_tlog::cosignature::PolicyError;
use pennyblack_tlog::note_key::{NoteKeyError, VerifierKey};
use pennyblack_tlog::{KeyName, ReadLogError};

use super::ObliviousLogView;
use crate::log_entry::LogEntryError;
use crate::oblivious_keys::{KeyConfigDigest, ObliviousKeysError};

/// A CPS's log that could not be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObliviousLogError {
    /// Not read, or not to be trusted.
    #[error("the CPS's log: {0}")]
    Log(ReadLogError),
    /// Proven by two checkpoints that it signed.
    #[error(
        "the CPS's log: {0}. Keep both checkpoints and ask the CPS's operator; no new key of it \
         is used meanwhile"
    )]
    Contradiction(ReadLogError),
    /// Fewer witnesses have cosigned what it signed last than are demanded.
    #[error(
        "the CPS's log: {0}: it may be shown to us alone. No key is trusted because of it until \
         they have; if that does not come, ask the CPS's operator"
    )]
    TooFewWitnesses(PolicyError),
    /// An entry that is none.
    #[error("entry {index} of the CPS's log: {error}")]
    Entry {
        /// Its place, from 0.
        index: u64,
        /// What is wrong with it.
        error: LogEntryError,
    },
    /// Keys that no CPS announces that keeps to the protocol.
    #[error(
        "entry {index} of the CPS's log: {error}: it may give each client a key of its own, to \
         know it again; none of its new keys is used"
    )]
    Announcement {
        /// Its place, from 0.
        index: u64,
        /// What is wrong with it.
        error: ObliviousKeysError,
    },
    /// More was added since it was last read than is read at a time.
    #[error(
        "{read} of {entries} entries of the CPS's log are read: no key of it is trusted until all \
         are. Fetch again"
    )]
    Unfinished {
        /// So many are read.
        read: u64,
        /// So many it has.
        entries: u64,
    },
    /// The key is of another log.
    #[error("the CPS's log has the key of {actual}; that of {expected} is needed")]
    Name {
        /// What the CPS's log is called.
        expected: String,
        /// What the key is for.
        actual: KeyName,
    },
    /// The log's key is none.
    #[error("the CPS's log: {0}")]
    Key(#[from] NoteKeyError),
    /// The key that the log had before is not the one that is configured.
    #[error(
        "the CPS's log had the key {remembered}, and {configured} is configured: check the \
         configuration, or ask the CPS's operator for both"
    )]
    OtherKey {
        /// The key of before.
        remembered: Box<VerifierKey>,
        /// The key of the configuration.
        configured: Box<VerifierKey>,
    },
    /// There is no log.
    #[error(
        "{0} shows no log, and without one a key could be shown to us alone: is it the address \
         of a CPS?"
    )]
    NoLog(Authority),
}

impl From<ReadLogError> for ObliviousLogError {
    fn from(error: ReadLogError) -> Self {
        match error {
            ReadLogError::Rollback { .. } | ReadLogError::Fork { .. } => Self::Contradiction(error),
            ReadLogError::Witnesses(few @ PolicyError::TooFew { .. }) => Self::TooFewWitnesses(few),
            other => Self::Log(other),
        }
    }
}

impl ObliviousLogError {
    /// Whether the log was only not to be had, not cosigned yet, or not read to its end: that
    /// proves nothing against the CPS.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Log(ReadLogError::Source(_)) | Self::TooFewWitnesses(_) | Self::Unfinished { .. }
        )
    }
}

/// A log that could not be followed, and what is to be remembered of it all the same.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotFollowed {
    /// What is wrong.
    pub error: ObliviousLogError,
    /// What was known before, and that the log has signed more; or how far it was read.
    pub remembered: Option<Box<ObliviousLogView>>,
}

impl<E: Into<ObliviousLogError>> From<E> for NotFollowed {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            remembered: None,
        }
    }
}

/// A key configuration that the CPS serves and does not account for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAnnounced {
    /// It is not in the log.
    #[error(
        "the key configuration {key_config} is not in the log of {log} ({entries} entries): it may be \
         shown to us alone, to know our requests by it. It is not used; ask the CPS's operator"
    )]
    Missing {
        /// Which.
        key_config: KeyConfigDigest,
        /// The log.
        log: KeyName,
        /// How many entries it has.
        entries: u64,
    },
    /// It is of another KEM than the log says.
    #[error(
        "the key configuration {key_config} is of another KEM than the CPS's log says: it is not \
         used; ask the CPS's operator"
    )]
    OtherKem {
        /// Which.
        key_config: KeyConfigDigest,
    },
    /// One that everybody is to have is not served.
    #[error(
        "the CPS does not serve the key configuration {key_config}, which by its log is the newest \
         of its KEM since {since}: few others may use what it serves, which would mark our requests. \
         It is not used; ask the CPS's operator"
    )]
    LeftOut {
        /// Which is missing.
        key_config: KeyConfigDigest,
        /// When it began.
        since: UnixTime,
    },
}
