//! Where records are registered: in this node's files, or in Redis for all nodes.

use std::sync::Arc;

use pennyblack_shared::time::UnixTime;
use tokio::task::spawn_blocking;

use super::shared::SharedRecords;
use super::{KeyDirectory, Registered};
use crate::refusal::Refusal;

/// One of the two.
#[derive(Debug, Clone)]
pub(crate) enum Registry {
    /// This node is alone.
    Own(Arc<KeyDirectory>),
    /// It shares its records with others.
    Shared(Arc<SharedRecords>),
}

impl Registry {
    /// Verifies a record and keeps it. It is durable when this returns.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) async fn register(
        &self,
        token: String,
        now: UnixTime,
    ) -> Result<Registered, Refusal> {
        match self {
            Self::Own(directory) => {
                let directory = Arc::clone(directory);
                let registered = spawn_blocking(move || directory.register(&token, now)).await;
                registered.map_err(|error| Refusal::Internal(error.to_string()))?
            }
            Self::Shared(records) => records.register(token, now).await,
        }
    }
}
