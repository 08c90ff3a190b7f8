//! The task of one issuer: fetch its directory in time, keep what is known on disk, put live keys
//! in force, close those that are over. When the issuer is away, what is known stays in force.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::clock_evidence::ClockEvidence;
use pennyblack_storage::atomic_file;
use rand::RngExt as _;

use super::epochs::{IssuerWord, KeyEpochs};
use super::known::{IssuerMaintenanceError, KnownIssuer};
use super::source::{Heard, IssuerSource, Listed};
use super::{Issuers, KeyRefusal, VoprfKeys};
use crate::config::IssuerConfig;
use crate::log::{CloseEpochError, CpsLog};
use crate::store::Store;

/// The longest time between two attempts while the issuer is away.
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// The shortest time between two attempts.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);
/// The shortest time between two fetches when tokens of an unknown key come: anybody can
/// make such tokens, and has a whole directory fetched no more often than this.
const SHORTEST_AFTER_UNKNOWN: Duration = Duration::from_secs(60);

/// For how long no token of a key is taken before its epoch is closed, by the clock that
/// nobody sets: what was taken in until then is stored or logged meanwhile.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// A key epoch that is not closed.
enum CloseError {
    /// Another node leads the log and has not closed it there yet, or it is not known yet
    /// which one leads.
    NotYet,
    Failed(String),
}

fn failed(error: impl std::fmt::Display) -> CloseError {
    CloseError::Failed(error.to_string())
}

/// Follows one issuer.
pub(crate) struct IssuerMaintenance<S> {
    source: IssuerSource,
    keys: KeyMaintenance<S>,
}

/// Puts one issuer's keys in force and closes them.
struct KeyMaintenance<S> {
    place: usize,
    authority: Authority,
    file: PathBuf,
    epochs: KeyEpochs,
    /// Since when no token is taken of a key that has ended.
    refused_since: HashMap<TokenKeyId, Instant>,
    secrets: VoprfKeys,
    issuers: Arc<Issuers>,
    store: Arc<S>,
    log: Arc<CpsLog>,
    clock: Clock,
    readiness: Readiness,
}

/// What maintenance works with.
pub(crate) struct Dependencies<S> {
    /// Where live keys are put in force.
    pub(crate) issuers: Arc<Issuers>,
    /// What forgets the spends of a closed epoch.
    pub(crate) store: Arc<S>,
    /// Where epochs are written down.
    pub(crate) log: Arc<CpsLog>,
    /// The time.
    pub(crate) clock: Clock,
    /// Where it is told what the issuer's clock reads.
    pub(crate) clocks: ClockEvidence,
    /// Where it is told when no key is known.
    pub(crate) readiness: Readiness,
}

impl<S: Store> IssuerMaintenance<S> {
    /// Reads what is known of the issuer at `place`, and puts it in force.
    pub(crate) fn open(
        place: usize,
        config: &IssuerConfig,
        directory: &std::path::Path,
        dependencies: Dependencies<S>,
    ) -> Result<Self, IssuerMaintenanceError> {
        let KnownIssuer {
            file,
            epochs,
            key_log,
            mut fetcher,
        } = KnownIssuer::read(config, directory)?;
        let name = format!("the issuer {}", config.authority);
        fetcher.tell(dependencies.clocks.clock_of(name, &config.url()));
        let keys = KeyMaintenance {
            place,
            authority: config.authority.clone(),
            refused_since: HashMap::new(),
            secrets: VoprfKeys::new(config.voprf_keys.clone()),
            file,
            epochs,
            issuers: dependencies.issuers,
            store: dependencies.store,
            log: dependencies.log,
            clock: dependencies.clock,
            readiness: dependencies.readiness,
        };
        keys.publish();
        let source = IssuerSource::new(fetcher, key_log);
        Ok(Self { source, keys })
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let Self {
            mut source,
            mut keys,
        } = self;
        let mut retry = SHORTEST_RETRY;
        loop {
            // Counted from here: an answer may take minutes, and is as old as this.
            let asked = keys.clock.now();
            let Some(refreshed) = keys.refresh(&mut source, &shutdown).await else {
                return;
            };
            let mut due = match refreshed {
                Ok(max_age) => {
                    retry = SHORTEST_RETRY;
                    // Well before it is out of date, and not with everybody else.
                    asked.plus(max_age.mul_f64(rand::rng().random_range(0.4..0.6)))
                }
                Err(error) => {
                    // What was not taken is to be had again, changed or not.
                    source.forget();
                    tracing::warn!(issuer = %keys.authority, error, "the issuer's directory is not current");
                    let wait = retry.mul_f64(rand::rng().random_range(0.5..1.0));
                    retry = (retry * 2).min(LONGEST_RETRY);
                    keys.clock.now().plus(wait.max(SHORTEST_RETRY))
                }
            };
            let mut is_wanted = false;
            let mut moves = keys.log.moves();
            loop {
                moves.mark_unchanged();
                keys.turn().await;
                let next = keys.next_turn().map_or(due, |turn| turn.min(due));
                tokio::select! {
                    () = keys.clock.reached(next) => break,
                    () = tokio::time::sleep(REFUSED_FOR), if keys.is_waiting_to_close() => {}
                    // Perhaps by the leader of the log.
                    Ok(()) = moves.changed() => {}
                    // Once in this time: the next one finds it noted already.
                    () = keys.issuers.wanted(keys.place), if !is_wanted => {
                        is_wanted = true;
                        due = due.min(asked.plus(SHORTEST_AFTER_UNKNOWN));
                    }
                    () = shutdown.requested() => return,
                }
            }
        }
    }
}

