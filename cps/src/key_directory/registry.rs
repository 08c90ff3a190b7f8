//! Where records are registered: in this node's files, or in Redis for all nodes.

use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use tokio::task::spawn_blocking;

use super::shared::SharedRecords;
use super::{KeyDirectory, Registered};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// One of the two.
#[derive(Debug, Clone)]
pub(crate) enum Registry {
    /// This node is alone.
    Own(Arc<KeyDirectory>),
    /// It shares its records with others.
    Shared(Arc<SharedRecords>),
}

impl Registry {
    /// Waits until everything is known here that was registered at any node before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub(crate) async fn catch_up(&self) -> Result<(), StoreError> {
        match self {
            Self::Own(_) => Ok(()),
            Self::Shared(records) => records.catch_up().await,
        }
    }

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
