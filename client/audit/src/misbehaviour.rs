//! What an operator can do wrong, each with a sentence and an exit code of its own.
//! Not here: how it is found.

use std::time::Duration;

use pennyblack_evidence::double_spend::EvidenceError;
use pennyblack_evidence::key_calendar::SHORTEST_EPOCH;
use pennyblack_evidence::key_log_view::LOG_PATH;
use pennyblack_evidence::log_entry::LogEntryError;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_tlog::ReadLogError;
use pennyblack_tlog::note::NoteError;
use pennyblack_tlog::reader::PositionError;
use pennyblack_tlog::{CheckpointError, KeyName};
use serde::Serialize;

use super::epochs::MAX_EPOCHS;
use super::place::LogPlaceError;
use super::state::StateError;

/// A kind of misbehaviour. The numbers are the exit codes of `pennyblack audit`;
/// docs/auditing.md has the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Misbehaviour {
    /// The log has signed two histories.
    Fork = 20,
    /// The log shows fewer entries than it has signed for before.
    Rollback = 21,
    /// An entry or a tile is not what was signed for.
    RewrittenEntry = 22,
    /// A file that was signed for is not there.
    MissingTile = 23,
    /// A checkpoint or a cosignature is not signed by the right key.
    BadSignature = 24,
    /// A double spend whose evidence does not prove it.
    FalseAccusation = 25,
    /// More tokens of a key were spent than issued.
    MoreSpentThanIssued = 26,
    /// Fewer witnesses have cosigned than the auditor demands.
    TooFewWitnesses = 27,
    /// A key at the CPS that the issuer has not announced.
    UnknownKey = 28,
    /// An entry that cannot be read, or that contradicts an earlier one.
    Contradiction = 29,
    /// More keys than a log may state, or double spends on more days.
    Excess = 30,
    /// Two keys of an issuer that begin too close to each other.
    KeysTooClose = 31,
}

impl Misbehaviour {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Fork,
        Self::Rollback,
        Self::RewrittenEntry,
        Self::MissingTile,
        Self::BadSignature,
        Self::FalseAccusation,
        Self::MoreSpentThanIssued,
        Self::TooFewWitnesses,
        Self::UnknownKey,
        Self::Contradiction,
        Self::Excess,
        Self::KeysTooClose,
    ];

    /// The exit code of the program.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        self as u8
    }
}

