//! One witness, asked for its cosignature of each checkpoint. What it says is believed
//! as far as it is signed: its cosignature by its key, and a contradiction by the log's.
//! Everything else is a witness that has not cosigned, and is asked again. Not here: what
//! a witness decides.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use pennyblack_http::{Answer, HttpClient, HttpError, Request};
use pennyblack_logserver::TransparencyLog;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::clock_evidence::OtherClock;
use pennyblack_service::repeated_causes::report;
use pennyblack_tlog::cosignature::cosignature;
use pennyblack_tlog::note::MAX_NOTE_SIZE;
use pennyblack_tlog::witness::{ADD_CHECKPOINT_PATH, LAST_CHECKPOINT_PATH, origin_in_path};
use pennyblack_tlog::{AddCheckpoint, NoteKeyError, SignatureLine, SignedCheckpoint, VerifierKey};
use tokio::task::spawn_blocking;

use super::contradiction::{self, Contradiction, Contradictions};
use crate::config::WitnessConfig;

/// How long to wait before a checkpoint that lacks a cosignature is shown again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Longest answer of a witness that is read: a few lines.
const MAX_ANSWER_SIZE: usize = 16 * 1024;

/// Why a witness has not cosigned.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the log's own files cannot be read: {0}")]
    Files(#[from] std::io::Error),
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error("it does not answer with a cosignature under its key")]
    Answer,
    #[error("it has seen the later checkpoint of {0} entries already")]
    SeenLater(u64),
    #[error(
        "it answers {status} and claims to have seen {seen} entries of this log, and shows no \
         checkpoint of this log that it does not continue: nothing follows from that. If it \
         persists, ask the witness's operator"
    )]
    Unproven { status: StatusCode, seen: u64 },
    #[error("{0}")]
    Proven(Contradiction),
}

/// One witness, and what it has seen as far as is known.
#[derive(Debug)]
pub(super) struct Witness {
    prefix: String,
    key: VerifierKey,
    log: Arc<TransparencyLog>,
    client: HttpClient,
    clock: OtherClock,
    was_asked: bool,
    /// What it says to have seen: only ever a guess, from which the proof is made.
    seen: u64,
    /// A checkpoint of the log that the log did not continue.
    proof: Option<SignedCheckpoint>,
    contradictions: Arc<Contradictions>,
}

impl Witness {
    pub(super) fn new(
        config: &WitnessConfig,
        log: Arc<TransparencyLog>,
        client: HttpClient,
        clock: OtherClock,
        contradictions: Arc<Contradictions>,
    ) -> Result<Self, NoteKeyError> {
        Ok(Self {
            prefix: config.url.trim_end_matches('/').to_owned(),
            key: config.key.parse()?,
            log,
            client,
            clock,
            was_asked: false,
            seen: 0,
            proof: None,
            contradictions,
        })
    }