impl<S: Store> KeyMaintenance<S> {
    /// Hears the issuer, which may take its time: keys come into force and end meanwhile.
    /// For how long its directory holds, or why it is not taken; `None` at `shutdown`.
    async fn refresh(
        &mut self,
        source: &mut IssuerSource,
        shutdown: &Shutdown,
    ) -> Option<Result<Duration, String>> {
        let known: Vec<_> = self.epochs.ids().collect();
        let mut moves = self.log.moves();
        let mut hearing = std::pin::pin!(source.hear(&known, self.clock.now()));
        let heard = loop {
            moves.mark_unchanged();
            self.turn().await;
            let next = self.next_turn().unwrap_or(UnixTime(u64::MAX));
            tokio::select! {
                heard = &mut hearing => break heard,
                () = self.clock.reached(next) => {}
                () = tokio::time::sleep(REFUSED_FOR), if self.is_waiting_to_close() => {}
                Ok(()) = moves.changed() => {}
                () = shutdown.requested() => return None,
            }
        };
        Some(match heard {
            Ok(heard) => self.take(heard).await,
            Err(error) => Err(error),
        })
    }

    /// When a key comes into force, or has ended, or is to be closed.
    fn next_turn(&self) -> Option<UnixTime> {
        let (now, settled) = (self.clock.now(), self.log.settles_after());
        let change = self.epochs.next_change(now);
        let closing = self.epochs.next_change(now.minus(settled));
        let closing = closing.map(|change| change.plus(settled));
        change.into_iter().chain(closing).min()
    }

    async fn take(&mut self, heard: Heard) -> Result<Duration, String> {
        let (now, mut epochs) = (self.clock.now(), self.epochs.clone());
        self.report_withheld(heard.log.withheld);
        match heard.listed {
            Some(Listed { directory, sifted }) => {
                self.report(sifted.unlogged.into_iter().map(KeyRefusal::from).collect());
                let others = self.issuers.known_of_others(self.place);
                let word = IssuerWord {
                    directory: &directory,
                    logged: &sifted.logged,
                };
                self.report(epochs.take(word, &others, now));
            }
            None => epochs.take_again(now),
        }
        epochs.give_up(&heard.log.given_up, now);
        // Known for good before it is acted upon.
        if epochs != self.epochs {
            self.persist(&epochs).await?;
        }
        self.epochs = epochs;
        Ok(heard.max_age)
    }

