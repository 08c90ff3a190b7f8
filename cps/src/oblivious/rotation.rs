//! When oblivious keys are announced, offered and forgotten, by the clock. **A key is in the
//! log under a checkpoint before it is offered**, and the next one is announced and offered
//! a day ahead, so that all clients have it when it begins and nobody fetches because it did.
//! **The secret of an epoch is
//! overwritten when its keys are not accepted any more**, but only once the clock has said
//! so for ten minutes: a clock that jumps ahead and back would otherwise leave this node
//! without the keys of today. Nor does such a clock announce keys: the log would have them for
//! good. Not here: when the clock is trusted (`clock_watch`).

mod clock_watch;

use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::Statement;
use pennyblack_evidence::oblivious_keys::{KeyConfigDigest, ObliviousKey};
use pennyblack_logserver::nodes::{PublishError, StateError};
use pennyblack_ohttp::key_config::GatewayKey;
use pennyblack_ohttp::key_ratchet::{Epoch, KeyRatchet, OfferedKem, RatchetError};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::repeated_causes::{report, warn};
use tokio::task::{JoinError, spawn_blocking};

use self::clock_watch::{CHECK_EVERY, ClockWatch};
use super::offered::OfferedKeys;
use super::seed::{SeedError, SeedFile};
use crate::log::CpsLog;

/// How soon it is tried again to have a key in the log.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// What is not ready without keys.
const PART: &str = "oblivious keys";

