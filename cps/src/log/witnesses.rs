//! Asks witnesses to cosign each checkpoint of the log, and publishes what they
//! say (C2SP tlog-witness). Not here: what a witness decides.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use pennyblack_http::{Answer, HttpClient, HttpError, HttpOptions, Request};
use pennyblack_logserver::TransparencyLog;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_tlog::cosignature::cosignature;
use pennyblack_tlog::{AddCheckpoint, NoteKeyError, SignatureLine, SignedCheckpoint, VerifierKey};

use crate::config::WitnessConfig;

/// How long a witness may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before a checkpoint that lacks cosignatures is shown again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Longest answer of a witness that is read: a few lines.
const MAX_ANSWER_SIZE: usize = 16 * 1024;
const PART: &str = "log";

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

/// Why a witness has not cosigned.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the proof for it cannot be read: {0}")]
    Proof(#[from] std::io::Error),
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error("it does not answer with a cosignature under its key")]
    Answer,
    #[error(
        "it has seen {seen} entries of this log, and there are {ours}: this disk was restored to \
         an earlier day. Stop, and restore `log/public` from a mirror, before anything else is signed"
    )]
    AheadOfUs { seen: u64, ours: u64 },
    #[error("it has seen the later checkpoint of {seen} entries already")]
    SeenLater { seen: u64 },
    #[error(
        "it has seen {seen} other entries of this log than there are (it answers {status}): two \
         histories were signed with this log's key. Stop, and find out which is the true one, \
         before anything else is signed"
    )]
    Contradicted { seen: u64, status: StatusCode },
}

/// One witness, and what it has seen as far as is known.
struct Witness {
    url: String,
    key: VerifierKey,
    seen: u64,
}

/// The task that asks them.
pub(crate) struct Witnesses {
    log: Arc<TransparencyLog>,
    witnesses: Vec<Witness>,
    client: HttpClient,
    readiness: Readiness,
}

