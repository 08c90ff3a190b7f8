//! Why the log cannot be opened, or an epoch not be closed in it.

use pennyblack_logserver::nodes::{OpenRoleError, StateError};
use pennyblack_redis::RedisError;

use super::TalliesError;

/// A log that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenCpsLogError {
    /// The log itself.
    #[error(transparent)]
    Log(#[from] OpenRoleError),
    /// The counts of key epochs.
    #[error(transparent)]
    Tallies(#[from] TalliesError),
}

/// A key epoch that is not closed in the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseEpochError {
    /// It is not stated.
    #[error(transparent)]
    State(#[from] StateError),
    /// The counts of the epoch, which all nodes have in common.
    #[error("the counts of the key epoch: {0}")]
    Tallies(#[from] RedisError),
}