/// Why no key of now is offered.
#[derive(Debug, thiserror::Error)]
pub(super) enum RotationError {
    /// The clock shows an epoch whose secret is overwritten.
    #[error(
        "the clock is behind the seed, whose first epoch begins at {begins} (seconds since \
         1970): set the clock; or if the seed is from the future, stop the CPS, remove {seed}, \
         and make another one with --make-oblivious-seed"
    )]
    Behind {
        /// When the first epoch that is left begins.
        begins: u64,
        /// The file.
        seed: String,
    },
    /// The clock says a time of which neither the log nor what it said before knows.
    #[error(
        "the clock says that it is after {begins}, and no key of that epoch is in the log: it has \
         jumped ahead, or this CPS was stopped for longer than an epoch. Set the clock if it is \
         wrong; if it still says so in ten minutes, keys are announced"
    )]
    Jumped {
        /// When its epoch begins.
        begins: UnixTime,
    },
    /// There is no such key.
    #[error("{0}")]
    Ratchet(#[from] RatchetError),
    /// It is not in the log.
    #[error("{0}")]
    NotInLog(#[from] PublishError),
    /// The leader has not announced this node's key.
    #[error(
        "the leader of the log has not announced this node's keys: give both the same \
         oblivious.seed, oblivious.kems and oblivious.epoch"
    )]
    NotAnnounced,
    /// The secret of an earlier epoch is not overwritten.
    #[error("{0}")]
    Seed(#[from] SeedError),
    /// A part of it panicked.
    #[error("{0}")]
    BrokeOff(#[from] JoinError),
}

/// Keeps the keys.
pub(crate) struct Rotation {
    pub(crate) authority: Authority,
    pub(crate) kems: Vec<OfferedKem>,
    pub(crate) seed: SeedFile,
    pub(crate) ratchet: KeyRatchet,
    pub(crate) log: Arc<CpsLog>,
    pub(crate) offered: Arc<OfferedKeys>,
    pub(crate) clock: Clock,
}

impl Rotation {
    /// Says from the beginning that no key is in the log yet.
    pub(crate) fn not_offered_yet(readiness: &Readiness) {
        readiness.lacks(PART, "no oblivious key is in the log yet");
    }

    /// Rotates them until `shutdown`.
    pub(crate) async fn run(mut self, readiness: Readiness, shutdown: Shutdown) {
        // The first keys of a CPS wait for nothing.
        let is_first = self.log.oblivious_begins().is_empty();
        let trusted = is_first.then(|| self.clock.now());
        let mut watch = ClockWatch::new(self.ratchet.epochs().grace(), trusted);
        let seed = self.seed.clone();
        let erased = spawn_blocking(move || seed.erase_replaced()).await;
        if let Err(error) = erased.map_err(RotationError::from).and_then(|it| Ok(it?)) {
            report(
                "an earlier seed of oblivious keys is not overwritten",
                &error,
            );
        }
        loop {
            let turned = tokio::select! {
                turned = self.turn(&mut watch) => turned,
                () = shutdown.requested() => return,
            };
            let retry = match turned {
                Ok(()) => {
                    readiness.has(PART);
                    None
                }
                Err(error) => {
                    report("oblivious keys are not rotated", &error);
                    readiness.lacks(PART, error.to_string());
                    Some(RETRY_EVERY)
                }
            };
            tokio::select! {
                () = self.due(retry) => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// Returns when there may be something to do.
    async fn due(&self, retry: Option<Duration>) {
        let (now, epochs) = (self.clock.now(), self.ratchet.epochs());
        let current = epochs.at(now);
        let oldest = epochs.oldest_accepted(now);
        let begins = epochs.validity(current.next()).not_before;
        let ends = epochs.validity(oldest).not_after;
        let next = now.plus(CHECK_EVERY).min(begins).min(ends);
        let announced = epochs.announced_from(current.next());
        let next = if now < announced {
            next.min(announced)
        } else {
            next
        };
        match retry {
            None => self.clock.reached(next).await,
            Some(retry) => tokio::select! {
                () = tokio::time::sleep(retry) => {}
                () = self.clock.reached(next) => {}
            },
        }
    }

    async fn turn(&mut self, watch: &mut ClockWatch) -> Result<(), RotationError> {
        let now = self.clock.now();
        let is_trusted = watch.is_trusted(now);
        let forgotten = self.forget(watch).await;
        let epochs = self.ratchet.epochs();
        let current = epochs.at(now);
        if !is_trusted && !self.is_in_log(current) {
            self.drop_expired(now);
            let begins = epochs.validity(current).not_before;
            return Err(RotationError::Jumped { begins });
        }
        self.offer(now, is_trusted)
            .await
            .inspect_err(|_| self.drop_expired(now))?;
        forgotten
    }

    /// Whether the log has a key of an epoch, be it of another seed.
    fn is_in_log(&self, epoch: Epoch) -> bool {
        let epochs = self.ratchet.epochs();
        let begins = self.log.oblivious_begins().into_iter();
        begins.map(|begins| epochs.at(begins)).any(|it| it == epoch)
    }

    /// Overwrites the secret of an epoch whose keys are not accepted any more.
    async fn forget(&mut self, watch: &ClockWatch) -> Result<(), RotationError> {
        let epochs = self.ratchet.epochs();
        let oldest = watch.agreed().map(|agreed| epochs.oldest_accepted(agreed));
        let Some(oldest) = oldest.filter(|oldest| *oldest > self.ratchet.oldest()) else {
            return Ok(());
        };
        let (mut ratchet, seed) = (self.ratchet.clone(), self.seed.clone());
        let moved = spawn_blocking(move || -> Result<KeyRatchet, RotationError> {
            ratchet.advance(oldest)?;
            seed.write(&ratchet)?;
            Ok(ratchet)
        });
        self.ratchet = moved.await??;
        tracing::info!("the secret of the oblivious keys before this epoch is overwritten");
        Ok(())
    }

    /// Offers the keys of this epoch, that of the last one as long as it is accepted, and
    /// behind them those of the next one once they are in the log.
    async fn offer(&self, now: UnixTime, is_trusted: bool) -> Result<(), RotationError> {
        let epochs = self.ratchet.epochs();
        let current = epochs.at(now);
        let mut keys = self.keys(current)?;
        let earlier = epochs.oldest_accepted(now);
        if earlier < current && earlier >= self.ratchet.oldest() {
            keys.extend(self.keys(earlier)?);
        }
        let announced = keys.iter().map(|(_, statement)| statement.clone());
        let published = self.log.publish(announced.collect(), now).await;
        published.map_err(|error| match error {
            PublishError::State(StateError::NotYet) => RotationError::NotAnnounced,
            other => other.into(),
        })?;
        let next = self.announced_next(now, is_trusted).await?;
        let keys = keys.into_iter().chain(next).map(|(key, _)| key);
        self.offered.replace(keys.collect(), epochs.grace());
        Ok(())
    }

    /// Announces the keys of the next epoch when it is time by a clock that is trusted. For a
    /// follower its leader does. Returns them once they are under a checkpoint.
    async fn announced_next(
        &self,
        now: UnixTime,
        is_trusted: bool,
    ) -> Result<Vec<(GatewayKey, Statement)>, RotationError> {
        let epochs = self.ratchet.epochs();
        let next = epochs.at(now).next();
        let is_expected = is_trusted || self.is_in_log(next);
        if now < epochs.announced_from(next) || !is_expected {
            return Ok(Vec::new());
        }
        let next = self.keys(next)?;
        let statements = next.iter().map(|(_, statement)| statement.clone());
        match self.log.publish(statements.collect(), now).await {
            Ok(()) => Ok(next),
            // There is time for it.
            Err(error) => {
                if !matches!(error, PublishError::State(StateError::NotYet)) {
                    warn("the next oblivious key is not in the log", &error);
                }
                Ok(Vec::new())
            }
        }
    }

    /// Offers nothing whose time has ended.
    fn drop_expired(&self, now: UnixTime) {
        let epochs = self.ratchet.epochs();
        let accepted = epochs.oldest_accepted(now)..=epochs.at(now);
        let Some(offered) = self.offered.now() else {
            return;
        };
        let is_accepted = |key: &&GatewayKey| {
            let id = key.config().key_id();
            let mut ids = OfferedKem::ALL
                .into_iter()
                .flat_map(|kem| [accepted.start(), accepted.end()].map(|epoch| epoch.key_id(kem)));
            ids.any(|accepted| accepted == id)
        };
        let keys = offered.keys().iter().filter(is_accepted).cloned();
        self.offered.replace(keys.collect(), epochs.grace());
    }

    /// The keys of an epoch, and what the log is to say of them. **What it says already stays
    /// offered until it ends**, also when the configuration has left out its KEM: clients go by
    /// the log, and refuse a list in which one of these is missing.
    fn keys(&self, epoch: Epoch) -> Result<Vec<(GatewayKey, Statement)>, RotationError> {
        let epochs = self.ratchet.epochs();
        if epoch < self.ratchet.oldest() {
            return Err(RotationError::Behind {
                begins: epochs.validity(self.ratchet.oldest()).not_before.0,
                seed: self.seed.path().display().to_string(),
            });
        }
        let validity = epochs.validity(epoch);
        let left_out = OfferedKem::ALL
            .into_iter()
            .filter(|kem| !self.kems.contains(kem));
        let mut keys = Vec::new();
        for kem in self.kems.iter().copied().chain(left_out) {
            let key = self.ratchet.key(&self.authority, kem, epoch)?;
            let key_config = KeyConfigDigest(key.config().digest());
            if !self.kems.contains(&kem) && !self.log.is_oblivious_key(key_config) {
                continue;
            }
            let announced = self.log.oblivious_key(ObliviousKey {
                key_config,
                kem_id: kem.kem().id(),
                not_before: validity.not_before,
                not_after: validity.not_after,
            });
            keys.push((key, Statement::ObliviousKeyAnnounced(announced)));
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests;