    /// Closes what has ended and puts the rest in force.
    async fn turn(&mut self) {
        let settled = self.clock.now().minus(self.log.settles_after());
        let over = self.epochs.over(settled);
        self.refused_since.retain(|id, _| over.contains(id));
        if !over.is_empty() {
            // A token of it must be refused before its spends are forgotten.
            self.publish();
        }
        for id in over {
            let since = self.refused_since.entry(id).or_insert_with(Instant::now);
            if since.elapsed() < REFUSED_FOR {
                continue;
            }
            let mut epochs = self.epochs.clone();
            epochs.forget(id);
            match self.close(id, &epochs).await {
                Ok(()) => {
                    tracing::info!(token_key = %id, "key epoch closed");
                    self.epochs = epochs;
                }
                Err(CloseError::NotYet) => {
                    tracing::debug!(token_key = %id, "the key epoch is not closed in the log yet");
                }
                Err(CloseError::Failed(error)) => {
                    tracing::error!(token_key = %id, error, "closing a key epoch failed");
                }
            }
        }
        self.write_down_live().await;
        self.publish();
    }

    /// Whether a key has ended whose last tokens may be on their way here.
    fn is_waiting_to_close(&self) -> bool {
        let mut refused = self.refused_since.values();
        refused.any(|since| since.elapsed() < REFUSED_FOR)
    }

    /// Closes an epoch: its totals are in the log before its spends are forgotten.
    async fn close(&self, id: TokenKeyId, left: &KeyEpochs) -> Result<(), CloseError> {
        let spent = self.store.spent(id).await.map_err(failed)?;
        let logged = self.log.key_epoch_closed(id, spent, self.clock.now());
        logged.await.map_err(|error| match error {
            CloseEpochError::State(error) if error.is_early() => CloseError::NotYet,
            error => failed(error),
        })?;
        self.store.close_epoch(id).await.map_err(failed)?;
        self.persist(left).await.map_err(CloseError::Failed)
    }

    /// Has every live key in the log. One that cannot be written down is not taken, and
    /// tried again at the next turn.
    async fn write_down_live(&self) {
        let now = self.clock.now();
        for key in self.epochs.live(now) {
            let (public, not_before) = (key.public(), key.not_before());
            let opened = self
                .log
                .key_epoch_opened(&self.authority, public, not_before, now);
            match opened.await {
                Ok(()) => {}
                Err(error) if error.is_early() => {
                    tracing::debug!(token_key = %public.id(), %error, "the key epoch is not open in the log yet");
                }
                Err(error) => {
                    tracing::error!(token_key = %public.id(), %error, "an opened key epoch is not in the log");
                }
            }
        }
    }

    fn publish(&self) {
        self.publish_live();
        let part = "issuer keys";
        if self.issuers.challenges().is_empty() {
            let lack = format!(
                "no redeemable key of the issuer {} is known",
                self.authority
            );
            self.readiness.lacks(part, lack);
        } else {
            self.readiness.has(part);
        }
    }

    fn publish_live(&self) {
        let epochs = &self.epochs;
        let over = epochs.over(self.clock.now());
        let live = epochs.live(self.clock.now());
        // No token is taken of a key that the log does not have.
        let is_taken = |id| !over.contains(&id) && self.log.is_open(id);
        let live: Vec<_> = live
            .into_iter()
            .filter(|key| is_taken(key.public().id()))
            .collect();
        let failures = self
            .issuers
            .publish(self.place, epochs, &live, &self.secrets);
        for (id, error) in failures {
            tracing::error!(issuer = %self.authority, token_key = %id, %error, "tokens of a key are not taken");
        }
    }

    async fn persist(&self, epochs: &KeyEpochs) -> Result<(), String> {
        let (file, json) = (self.file.clone(), epochs.to_json()?);
        tokio::task::spawn_blocking(move || atomic_file::write_public(&file, &json))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("{}: {error}", self.file.display()))
    }

    /// Such an issuer may offer the key to some carriers, and another to others.
    fn report_withheld(&self, withheld: Option<TokenKeyId>) {
        if let Some(token_key) = withheld {
            tracing::error!(issuer = %self.authority, %token_key, "the newest key of the issuer's log is not in its directory: carriers draw no tokens; ask its operator");
            metrics::counter!("pennyblack_cps_issuer_keys_withheld_total").increment(1);
        }
    }

    fn report(&self, refusals: Vec<KeyRefusal>) {
        for refusal in refusals {
            tracing::error!(issuer = %self.authority, %refusal, "a key of the issuer's directory is not trusted");
            metrics::counter!("pennyblack_cps_issuer_keys_refused_total").increment(1);
        }
    }
}

#[cfg(test)]
mod tests;
