//! What proves that this log was rolled back or forked: a checkpoint that the log itself
//! has signed and does not continue. **A witness's word alone proves nothing**: a witness
//! that answers with any number or status must not stop a CPS. Not here: asking for the
//! checkpoint.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use pennyblack_logserver::TransparencyLog;
use pennyblack_service::admin::Readiness;
use pennyblack_tlog::{Hash, SignedCheckpoint};

/// What is not ready when the log contradicts itself.
const PART: &str = "log";

/// The log has signed what it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Contradiction {
    #[error(
        "this log has signed for {signed} entries, and there are {ours}: this disk was restored to \
         an earlier day. Stop, and restore `log/public` from a mirror, before anything else is signed"
    )]
    RolledBack { signed: u64, ours: u64 },
    #[error(
        "two histories were signed with this log's key: of {size} entries with the root {signed}, \
         and with {ours}. Stop, and find out which is the true one, before anything else is signed"
    )]
    Forked { size: u64, signed: Hash, ours: Hash },
}

/// Whether a checkpoint shows that the log contradicts itself. One that somebody else has
/// signed shows nothing. Reads the disk.
pub(super) fn judge(
    log: &TransparencyLog,
    shown: &SignedCheckpoint,
) -> io::Result<Option<Contradiction>> {
    let Ok(signed) = shown.verify(log.verifier()) else {
        return Ok(None);
    };
    // In this order: what is signed was durable before, so that anything signed
    // meanwhile is among our entries.
    let ours = log.size();
    if signed.size > ours {
        let signed = signed.size;
        return Ok(Some(Contradiction::RolledBack { signed, ours }));
    }
    if signed.size > log.checkpoint().checkpoint().head.size {
        return Ok(None);
    }
    let ours = log.head_at(signed.size)?;
    let forked = (ours.root != signed.root).then_some(Contradiction::Forked {
        size: signed.size,
        signed: signed.root,
        ours: ours.root,
    });
    Ok(forked)
}

/// What all witnesses together have shown. The service is not ready while one of them
/// holds a proof.
#[derive(Debug)]
pub(super) struct Contradictions {
    readiness: Readiness,
    /// By the name of the witness that has shown it.
    shown: Mutex<BTreeMap<String, Contradiction>>,
}

impl Contradictions {
    pub(super) const fn new(readiness: Readiness) -> Self {
        Self {
            readiness,
            shown: Mutex::new(BTreeMap::new()),
        }
    }

    /// Records what a witness proves now, if anything; whether that is news.
    pub(super) fn record(&self, witness: &str, proven: Option<Contradiction>) -> bool {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match proven {
            Some(contradiction) => shown.insert(witness.to_owned(), contradiction),
            None => shown.remove(witness),
        };
        match shown.first_key_value() {
            Some((witness, proven)) => {
                let why = format!("{witness} has shown a checkpoint: {proven}");
                self.readiness.lacks(PART, why);
            }
            None => self.readiness.has(PART),
        }
        before != proven
    }
}
