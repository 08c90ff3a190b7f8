//! Asks witnesses to cosign each checkpoint of the log, each in a task of its own, so
//! that none waits for another (C2SP tlog-witness). Not here: one witness, which is
//! `asking`, and what its answers prove, which is `contradiction`.

mod asking;
mod contradiction;

use std::sync::Arc;
use std::time::Duration;

use pennyblack_http::{HttpClient, HttpError, HttpOptions, TrustRoots};
use pennyblack_logserver::TransparencyLog;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::clock_evidence::ClockEvidence;
use pennyblack_tlog::NoteKeyError;
use tokio::task::JoinSet;

use self::asking::Witness;
pub(crate) use self::contradiction::Contradictions;
use crate::config::WitnessConfig;

/// How long a witness may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long tokens wait for the first answers. A witness that is away stops no CPS.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// Witnesses that cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessesError {
    /// Not a key.
    #[error("witness.key: {0}")]
    Key(#[from] NoteKeyError),
    /// No HTTP client.
    #[error("witness.tls_roots: {0}")]
    Http(#[from] HttpError),
}

/// The tasks that ask them.
#[derive(Debug)]
pub(crate) struct Witnesses {
    witnesses: Vec<Witness>,
    contradictions: Arc<Contradictions>,
}

impl Witnesses {
    pub(crate) fn new(
        config: &[WitnessConfig],
        log: Arc<TransparencyLog>,
        readiness: Readiness,
        clocks: &ClockEvidence,
    ) -> Result<Self, WitnessesError> {
        let contradictions = Arc::new(Contradictions::new(readiness));
        let witness = |config: &WitnessConfig| {
            let (log, found) = (Arc::clone(&log), Arc::clone(&contradictions));
            let clock = clocks.clock_of(format!("the witness {}", config.url), &config.url);
            let witness = Witness::new(config, log, client(config)?, clock, found)?;
            contradictions.expect(&witness.label());
            Ok(witness)
        };
        let witnesses: Result<_, WitnessesError> = config.iter().map(witness).collect();
        Ok(Self {
            witnesses: witnesses?,
            contradictions,
        })
    }

    /// What they have shown, and are going to.
    pub(crate) const fn contradictions(&self) -> &Arc<Contradictions> {
        &self.contradictions
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut tasks = JoinSet::new();
        for witness in self.witnesses {
            tasks.spawn(witness.run(shutdown.clone()));
        }
        tokio::select! {
            () = tokio::time::sleep(FIRST_ANSWER) => {}
            () = shutdown.requested() => {}
        }
        for witness in self.contradictions.go_on() {
            tracing::warn!(
                witness,
                "it has not answered: tokens are redeemed without its word that this log is no \
                 older copy"
            );
        }
        tasks.join_all().await;
    }
}

/// The client that asks a witness.
pub(crate) fn client(config: &WitnessConfig) -> Result<HttpClient, HttpError> {
    let options = HttpOptions {
        trust_roots: TrustRoots::only_or_system(config.tls_roots.clone()),
        timeout: TIMEOUT,
        connect_timeout: TIMEOUT,
        ..HttpOptions::default()
    };
    options.client()
}

#[cfg(test)]
mod tests;
