//! Comparing what two auditors have seen of a log, or what one has seen with what the
//! log shows now: of one log there is one history. Not here: reading their states.

use pennyblack_tlog::LogReader;
use pennyblack_tlog::Position;
use pennyblack_tlog::ReadLogError;
use pennyblack_tlog::{KeyName, NoteKeyError, TreeHead, VerifierKey, WitnessPolicy};

use super::misbehaviour::{AuditError, Misbehaviour};
use super::place::LogPlace;
use super::state::{KeptLog, State};

/// A log as somebody has seen it: the last checkpoint that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenLog {
    key: VerifierKey,
    head: TreeHead,
}

/// What an auditor has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The CPS's log.
    pub cps: SeenLog,
    /// Those of issuers that were followed.
    pub issuers: Vec<SeenLog>,
}

/// Two views that agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Of which log.
    pub log: KeyName,
    /// How many entries both have seen.
    pub common: u64,
    /// How many entries the one has seen that knows more.
    pub max: u64,
}

/// Why two views do not agree, or why that cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// The views contradict each other, or the log cannot be read or trusted.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A key in a state.
    #[error("the auditor's state names a key that is none: {0}")]
    Key(#[from] NoteKeyError),
    /// They have followed different logs.
    #[error("one has followed the log {one}, and the other {other}: there is nothing to compare")]
    OtherLog {
        /// The first.
        one: KeyName,
        /// The second.
        other: KeyName,
    },
    /// One log, two keys.
    #[error(
        "the log {log} has one key for the first auditor ({one}) and another for the second \
         ({other}): ask its operator which key is the log's. If both are, each of you was shown a \
         log of its own; if one is not, nothing follows from what its auditor has seen"
    )]
    OtherKey {
        /// Which log.
        log: KeyName,
        /// The first key.
        one: Box<VerifierKey>,
        /// The second.
        other: Box<VerifierKey>,
    },
    /// The log must be asked.
    #[error(
        "{log}: one auditor has seen {one} entries and the other {other}: name the log, or a copy of \
         it, with {option}; its tiles show whether the longer begins with the shorter"
    )]
    LogNeeded {
        /// Which log.
        log: KeyName,
        /// What the first has seen.
        one: u64,
        /// What the second has seen.
        other: u64,
        /// The option of the program by which it is named.
        option: &'static str,
    },
}

impl CompareError {
    /// What the operator did wrong; `None` if this says nothing about the operator, as
    /// another key does: anyone can make a log with that name and a key of one's own.
    #[must_use]
    pub fn misbehaviour(&self) -> Option<Misbehaviour> {
        match self {
            Self::Audit(error) => error.misbehaviour(),
            _ => None,
        }
    }
}

impl Seen {
    /// What is in an auditor's state. Its checkpoints are verified.
    ///
    /// # Errors
    /// [`CompareError::Key`], or [`AuditError::Position`].
    pub fn of<E>(state: &State<E>) -> Result<Self, CompareError> {
        let issuers = state.issuers.iter().map(SeenLog::of);
        Ok(Self {
            cps: SeenLog::of(&state.cps)?,
            issuers: issuers.collect::<Result<_, _>>()?,
        })
    }
}

impl SeenLog {
    fn of(kept: &KeptLog) -> Result<Self, CompareError> {
        let key: VerifierKey = kept.key.parse()?;
        let position =
            Position::parse(&kept.position, &key).map_err(|error| AuditError::Position {
                log: key.name().clone(),
                error,
            })?;
        Ok(Self {
            // What was signed, also if not all of it was read yet.
            head: position.signed(),
            key,
        })
    }

    /// The log's name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        self.key.name()
    }

    /// Compares with what another has seen. If one has seen more, `log` must be there
    /// to tell whether that begins with what the other has seen; else the error says
    /// that `option` is missing.
    ///
    /// # Errors
    /// [`CompareError`]; of two histories [`ReadLogError::Fork`].
    pub async fn compare(
        &self,
        other: &Self,
        log: Option<LogPlace>,
        option: &'static str,
    ) -> Result<Agreement, CompareError> {
        self.require_same_log(other)?;
        let (one, two) = (self.head, other.head);
        if one.size == two.size && one.root != two.root {
            let fork = ReadLogError::Fork {
                size: one.size,
                seen: one.root,
                later: two.size,
                shown: two.root,
            };
            return Err(self.found(fork).into());
        }
        let agreement = Agreement {
            log: self.name().clone(),
            common: one.size.min(two.size),
            max: one.size.max(two.size),
        };
        if one.size == two.size {
            return Ok(agreement);
        }
        let log = log.ok_or_else(|| CompareError::LogNeeded {
            log: self.name().clone(),
            one: one.size,
            other: two.size,
            option,
        })?;
        // Whatever both are the beginning of is one history.
        self.require_beginning_of(log, &[one, two]).await?;
        Ok(agreement)
    }

    /// Compares with what the log shows now.
    ///
    /// # Errors
    /// [`CompareError`]; of two histories [`ReadLogError::Fork`].
    pub async fn compare_with_log(&self, log: LogPlace) -> Result<Agreement, CompareError> {
        let now = self.require_beginning_of(log, &[self.head]).await?;
        Ok(Agreement {
            log: self.name().clone(),
            common: self.head.size,
            max: now.size,
        })
    }

    fn require_same_log(&self, other: &Self) -> Result<(), CompareError> {
        if self.name() != other.name() {
            return Err(CompareError::OtherLog {
                one: self.name().clone(),
                other: other.name().clone(),
            });
        }
        if self.key != other.key {
            return Err(CompareError::OtherKey {
                log: self.name().clone(),
                one: Box::new(self.key.clone()),
                other: Box::new(other.key.clone()),
            });
        }
        Ok(())
    }

    /// Requires that the log begins with each of these trees, and tells the log's.
    async fn require_beginning_of(
        &self,
        log: LogPlace,
        trees: &[TreeHead],
    ) -> Result<TreeHead, AuditError> {
        let reader = LogReader::new(log, self.key.clone(), WitnessPolicy::default());
        let read = async {
            let now = reader.checkpoint().await?.checkpoint().head;
            for tree in trees {
                reader.require_consistent(tree, &now).await?;
            }
            Ok(now)
        };
        read.await.map_err(|error| self.found(error))
    }

    fn found(&self, error: ReadLogError) -> AuditError {
        AuditError::Log {
            log: self.name().clone(),
            error,
        }
    }
}
