//! What proves that this log was rolled back or forked: a checkpoint that the log itself
//! has signed and does not continue. **A witness's word alone proves nothing**: a witness
//! that answers with any number or status must not stop a CPS. Not here: asking for the
//! checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// What all witnesses together have shown. **No token is redeemed, and the service is not
/// ready, while one of them holds a proof, and before each was asked once**: a disk that was
/// restored to an earlier day may have forgotten spends, too.
#[derive(Debug)]
pub(crate) struct Contradictions {
    readiness: Readiness,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The witnesses whose first answer is awaited.
    unasked: BTreeSet<String>,
    /// By the name of the witness that has shown it.
    shown: BTreeMap<String, Contradiction>,
}

impl Known {
    /// Why no token is redeemed, if none is.
    fn why(&self) -> Option<String> {
        if let Some((witness, proven)) = self.shown.first_key_value() {
            return Some(format!("{witness} has shown a checkpoint: {proven}"));
        }
        let unasked = self.unasked.first()?;
        Some(format!(
            "{unasked} is being asked what it has seen of the log"
        ))
    }
}

impl Contradictions {
    pub(super) fn new(readiness: Readiness) -> Self {
        Self {
            readiness,
            known: Mutex::default(),
        }
    }

    /// Awaits the first answer of a witness.
    pub(super) fn expect(&self, witness: &str) {
        self.change(|known| known.unasked.insert(witness.to_owned()));
    }

    /// A witness has answered, or failed to.
    pub(super) fn asked(&self, witness: &str) {
        self.change(|known| known.unasked.remove(witness));
    }

    /// Awaits no first answer any more: those whose answers are missing.
    pub(super) fn go_on(&self) -> BTreeSet<String> {
        self.change(|known| std::mem::take(&mut known.unasked))
    }

    /// Why no token is redeemed, if none is.
    pub(crate) fn why(&self) -> Option<String> {
        self.known().why()
    }

    /// Records what a witness proves now, if anything; whether that is news.
    pub(super) fn record(&self, witness: &str, proven: Option<Contradiction>) -> bool {
        let before = self.change(|known| match proven {
            Some(contradiction) => known.shown.insert(witness.to_owned(), contradiction),
            None => known.shown.remove(witness),
        });
        before != proven
    }

    fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known();
        let changed = change(&mut known);
        match known.why() {
            Some(why) => self.readiness.lacks(PART, why),
            None => self.readiness.has(PART),
        }
        changed
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
