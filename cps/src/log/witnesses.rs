//! Asks witnesses to cosign each checkpoint of the log, each in a task of its own, so
//! that none waits for another (C2SP tlog-witness). Not here: one witness, which is
//! `asking`, and what its answers prove, which is `contradiction`.

mod asking;
mod contradiction;

use std::sync::Arc;
use std::time::Duration;

use pennyblack_http::{HttpError, HttpOptions};
use pennyblack_logserver::TransparencyLog;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_tlog::NoteKeyError;
use tokio::task::JoinSet;

use self::asking::Witness;
use self::contradiction::Contradictions;
use crate::config::WitnessConfig;

/// How long a witness may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Witnesses that cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessesError {
    /// Not a key.
    #[error("witness.key: {0}")]
    Key(#[from] NoteKeyError),
    /// No HTTP client.
    #[error("asking witnesses: {0}")]
    Http(#[from] HttpError),
}

/// The tasks that ask them.
#[derive(Debug)]
pub(crate) struct Witnesses(Vec<Witness>);

impl Witnesses {
    pub(crate) fn new(
        config: &[WitnessConfig],
        log: Arc<TransparencyLog>,
        readiness: Readiness,
    ) -> Result<Self, WitnessesError> {
        let options = HttpOptions {
            timeout: TIMEOUT,
            connect_timeout: TIMEOUT,
            ..HttpOptions::default()
        };
        let client = options.client()?;
        let contradictions = Arc::new(Contradictions::new(readiness));
        let witness = |config: &WitnessConfig| {
            let (log, found) = (Arc::clone(&log), Arc::clone(&contradictions));
            Ok(Witness::new(config, log, client.clone(), found)?)
        };
        let witnesses: Result<_, WitnessesError> = config.iter().map(witness).collect();
        Ok(Self(witnesses?))
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut tasks = JoinSet::new();
        for witness in self.0 {
            tasks.spawn(witness.run(shutdown.clone()));
        }
        tasks.join_all().await;
    }
}

#[cfg(test)]
mod tests;