impl Witnesses {
    pub(crate) fn new(
        config: &[WitnessConfig],
        log: Arc<TransparencyLog>,
        readiness: Readiness,
    ) -> Result<Self, WitnessesError> {
        let witness = |config: &WitnessConfig| {
            Ok(Witness {
                url: format!("{}/add-checkpoint", config.url.trim_end_matches('/')),
                key: config.key.parse()?,
                seen: 0,
            })
        };
        let witnesses: Result<_, NoteKeyError> = config.iter().map(witness).collect();
        let options = HttpOptions {
            timeout: TIMEOUT,
            connect_timeout: TIMEOUT,
            resend_unprocessed: true,
            ..HttpOptions::default()
        };
        Ok(Self {
            log,
            witnesses: witnesses?,
            client: options.client()?,
            readiness,
        })
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        if self.witnesses.is_empty() {
            return;
        }
        let mut checkpoints = self.log.checkpoints();
        loop {
            let checkpoint = Arc::clone(&checkpoints.borrow_and_update());
            let size = checkpoint.checkpoint().head.size;
            tokio::select! {
                () = self.ask_all(&checkpoint) => {}
                () = shutdown.requested() => return,
            }
            // What was published just now is the same tree, and asked about already.
            let later = checkpoints.wait_for(|last| last.checkpoint().head.size > size);
            tokio::select! {
                _ = tokio::time::timeout(AGAIN_AFTER, later) => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// Asks those whose cosignature is missing, and publishes what comes.
    async fn ask_all(&mut self, checkpoint: &SignedCheckpoint) {
        let (log, client, readiness) = (&self.log, &self.client, &self.readiness);
        let mut lines = Vec::new();
        for witness in &mut self.witnesses {
            if matches!(cosignature(checkpoint, &witness.key), Ok(Some(_))) {
                continue;
            }
            match witness.ask(client, log, checkpoint).await {
                Ok(line) => lines.push(line),
                Err(error) => {
                    tracing::warn!(witness = %witness.key.name(), %error, "a checkpoint is not cosigned");
                    metrics::counter!("pennyblack_cps_cosignatures_missing_total").increment(1);
                    if let AskError::AheadOfUs { .. } | AskError::Contradicted { .. } = error {
                        readiness.lacks(PART, format!("{}: {error}", witness.key.name()));
                    }
                }
            }
        }
        if lines.is_empty() {
            return;
        }
        let size = checkpoint.checkpoint().head.size;
        if let Err(error) = log.publish_cosignatures(size, lines).await {
            tracing::warn!(%error, "cosignatures are not published");
        }
    }
}

impl Witness {
    /// Has the checkpoint cosigned; asks twice, since the first time what the
    /// witness has seen is not known.
    async fn ask(
        &mut self,
        client: &HttpClient,
        log: &Arc<TransparencyLog>,
        checkpoint: &SignedCheckpoint,
    ) -> Result<SignatureLine, AskError> {
        let ours = checkpoint.checkpoint().head.size;
        let (mut status, mut body) = self.send(client, log, checkpoint).await?;
        if let Some(seen) = conflict(status, &body).filter(|seen| *seen != self.seen) {
            // Anybody may have shown it what we have signed since.
            let durable = log.size();
            if seen > durable {
                let ours = durable;
                return Err(AskError::AheadOfUs { seen, ours });
            }
            if seen > ours {
                return Err(AskError::SeenLater { seen });
            }
            self.seen = seen;
            (status, body) = self.send(client, log, checkpoint).await?;
        }
        self.require_cosigned(status, &body, ours)?;
        let lines = body.lines().filter_map(|line| line.parse().ok());
        let line = lines
            .into_iter()
            .find(|line: &SignatureLine| line.is_by(&self.key));
        let line = line.ok_or(AskError::Answer)?;
        let mut cosigned = checkpoint.clone();
        cosigned.add(line.clone());
        match cosignature(&cosigned, &self.key) {
            Ok(Some(_)) => {
                self.seen = ours;
                Ok(line)
            }
            _ => Err(AskError::Answer),
        }
    }

    /// Tells a witness that contradicts us from one that could not answer.
    fn require_cosigned(&self, status: StatusCode, body: &str, ours: u64) -> Result<(), AskError> {
        let seen = self.seen;
        // What it has seen is as large as what we have, and yet it does not cosign.
        let is_other = seen == ours && conflict(status, body).is_none_or(|size| size == seen);
        match status {
            StatusCode::OK => Ok(()),
            StatusCode::UNPROCESSABLE_ENTITY => Err(AskError::Contradicted { seen, status }),
            StatusCode::CONFLICT if is_other => Err(AskError::Contradicted { seen, status }),
            _ => Err(AskError::Status(status)),
        }
    }

    async fn send(
        &self,
        client: &HttpClient,
        log: &Arc<TransparencyLog>,
        checkpoint: &SignedCheckpoint,
    ) -> Result<(StatusCode, String), AskError> {
        let (old, new) = (self.seen, checkpoint.checkpoint().head.size);
        let log = Arc::clone(log);
        let proof = tokio::task::spawn_blocking(move || log.prove_consistency(old, new)).await;
        let request = AddCheckpoint {
            old_size: old,
            proof: proof.map_err(std::io::Error::other)??,
            checkpoint: checkpoint.clone(),
        };
        let request = Request::post(self.url.clone(), request.to_string(), MAX_ANSWER_SIZE);
        let Answer { status, body, .. } = client.exchange(&request).await?;
        let body = String::from_utf8(body.into()).map_err(|_| AskError::Answer)?;
        Ok((status, body))
    }
}

/// The size that a witness has seen, if it says that it is another one than we said.
fn conflict(status: StatusCode, body: &str) -> Option<u64> {
    let size = body.trim_end().parse().ok();
    size.filter(|_| status == StatusCode::CONFLICT)
}

#[cfg(test)]
mod tests;
