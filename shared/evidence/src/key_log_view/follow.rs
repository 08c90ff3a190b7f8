//! What is demanded of an issuer's log of keys: whether there must be one, and whose key
//! it has. How its files are fetched is the caller's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{KeyLogView, MOST_ENTRIES};
use crate::key_calendar::TooManyKeys;
use crate::log_entry::LogEntryError;
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_tlog::note_key::{NoteKeyError, VerifierKey};
use pennyblack_tlog::{KeyName, LogSource, ReadLogError};

/// The path below a log's prefix of its verifier key.
const KEY: &str = "key";
/// Most bytes of a verifier key with its line feed.
const LARGEST_KEY: usize = 1024;

/// Whether keys must be in the issuer's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// They must; without a log no key is used.
    Required,
    /// They must if the issuer has a log, or had one at any time before.
    #[default]
    Published,
    /// The log is not looked at.
    Off,
}

/// What is demanded of an issuer's log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPolicy {
    /// Whether there must be one.
    pub demand: Demand,
    /// Its key, from elsewhere. Otherwise the first that the issuer shows is
    /// trusted, and no other from then on.
    pub key: Option<VerifierKey>,
    /// How long ago a key may have begun that is drawn of, if that is known: a later log
    /// may be kept from us. Only carriers draw.
    pub longest_epoch: Option<Duration>,
}

impl LogPolicy {
    /// A policy as it stands in a configuration. A key makes the log required.
    #[must_use]
    pub fn new(demand: Demand, key: Option<VerifierKey>) -> Self {
        let demand = match (demand, &key) {
            (Demand::Published, Some(_)) => Demand::Required,
            (demand, _) => demand,
        };
        Self {
            demand,
            key,
            longest_epoch: None,
        }
    }
}

/// A log that could not be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// Not read, or not to be trusted.
    #[error("the issuer's log of keys: {0}")]
    Log(ReadLogError),
    /// Proven by two checkpoints that it signed: not the log of before with other entries
    /// behind it.
    #[error(
        "the issuer's log of keys: {0}. Keep both checkpoints and ask the issuer's operator; its \
         keys are not used meanwhile"
    )]
    Contradiction(ReadLogError),
    /// The log is gone.
    #[error(
        "the checkpoint of the issuer's log of keys is missing, and there is such a log: it was \
         seen before, the issuer shows its key, or its key is configured"
    )]
    Gone,
    /// It claims more than it shows.
    #[error(
        "the issuer's log of keys claims {entries} entries and does not serve {path}: nothing \
         follows from what it does not show; its new keys are not used until it does"
    )]
    Unserved {
        /// For how many entries it has signed.
        entries: u64,
        /// Which file is not there.
        path: String,
    },
    /// More entries than the keys that a log may state can have.
    #[error("the issuer's log of keys claims {0} entries: at most {MOST_ENTRIES} are read")]
    TooLong(u64),
    /// More keys than key epochs need; what was remembered before stays.
    #[error("entry {index} of the issuer's log of keys: {error}: its keys are not used")]
    TooManyKeys {
        /// Its place, from 0.
        index: u64,
        /// Which limit it exceeds.
        error: TooManyKeys,
    },
    /// What is remembered has more.
    #[error("what is remembered of the issuer's log of keys: {0}")]
    RememberedKeys(#[from] TooManyKeys),
    /// An entry that is none.
    #[error("entry {index} of the issuer's log of keys: {error}")]
    Entry {
        /// Its place, from 0.
        index: u64,
        /// What is wrong with it.
        error: LogEntryError,
    },
    /// The key is of another log.
    #[error("the issuer's log of keys has the key of {actual}; that of {expected} is needed")]
    Name {
        /// What the issuer's log is called.
        expected: String,
        /// What the key is for.
        actual: KeyName,
    },
    /// The issuer's log has a key that is none.
    #[error("the issuer's log of keys: {0}")]
    Key(#[from] NoteKeyError),
    /// The key that the log had before is not the one that is configured.
    #[error(
        "the issuer's log of keys had the key {remembered}, and {configured} is configured: check \
         the configuration, or ask the issuer's operator for both"
    )]
    OtherKey {
        /// The key of before.
        remembered: Box<VerifierKey>,
        /// The key of the configuration.
        configured: Box<VerifierKey>,
    },
    /// The issuer keeps no log, and one is required.
    #[error(
        "{0} keeps no log of its keys, and one is required: without it a key could be shown to us \
         alone"
    )]
    NotPublished(Authority),
}

/// A log that could not be followed, and what is to be remembered of it all the same.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotFollowed {
    /// What is wrong.
    pub error: FollowError,
    /// What was known before, and that the log has signed more: it could take that back, if
    /// an error made us forget it.
    pub signed: Option<Box<KeyLogView>>,
}

impl<E: Into<FollowError>> From<E> for NotFollowed {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            signed: None,
        }
    }
}

impl From<ReadLogError> for FollowError {
    fn from(error: ReadLogError) -> Self {
        match error {
            ReadLogError::Rollback { .. } | ReadLogError::Fork { .. } => Self::Contradiction(error),
            ReadLogError::NoCheckpoint => Self::Gone,
            ReadLogError::Missing { tile, size } => Self::Unserved {
                entries: size,
                path: tile.to_string(),
            },
            other => Self::Log(other),
        }
    }
}

/// Follows the log of `issuer` to its end `now`, from where `memory` is; `source` has the
/// files. `None` when there is no log and there need not be one. The caller must persist
/// the answer before it uses a key because of it.
///
/// # Errors
/// [`NotFollowed`], of which the caller persists [`NotFollowed::signed`]; what was
/// remembered stays true.
pub async fn follow<S: LogSource>(
    issuer: &Authority,
    policy: &LogPolicy,
    memory: Option<KeyLogView>,
    source: &S,
    now: UnixTime,
) -> Result<Option<KeyLogView>, NotFollowed> {
    match beginning(issuer, policy, memory, source).await? {
        Some(view) => Ok(Some(view.advance(source, now).await?)),
        None => Ok(None),
    }
}

/// From where to read on: what is remembered, or nothing of a log whose key is
/// known or shown.
async fn beginning<S: LogSource>(
    issuer: &Authority,
    policy: &LogPolicy,
    memory: Option<KeyLogView>,
    source: &S,
) -> Result<Option<KeyLogView>, FollowError> {
    if policy.demand == Demand::Off {
        return Ok(None);
    }
    let key = match (memory, &policy.key) {
        (Some(memory), Some(configured)) if memory.log() != configured => {
            return Err(FollowError::OtherKey {
                remembered: Box::new(memory.log().clone()),
                configured: Box::new(configured.clone()),
            });
        }
        (Some(memory), _) => return Ok(Some(memory)),
        (None, Some(key)) => key.clone(),
        (None, None) => {
            let shown = source.read(KEY, LARGEST_KEY).await;
            match shown.map_err(ReadLogError::from)? {
                Some(key) => String::from_utf8_lossy(&key).trim_end().parse()?,
                None if policy.demand == Demand::Required => {
                    return Err(FollowError::NotPublished(issuer.clone()));
                }
                None => return Ok(None),
            }
        }
    };
    Ok(Some(KeyLogView::begin(key, issuer)?))
}