    /// Asks about each checkpoint until `shutdown`.
    pub(super) async fn run(mut self, shutdown: Shutdown) {
        let mut checkpoints = self.log.checkpoints();
        loop {
            let checkpoint = Arc::clone(&checkpoints.borrow_and_update());
            let size = checkpoint.checkpoint().head.size;
            tokio::select! {
                () = self.have_cosigned(&checkpoint) => {}
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

    /// Asks unless it has cosigned already, and publishes what comes. What was concluded
    /// from its last answer is examined again.
    pub(super) async fn have_cosigned(&mut self, checkpoint: &SignedCheckpoint) {
        self.ask_unless_cosigned(checkpoint).await;
        self.contradictions.asked(&self.label());
    }

    async fn ask_unless_cosigned(&mut self, checkpoint: &SignedCheckpoint) {
        let proven = self.judge(self.proof.clone()).await;
        match proven {
            Ok(proven) => self.record(proven),
            Err(error) => self.report(&error),
        }
        // The first time it is asked in any case: it may have seen more than this disk has.
        let was_asked = std::mem::replace(&mut self.was_asked, true);
        let has_cosigned = matches!(cosignature(checkpoint, &self.key), Ok(Some(_)));
        if was_asked && has_cosigned {
            return;
        }
        let line = match self.ask(checkpoint).await {
            Ok(line) => line,
            Err(error) => {
                metrics::counter!("pennyblack_cps_cosignatures_missing_total").increment(1);
                if let AskError::Proven(proven) = error {
                    self.record(Some(proven));
                }
                return self.report(&error);
            }
        };
        let size = checkpoint.checkpoint().head.size;
        if !has_cosigned && let Err(error) = self.log.publish_cosignatures(size, vec![line]).await {
            tracing::warn!(witness = %self.key.name(), %error, "a cosignature is not published");
        }
    }

    /// Has the checkpoint cosigned; asks twice, since the first time what the
    /// witness has seen is not known.
    async fn ask(&mut self, checkpoint: &SignedCheckpoint) -> Result<SignatureLine, AskError> {
        let ours = checkpoint.checkpoint().head.size;
        let (mut status, mut body) = self.send(checkpoint).await?;
        let claimed = conflict(status, &body).filter(|seen| *seen != self.seen);
        if let Some(seen) = claimed {
            // Anybody may have shown it what we have signed since.
            if (ours.saturating_add(1)..=self.log.size()).contains(&seen) {
                return Err(AskError::SeenLater(seen));
            }
            if seen > ours {
                return Err(self.not_continued(status, seen).await);
            }
            self.seen = seen;
            (status, body) = self.send(checkpoint).await?;
        }
        match status {
            StatusCode::OK => {}
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
                let seen = conflict(status, &body).unwrap_or(self.seen);
                return Err(self.not_continued(status, seen).await);
            }
            _ => return Err(AskError::Status(status)),
        }
        let mut lines = body.lines().filter_map(|line| line.parse().ok());
        let line = lines.find(|line: &SignatureLine| line.is_by(&self.key));
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

    /// What a refusal means, by the checkpoint that the witness shows for it.
    async fn not_continued(&mut self, status: StatusCode, seen: u64) -> AskError {
        match self.find_proof().await {
            Ok(Some(proven)) => AskError::Proven(proven),
            Ok(None) => AskError::Unproven { status, seen },
            Err(error) => error,
        }
    }

    /// Asks for the last checkpoint that the witness has cosigned, and keeps it if it
    /// proves something. A witness need not have this resource.
    async fn find_proof(&mut self) -> Result<Option<Contradiction>, AskError> {
        let log = origin_in_path(self.log.verifier().name().as_str());
        let url = format!("{}{LAST_CHECKPOINT_PATH}{log}", self.prefix);
        let request = Request::get(url, MAX_NOTE_SIZE);
        let Answer { status, body, .. } = self.client.exchange(&request).await?;
        let text = str::from_utf8(&body).ok();
        let shown = text.filter(|_| status == StatusCode::OK);
        let shown = shown.and_then(|text| text.parse::<SignedCheckpoint>().ok());
        let proven = self.judge(shown.clone()).await?;
        if proven.is_some() {
            self.proof = shown;
        }
        Ok(proven)
    }

    async fn judge(
        &self,
        shown: Option<SignedCheckpoint>,
    ) -> Result<Option<Contradiction>, AskError> {
        let Some(shown) = shown else {
            return Ok(None);
        };
        let log = Arc::clone(&self.log);
        let judged = spawn_blocking(move || contradiction::judge(&log, &shown)).await;
        Ok(judged.map_err(std::io::Error::other)??)
    }

    fn record(&mut self, proven: Option<Contradiction>) {
        if proven.is_none() {
            self.proof = None;
        }
        let witness = self.label();
        if self.contradictions.record(&witness, proven)
            && let (Some(proven), Some(proof)) = (proven, &self.proof)
        {
            let proof = proof.to_string();
            tracing::error!(witness, proof, "{proven}");
        }
    }

    /// What it is called in sentences.
    pub(super) fn label(&self) -> String {
        format!("{} at {}", self.key.name(), self.prefix)
    }

    /// A line about why there is no cosignature, unless there was one lately.
    fn report(&self, error: &AskError) {
        let cause = format!("{}: {error}", self.label());
        report("a checkpoint is not cosigned", &cause);
    }

    async fn send(&self, checkpoint: &SignedCheckpoint) -> Result<(StatusCode, String), AskError> {
        let (old, new) = (self.seen, checkpoint.checkpoint().head.size);
        let log = Arc::clone(&self.log);
        let proof = spawn_blocking(move || log.prove_consistency(old, new)).await;
        let request = AddCheckpoint {
            old_size: old,
            proof: proof.map_err(std::io::Error::other)??,
            checkpoint: checkpoint.clone(),
        };
        let url = format!("{}{ADD_CHECKPOINT_PATH}", self.prefix);
        let request = Request::post(url, request.to_string(), MAX_ANSWER_SIZE);
        let answer = self.client.exchange(&request).await?;
        if let Some(theirs) = answer.date() {
            self.clock.reads(theirs);
        }
        let Answer { status, body, .. } = answer;
        let body = String::from_utf8(body.into()).map_err(|_| AskError::Answer)?;
        Ok((status, body))
    }
}

/// The size that a witness has seen, if it says that it is another one than we said.
fn conflict(status: StatusCode, body: &str) -> Option<u64> {
    let size = body.trim_end().parse().ok();
    size.filter(|_| status == StatusCode::CONFLICT)
}
