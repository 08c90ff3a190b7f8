//! Why a statement is not in the log, at a leader and at a follower alike.

use http::StatusCode;
use pennyblack_service::peer::PeerError;

use super::NotStated;

/// Why a statement is not in the log, or not known to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// This node leads, and did not append it.
    #[error(transparent)]
    NotStated(#[from] NotStated),
    /// The leader has not stated it yet.
    #[error("the leader of the log has not stated it yet")]
    NotYet,
    /// The leader does not answer.
    #[error("the leader of the log: {0}")]
    NoAnswer(#[from] PeerError),
    /// The leader does not accept it.
    #[error("the leader of the log answers {0}")]
    Refused(StatusCode),
    /// The leader would not know this node.
    #[error(transparent)]
    Credential(Box<dyn std::error::Error + Send + Sync>),
}

impl StateError {
    /// Whether nothing is wrong: it is too early, as at each start.
    #[must_use]
    pub const fn is_early(&self) -> bool {
        matches!(self, Self::NotYet | Self::NotStated(NotStated::Unrecorded))
    }
}
