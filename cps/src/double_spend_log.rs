//! The double-spend log: evidence of tokens that were spent on two requests, on
//! disk before the second request is answered, and published for anyone to
//! check (docs/protocol.md section 7). No mailbox, no address, no time finer
//! than a minute.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use pennyblack_shared::double_spend::{DoubleSpendEvidence, EvidenceFormError};
use pennyblack_shared::time::UnixTime;
use pennyblack_shared::token::{Nonce, TokenKeyId};
use pennyblack_storage::group_commit::CommitError;
use pennyblack_storage::log::{Log, LogError};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

/// Most lines that one token can cause, so that its holder cannot fill the log.
const MOST_OF_ONE_TOKEN: usize = 4;

/// A log that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenLogError {
    /// The files.
    #[error("the double-spend log: {0}")]
    Log(#[from] LogError),
    /// A line of another form.
    #[error("line {line} of the double-spend log is not one of ours: {why}")]
    Line {
        /// Its number, from 0.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A line whose evidence does not parse.
    #[error("line {line} of the double-spend log: {error}")]
    Evidence {
        /// Its number, from 0.
        line: usize,
        /// What is wrong.
        error: EvidenceFormError,
    },
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLine {
    /// The minute in which the second request came.
    pub minute: UnixTime,
    /// [`DoubleSpendEvidence`] as it is written, to be parsed and checked.
    pub evidence: serde_json::Value,
}

impl LogLine {
    /// The evidence, parsed and not checked.
    ///
    /// # Errors
    /// [`EvidenceFormError`].
    pub fn evidence(&self) -> Result<DoubleSpendEvidence, EvidenceFormError> {
        self.evidence.to_string().parse()
    }
}

#[derive(Default)]
struct Lines {
    all: Vec<Arc<str>>,
    /// What is logged of each token: the later requests' digests.
    tokens: HashMap<(TokenKeyId, Nonce), Vec<[u8; 32]>>,
}

/// The log, open.
pub struct DoubleSpendLog {
    log: Log,
    /// Held while a line is written, so that each is judged by all before it and
    /// has the same number here as on disk.
    appending: Mutex<()>,
    /// Locked for a look-up or a push, never while waiting.
    lines: RwLock<Lines>,
}

impl DoubleSpendLog {
    /// Opens the log in a directory of its own. Reads it: not for an async context.
    ///
    /// # Errors
    /// [`OpenLogError`].
    pub fn open(directory: &Path) -> Result<Self, OpenLogError> {
        let (log, records) = Log::open(directory)?;
        let mut lines = Lines::default();
        for (line, record) in records.into_iter().enumerate() {
            let wrong = |why: String| OpenLogError::Line { line, why };
            let text = String::from_utf8(record).map_err(|e| wrong(e.to_string()))?;
            let parsed: LogLine = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
            let evidence = parsed
                .evidence()
                .map_err(|error| OpenLogError::Evidence { line, error })?;
            lines.note(&evidence);
            lines.all.push(text.into());
        }
        Ok(Self {
            log,
            appending: Mutex::default(),
            lines: RwLock::new(lines),
        })
    }

    /// Logs evidence, once for each pair of requests and a few times for each
    /// token. It is on disk when this returns.
    ///
    /// # Errors
    /// [`CommitError`]; then the double spend must not be answered as one.
    pub async fn append(
        self: &Arc<Self>,
        evidence: DoubleSpendEvidence,
        now: UnixTime,
    ) -> Result<(), CommitError> {
        if self.is_known(&evidence) {
            return Ok(());
        }
        // In a task of its own: a client that hangs up must not leave a line on
        // disk that is not known here.
        let this = Arc::clone(self);
        let appended = tokio::spawn(async move { this.append_next(&evidence, now).await });
        appended.await.map_err(|_| CommitError::Stopped)?
    }

    async fn append_next(
        &self,
        evidence: &DoubleSpendEvidence,
        now: UnixTime,
    ) -> Result<(), CommitError> {
        let _alone = self.appending.lock().await;
        if self.is_known(evidence) {
            return Ok(());
        }
        let line = LogLine {
            minute: UnixTime(now.0 - now.0 % 60),
            evidence: serde_json::from_str(&evidence.to_json()).unwrap_or_default(),
        };
        let text = serde_json::to_string(&line).unwrap_or_default();
        self.log.append(text.clone().into_bytes()).await?;
        let mut lines = self.lines.write().unwrap_or_else(PoisonError::into_inner);
        lines.note(evidence);
        lines.all.push(text.into());
        metrics::counter!("pennyblack_cps_double_spends_total").increment(1);
        Ok(())
    }

    /// At most `most` lines from the line with this number on, oldest first.
    #[must_use]
    pub fn lines(&self, first: u64, most: usize) -> Vec<Arc<str>> {
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        lines.all.iter().skip(first).take(most).cloned().collect()
    }

    fn is_known(&self, evidence: &DoubleSpendEvidence) -> bool {
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        let known = lines.tokens.get(&token(evidence));
        known.is_some_and(|known| {
            known.len() >= MOST_OF_ONE_TOKEN || known.contains(&later_digest(evidence))
        })
    }
}

impl Lines {
    fn note(&mut self, evidence: &DoubleSpendEvidence) {
        let known = self.tokens.entry(token(evidence)).or_default();
        known.push(later_digest(evidence));
    }
}

const fn token(evidence: &DoubleSpendEvidence) -> (TokenKeyId, Nonce) {
    (evidence.token.token_key_id, evidence.token.nonce)
}

const fn later_digest(evidence: &DoubleSpendEvidence) -> [u8; 32] {
    let [_, later] = &evidence.requests;
    later.digest.0
}
