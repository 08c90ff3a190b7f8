//! How a reader follows an issuer's log of keys: what it asks for, in which order,
//! and what it makes of a log that is not there. How bytes are fetched is the
//! caller's.

use std::future::Future;

use serde::{Deserialize, Serialize};

use super::{KeyLogView, KeyLogViewError, LARGEST_BUNDLE, LOG_PATH};
use pennyblack_base::authority::Authority;
use pennyblack_tlog::note::MAX_NOTE_SIZE;
use pennyblack_tlog::note_key::{NoteKeyError, VerifierKey};
use pennyblack_tlog::{KeyName, SignedCheckpoint};

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
    /// believed, and no other from then on.
    pub key: Option<VerifierKey>,
}

impl LogPolicy {
    /// A policy as it stands in a configuration. A key makes the log required.
    #[must_use]
    pub fn new(demand: Demand, key: Option<VerifierKey>) -> Self {
        let demand = match (demand, &key) {
            (Demand::Published, Some(_)) => Demand::Required,
            (demand, _) => demand,
        };
        Self { demand, key }
    }
}

/// Fetches the resources of a service.
pub trait LogFetch {
    /// Why there was no answer to go by.
    type Error: std::error::Error;

    /// The content of the resource at `path`, of at most `most` bytes; `None` if
    /// the service says that there is none (404).
    fn get(
        &mut self,
        path: &str,
        most: usize,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, Self::Error>> + Send;
}

/// A log that could not be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError<E: std::error::Error> {
    /// Not fetched.
    #[error("the issuer's log of keys: {0}")]
    Fetch(E),
    /// Fetched, and not to be believed.
    #[error(transparent)]
    View(#[from] KeyLogViewError),
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
    /// The log, or a part of it, is gone.
    #[error("{path} of the issuer's log of keys is gone, {log} was there before")]
    Gone {
        /// The log.
        log: KeyName,
        /// What is not there.
        path: String,
    },
}

/// Follows the log of `issuer` to its end, from where `memory` is. `None` when
/// there is no log and there need not be one. The answer is to be kept before a
/// key is used because of it.
///
/// # Errors
/// [`FollowError`]; what was remembered stays true.
pub async fn follow<F: LogFetch>(
    issuer: &Authority,
    policy: &LogPolicy,
    memory: Option<KeyLogView>,
    fetch: &mut F,
) -> Result<Option<KeyLogView>, FollowError<F::Error>> {
    let Some(view) = beginning(issuer, policy, memory, fetch).await? else {
        return Ok(None);
    };
    let path = format!("{LOG_PATH}/checkpoint");
    let checkpoint = require(&view, &path, MAX_NOTE_SIZE, fetch).await?;
    let checkpoint = String::from_utf8_lossy(&checkpoint);
    let checkpoint: SignedCheckpoint = checkpoint.parse().map_err(KeyLogViewError::from)?;
    let mut reading = view.read(checkpoint)?;
    while let Some(tile) = reading.wanted() {
        let path = format!("{LOG_PATH}/{tile}");
        reading.take(require(&view, &path, LARGEST_BUNDLE, fetch).await?)?;
    }
    Ok(Some(reading.finish()?))
}

/// From where to read on: what is remembered, or nothing of a log whose key is
/// known or shown.
async fn beginning<F: LogFetch>(
    issuer: &Authority,
    policy: &LogPolicy,
    memory: Option<KeyLogView>,
    fetch: &mut F,
) -> Result<Option<KeyLogView>, FollowError<F::Error>> {
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
            let shown = fetch.get(&format!("{LOG_PATH}/key"), LARGEST_KEY).await;
            match shown.map_err(FollowError::Fetch)? {
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

async fn require<F: LogFetch>(
    view: &KeyLogView,
    path: &str,
    most: usize,
    fetch: &mut F,
) -> Result<Vec<u8>, FollowError<F::Error>> {
    let found = fetch.get(path, most).await.map_err(FollowError::Fetch)?;
    found.ok_or_else(|| FollowError::Gone {
        log: view.log().name().clone(),
        path: path.to_owned(),
    })
}
