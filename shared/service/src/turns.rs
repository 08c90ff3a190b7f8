//! How many requests of a connection, or of a known client, are worked on at one time, so that
//! one with many does not keep out many with one each.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One in so many of all turns is for requests that wait with it for what all connections share.
const WAITING_OF: usize = 2;

/// The turns.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Turns {
    /// So many at one time.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(count)),
            waiting: Arc::new(Semaphore::new((count / WAITING_OF).max(1))),
        }
    }

    /// Waits for a turn. It lasts until the returned value, which is always there, is dropped.
    pub(crate) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// Waits for a turn of a request that will wait with it. **Others have the other half**: a
    /// relay's client could stop all that comes through the relay otherwise, by asking for what
    /// is waited for. The request must have given its turn back.
    pub(crate) async fn take_to_wait(&self) -> Vec<OwnedSemaphorePermit> {
        let waiting = Arc::clone(&self.waiting).acquire_owned().await.ok();
        waiting.into_iter().chain(self.take().await).collect()
    }

    #[cfg(test)]
    pub(crate) fn left(&self) -> usize {
        self.all.available_permits()
    }
}
