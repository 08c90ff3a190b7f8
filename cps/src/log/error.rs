//! Why the log cannot be opened, or nothing be stated in it.

use http::StatusCode;
use pennyblack_http::HttpError;
use pennyblack_logserver::nodes::{MemoryError, NotKept};
use pennyblack_logserver::statements::OpenStatementsError;
use pennyblack_redis::RedisError;
use pennyblack_service::peer::PeerError;
use pennyblack_tlog::NoteKeyError;

use super::TalliesError;
use crate::store::StoreError;

/// A log that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenCpsLogError {
    /// The log itself.
    #[error(transparent)]
    Log(#[from] OpenStatementsError),
    /// The counts of key epochs.
    #[error(transparent)]
    Tallies(#[from] TalliesError),
    /// The CPS's name cannot be a log's.
    #[error("the log: {0}")]
    Name(#[from] NoteKeyError),
    /// What was read of the log that another node keeps.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The node that keeps it cannot be asked.
    #[error("[transparency_log] the node that keeps the log cannot be asked: {0}: check tls_roots")]
    Keeper(#[from] HttpError),
}

/// Something that is not in the log, or of which that is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CpsLogError {
    /// This node keeps the log, and it was not appended.
    #[error(transparent)]
    Kept(#[from] NotKept),
    /// The counts of the epoch, which all nodes have in common.
    #[error("the counts of the key epoch: {0}")]
    Tallies(#[from] RedisError),
    /// Another node keeps it, and has not stated it yet.
    #[error("the node that keeps the log has not stated it yet")]
    NotYet,
    /// Another node keeps it, and does not answer.
    #[error("the node that keeps the log: {0}")]
    Keeper(#[from] PeerError),
    /// Another node keeps it, and does not take it.
    #[error("the node that keeps the log answers {0}")]
    Refused(StatusCode),
    /// Another node keeps it, and would not know this one.
    #[error(transparent)]
    Credential(#[from] StoreError),
}