/// Why an audit has no good end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// A log cannot be read, or is not what its operator signed.
    #[error("{log}: {error}")]
    Log {
        /// Which.
        log: KeyName,
        /// What is wrong.
        error: ReadLogError,
    },
    /// An entry that is none.
    #[error("{log}: entry {index}: {error}")]
    Entry {
        /// In which log.
        log: KeyName,
        /// Its place, from 0.
        index: u64,
        /// What is wrong.
        error: LogEntryError,
    },
    /// A double spend whose evidence does not prove it.
    #[error("{log}: entry {index} accuses somebody falsely of a double spend: {error}")]
    FalseAccusation {
        /// In which log.
        log: KeyName,
        /// Its place, from 0.
        index: u64,
        /// What does not hold.
        error: EvidenceError,
    },
    /// A double spend that is said to have happened at another CPS.
    #[error(
        "{log}: entry {index} accuses somebody of a double spend at {cps}, which keeps another log"
    )]
    ElsewhereAccusation {
        /// In which log.
        log: KeyName,
        /// Its place, from 0.
        index: u64,
        /// Where.
        cps: String,
    },
    /// A key that the issuer has not announced.
    #[error(
        "{log}: entry {index}: the key {key} is not in the log of the issuer {issuer}: its tokens \
         would single out the clients that hold them"
    )]
    UnknownKey {
        /// In which log.
        log: KeyName,
        /// The entry's place, from 0.
        index: u64,
        /// The key.
        key: TokenKeyId,
        /// Whose key the CPS says it is.
        issuer: String,
    },
    /// A double spend of a key of which nothing was said before.
    #[error("{log}: entry {index}: a double spend of the key {key}, which the CPS never opened")]
    NeverOpened {
        /// In which log.
        log: KeyName,
        /// The entry's place, from 0.
        index: u64,
        /// The key.
        key: TokenKeyId,
    },
    /// A key that was opened while the issuer's log was not followed, and is not in it.
    #[error(
        "the key {key}, whose tokens the CPS takes, is not in the log of its issuer {issuer}: its \
         tokens would single out the clients that hold them"
    )]
    NotAnnounced {
        /// The key's id, in hexadecimal digits.
        key: String,
        /// Whose key the CPS says it is.
        issuer: String,
    },
    /// An issuer's log was followed before and is not named now.
    #[error(
        "this state also follows the log {0}: name it again with --issuer and --issuer-key, or go \
         on with another --state if that issuer is no member of the roster any more"
    )]
    IssuerNotNamed(String),
    /// The log of one issuer was named more than once.
    #[error("the log {0} is named twice: name each issuer's log once, with its key")]
    IssuerTwice(KeyName),
    /// A key of another log than an issuer's.
    #[error(
        "{0} is not the name of an issuer's log, which is the issuer's authority and {LOG_PATH}: \
         give the key of the issuer's log with --issuer-key"
    )]
    NoIssuersLog(KeyName),
    /// An entry that does not fit those before it.
    #[error("{log}: entry {index} contradicts the log: {what}")]
    Contradiction {
        /// In which log.
        log: KeyName,
        /// Its place, from 0.
        index: u64,
        /// How.
        what: &'static str,
    },
    /// Two keys that begin so close to each other that few can have drawn of one of them.
    #[error(
        "{log}: entry {index}: the keys {key} and {other} begin {} s apart, at least {} s are \
         needed: a carrier that was shown it alone is known by its tokens",
        apart.as_secs(), SHORTEST_EPOCH.as_secs()
    )]
    KeysTooClose {
        /// In which log.
        log: KeyName,
        /// Its place, from 0.
        index: u64,
        /// The key of the entry.
        key: TokenKeyId,
        /// The id of the one that it is close to, in hexadecimal digits.
        other: String,
        /// How far apart they begin.
        apart: Duration,
    },
    /// More than a log may state: nothing of it is kept.
    #[error("{log}: entry {index}: {what}")]
    Excess {
        /// In which log.
        log: KeyName,
        /// Its place, from 0.
        index: u64,
        /// Of what.
        what: String,
    },
    /// More keys than an auditor keeps. Each log may be within its limits.
    #[error(
        "{log}: entry {index}: one more token key than the {MAX_EPOCHS} that are kept, of all issuers \
         together. No log is wrong by that: follow fewer issuers, with another --state"
    )]
    TooManyKeys {
        /// In which log.
        log: KeyName,
        /// The entry's place, from 0.
        index: u64,
    },
    /// The time was up before anything new was proven.
    #[error(
        "the time is up, and nothing new could be proven in it: the logs answer too slowly. What was \
         known before is kept; run it again, with a larger --time-limit if this persists"
    )]
    TimeUp,
    /// The totals of CPS and issuer do not agree.
    #[error("key {key}: {spent} tokens spent, but only {issued} issued")]
    MoreSpentThanIssued {
        /// The key's id, in hexadecimal digits.
        key: String,
        /// What the CPS says.
        spent: u64,
        /// What the issuer says.
        issued: u64,
    },
    /// The totals of all CPSs together and of an issuer do not agree.
    #[error(
        "all CPSs together have accepted {spent} tokens of the key {key} of {issuer}, and only \
         {issued} were issued"
    )]
    MoreSpentTogether {
        /// Whose key it is.
        issuer: String,
        /// The key's id, in hexadecimal digits.
        key: String,
        /// What the CPSs say.
        spent: u64,
        /// What the issuer says.
        issued: u64,
    },
    /// The auditor's own state.
    #[error(transparent)]
    State(#[from] StateError),
    /// A log that cannot be addressed.
    #[error(transparent)]
    Place(#[from] LogPlaceError),
    /// The position that was kept.
    #[error("{log}: {error}")]
    Position {
        /// In which log.
        log: KeyName,
        /// What is wrong.
        error: PositionError,
    },
}

impl AuditError {
    /// Whose log it is about, if it is about one alone.
    #[must_use]
    pub const fn log(&self) -> Option<&KeyName> {
        match self {
            Self::Log { log, .. }
            | Self::Entry { log, .. }
            | Self::FalseAccusation { log, .. }
            | Self::ElsewhereAccusation { log, .. }
            | Self::UnknownKey { log, .. }
            | Self::NeverOpened { log, .. }
            | Self::Contradiction { log, .. }
            | Self::KeysTooClose { log, .. }
            | Self::Excess { log, .. }
            | Self::TooManyKeys { log, .. }
            | Self::Position { log, .. } => Some(log),
            _ => None,
        }
    }

    /// What the operator did wrong; `None` if this says nothing about the operator.
    #[must_use]
    pub fn misbehaviour(&self) -> Option<Misbehaviour> {
        Some(match self {
            Self::Log { error, .. } => return Misbehaviour::of_reading(error),
            Self::Entry { .. } | Self::Contradiction { .. } => Misbehaviour::Contradiction,
            Self::FalseAccusation { .. } | Self::ElsewhereAccusation { .. } => {
                Misbehaviour::FalseAccusation
            }
            Self::UnknownKey { .. } | Self::NeverOpened { .. } | Self::NotAnnounced { .. } => {
                Misbehaviour::UnknownKey
            }
            Self::MoreSpentThanIssued { .. } | Self::MoreSpentTogether { .. } => {
                Misbehaviour::MoreSpentThanIssued
            }
            Self::Excess { .. } => Misbehaviour::Excess,
            Self::KeysTooClose { .. } => Misbehaviour::KeysTooClose,
            Self::TimeUp
            | Self::TooManyKeys { .. }
            | Self::State(_)
            | Self::Place(_)
            | Self::Position { .. }
            | Self::IssuerNotNamed(_)
            | Self::IssuerTwice(_)
            | Self::NoIssuersLog(_) => {
                return None;
            }
        })
    }
}

impl Misbehaviour {
    /// What the operator of a log did wrong that cannot be read; `None` if this says nothing about
    /// the operator.
    #[must_use]
    pub fn of_reading(error: &ReadLogError) -> Option<Self> {
        use pennyblack_tlog::cosignature::PolicyError;
        Some(match error {
            ReadLogError::Fork { .. } => Self::Fork,
            ReadLogError::Rollback { .. } => Self::Rollback,
            ReadLogError::Diverged { .. }
            | ReadLogError::Rewritten { .. }
            | ReadLogError::Tile { .. }
            | ReadLogError::Root { .. }
            | ReadLogError::Bundle(_)
            | ReadLogError::TileSize(_) => Self::RewrittenEntry,
            ReadLogError::Missing { .. } => Self::MissingTile,
            ReadLogError::Checkpoint(
                CheckpointError::Note(NoteError::Missing { .. } | NoteError::Forged { .. })
                | CheckpointError::Origin { .. },
            )
            | ReadLogError::Witnesses(PolicyError::Forged(_)) => Self::BadSignature,
            ReadLogError::Witnesses(PolicyError::TooFew { .. }) => Self::TooFewWitnesses,
            _ => return None,
        })
    }
}
