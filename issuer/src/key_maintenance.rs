//! The task that rotates token keys, from one key epoch to the next, and with them what
//! hangs on a key: its line in the log, its quota accounts, its total.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_redis::RedisError;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::repeated_causes::report;
use tokio::task::{JoinError, spawn_blocking};

use crate::key_log::{KeyLogError, KeyRegister};
use crate::ledger::{ChargeError, ChosenLedger, Ledger as _};
use crate::persistence::Persistence;
use crate::token_keys::{KeyError, TokenKeys};

/// How long after a failure the rotation is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// How long after the leader has not announced a key in the log the rotation is tried
/// again.
const RETRY_UNANNOUNCED: Duration = Duration::from_secs(15);

/// The part of the service that is not ready while rotations fail.
const PART: &str = "token keys";

/// Why a rotation failed; it is tried again.
#[derive(Debug, thiserror::Error)]
enum RotationError {
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Ledger(#[from] ChargeError),
    #[error(transparent)]
    Log(#[from] KeyLogError),
    #[error("store.url: {0}")]
    Redis(#[from] RedisError),
    #[error("store.durability: {0}; nothing is signed meanwhile")]
    Durability(String),
    #[error("the rotation panicked: {0}")]
    Panicked(#[from] JoinError),
}

/// What the task needs.
#[derive(Debug)]
pub(crate) struct KeyMaintenance {
    pub(crate) persistence: Persistence,
    pub(crate) clock: Clock,
    pub(crate) readiness: Readiness,
    pub(crate) shutdown: Shutdown,
}

impl KeyMaintenance {
    /// Rotates at once, and then whenever it is time, until the request to stop.
    pub(crate) async fn run(self) {
        loop {
            let now = self.clock.now();
            let next = match self.rotate(now).await {
                Ok(next) => {
                    self.readiness.has(PART);
                    next
                }
                Err(error) => {
                    report("token keys cannot be rotated; trying again", &error);
                    self.readiness.lacks(PART, error.to_string());
                    now.plus(RETRY)
                }
            };
            if self.stopped_before(next).await {
                return self.close().await;
            }
        }
    }

    /// Waits for `next`, but not without end if the clock is set back meanwhile; true
    /// when it is time to stop instead.
    async fn stopped_before(&self, next: UnixTime) -> bool {
        tokio::select! {
            () = self.clock.reached(next) => false,
            () = self.persistence.keys.hastened() => false,
            () = tokio::time::sleep(self.persistence.nodes.longest_wait()) => false,
            () = self.shutdown.requested() => true,
        }
    }

    /// Rotates the keys, unless Redis is less durable than configured; says when to do
    /// so again.
    async fn rotate(&self, now: UnixTime) -> Result<UnixTime, RotationError> {
        let Persistence {
            keys,
            ledger,
            log,
            nodes,
            ..
        } = &self.persistence;
        if let Some(shortfalls) = nodes.shortfalls().await? {
            let error = RotationError::Durability(shortfalls);
            keys.withhold(&error.to_string());
            return Err(error);
        }
        rotate(keys, ledger, log, now).await
    }

    /// Persists what is only in memory.
    async fn close(&self) {
        let live = self.persistence.keys.live().ids().collect();
        if let Err(error) = self.persistence.ledger.follow(live).await {
            tracing::warn!(%error, "the quota accounts could not be read before the stop");
        }
    }
}

/// One rotation, in the only order in which a crash or a failure after any step leaves
/// nobody with a key that is not in the log or has no accounts, and no total
/// uncounted: keys durable, in the log, with accounts, listed; then what is
/// withdrawn totalled, its accounts forgotten, and itself deleted.
async fn rotate<R: KeyRegister>(
    keys: &Arc<TokenKeys>,
    ledger: &ChosenLedger,
    register: &R,
    now: UnixTime,
) -> Result<UnixTime, RotationError> {
    let (preparing, begins) = (Arc::clone(keys), register.begins());
    let prepared = spawn_blocking(move || preparing.prepare(&begins, now)).await??;
    let directory = prepared.live().directory();
    if let Err(error) = register.announce(directory, now).await {
        return not_announced(error, keys, ledger, now).await;
    }
    let in_use = prepared.in_use().to_vec();
    let live: Vec<_> = prepared.live().ids().collect();
    ledger.admit(live.clone()).await?;
    let outcome = keys.publish(prepared);
    let withdrawn: Vec<_> = outcome.withdrawn.iter().map(|key| key.id()).collect();
    let totalled = register.total(&in_use, &withdrawn, ledger, now).await?;
    ledger.follow(live).await?;
    let mut ended = outcome.withdrawn;
    ended.retain(|key| totalled.contains(&key.id()));
    // The accounts before the key: that it is there says what is to be forgotten.
    for key in &ended {
        ledger.forget(key.id()).await?;
    }
    let deleting = Arc::clone(keys);
    spawn_blocking(move || deleting.delete(&ended)).await??;
    Ok(outcome.next)
}

/// A key that another node has not announced yet waits; those before it go on.
async fn not_announced(
    error: KeyLogError,
    keys: &TokenKeys,
    ledger: &ChosenLedger,
    now: UnixTime,
) -> Result<UnixTime, RotationError> {
    let KeyLogError::Unannounced { .. } = error else {
        return Err(error.into());
    };
    tracing::warn!(%error, "a token key is not listed yet");
    ledger.follow(keys.live().ids().collect()).await?;
    Ok(now.plus(RETRY_UNANNOUNCED))
}

#[cfg(test)]
mod tests;
