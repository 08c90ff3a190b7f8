//! Where records are registered: verified on threads of their own, then kept in this
//! node's files, or in Redis for all nodes.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::VerifiedKeyRecord;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::worker_pool::PoolError;
use pennyblack_trust::VerificationPool;
use tokio::task::spawn_blocking;

use super::shared::SharedRecords;
use super::{KeyDirectory, Registered};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Listed records whose certificates are verified again in one job, which keeps a thread
/// for some milliseconds.
const BATCH: usize = 16;
/// How long the next job is put off while as many wait as may.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// Verifies records and keeps them.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    directory: Arc<KeyDirectory>,
    /// None when this node is alone.
    shared: Option<Arc<SharedRecords>>,
    verification: Arc<VerificationPool>,
}

impl Registry {
    /// Keeps records in the files of `directory`.
    pub(crate) const fn own(
        directory: Arc<KeyDirectory>,
        verification: Arc<VerificationPool>,
    ) -> Self {
        Self {
            directory,
            shared: None,
            verification,
        }
    }

    /// Keeps records in `shared`; `directory` is what this node knows of them.
    pub(crate) const fn shared(
        directory: Arc<KeyDirectory>,
        shared: Arc<SharedRecords>,
        verification: Arc<VerificationPool>,
    ) -> Self {
        Self {
            directory,
            shared: Some(shared),
            verification,
        }
    }

    /// Waits until everything is known here that was registered at any node before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub(crate) async fn catch_up(&self) -> Result<(), StoreError> {
        match &self.shared {
            None => Ok(()),
            Some(records) => records.catch_up().await,
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
        self.directory.check_complete()?;
        let token: Arc<str> = token.into();
        self.ask_for_holders(&token, now).await?;
        let directory = Arc::clone(&self.directory);
        let considered = self
            .verification
            .run(move || directory.consider(&token, now));
        let Some(record) = considered.await?? else {
            return Ok(Registered::Unchanged);
        };
        match &self.shared {
            Some(records) => records.keep(record, now).await,
            None => {
                let directory = Arc::clone(&self.directory);
                let kept = spawn_blocking(move || directory.keep(record, now)).await;
                kept.map_err(|error| Refusal::Internal(error.to_string()))?
            }
        }
    }

    /// Has the numbering service asked, if there is one, whether the signer of a record holds
    /// its numbers.
    async fn ask_for_holders(&self, token: &Arc<str>, now: UnixTime) -> Result<(), Refusal> {
        let Some(asked) = &self.directory.policy.asked else {
            return Ok(());
        };
        let (directory, token) = (Arc::clone(&self.directory), Arc::clone(token));
        let numbers = self
            .verification
            .run(move || directory.numbers_to_ask(&token, now));
        match numbers.await?? {
            Some(numbers) => asked.ask(&numbers).await,
            None => Ok(()),
        }
    }

    /// Whenever the roots or revocation lists changed, takes the records off the list whose
    /// certificates are refused for good, until `shutdown`. Changes count from this call on.
    pub(crate) fn follow_trust(
        self,
        clock: Clock,
        shutdown: Shutdown,
    ) -> impl Future<Output = ()> + Send {
        let mut changes = self.directory.policy.trust.changes();
        async move {
            let judged = async {
                while changes.changed().await.is_ok() {
                    for batch in self.directory.all().chunks(BATCH) {
                        self.drop_refused(batch, clock.now()).await;
                    }
                }
            };
            tokio::select! {
                () = judged => {}
                () = shutdown.requested() => {}
            }
        }
    }

    async fn drop_refused(&self, batch: &[Arc<VerifiedKeyRecord>], now: UnixTime) {
        loop {
            let (directory, batch) = (Arc::clone(&self.directory), batch.to_vec());
            let judged = self
                .verification
                .run(move || directory.drop_refused(&batch, now));
            match judged.await {
                Err(PoolError::Busy { .. }) => tokio::time::sleep(BUSY_PAUSE).await,
                Ok(()) | Err(PoolError::Panicked) => return,
            }
        }
    }
}
