//! What the page shows of a CPS at one moment, as JSON: totals of everybody together.
//! Nothing in it tells an OOB-AS, a mailbox or a number from another, and nothing may.

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_service::admin::Readiness;
use serde::Serialize;

use super::rates::Span;
use crate::counts::{Counts, Totals};
use crate::issuers::{Issuers, KnownKey};
use crate::log::CpsLog;
use crate::store::Store;

/// The whole of it.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    /// The CPS's authority.
    pub(super) name: Authority,
    /// Of the program.
    pub(super) version: &'static str,
    /// By the CPS's clock.
    pub(super) now: UnixTime,
    pub(super) started: UnixTime,
    /// What keeps it from its work; ready if empty.
    pub(super) lacking: Vec<Lack>,
    /// `None` at a follower.
    pub(super) log: Option<LogStatus>,
    /// Since the start.
    pub(super) totals: Totals,
    pub(super) refusals: Vec<Refusals>,
    pub(super) epochs: Vec<EpochStatus>,
    /// The last hour, oldest first.
    pub(super) spans: Vec<Span>,
}

/// Something that is missing.
#[derive(Debug, Serialize)]
pub(super) struct Lack {
    part: &'static str,
    reason: String,
}

/// Everything that is missing.
pub(super) fn lacking(readiness: &Readiness) -> Vec<Lack> {
    let lacking = readiness.lacking().into_iter();
    lacking
        .map(|(part, reason)| Lack { part, reason })
        .collect()
}

/// How many requests were refused for one reason.
#[derive(Debug, Serialize)]
pub(super) struct Refusals {
    /// The name of its problem type (docs/problems.md).
    kind: &'static str,
    title: &'static str,
    count: u64,
}

/// The reasons that occurred, the most frequent first.
pub(super) fn refusals(counts: &Counts) -> Vec<Refusals> {
    let refusals = counts.refusals().map(|(kind, count)| Refusals {
        kind: kind.name(),
        title: kind.title(),
        count,
    });
    let mut refusals: Vec<_> = refusals.collect();
    refusals.sort_by_key(|one| std::cmp::Reverse(one.count));
    refusals
}

/// The log and its last checkpoint (docs/protocol.md section 7.1).
#[derive(Debug, Serialize)]
pub(super) struct LogStatus {
    origin: String,
    /// The verifier key.
    key: String,
    /// Entries under the checkpoint.
    size: u64,
    /// The minute of the last of them; a checkpoint follows its last entry within
    /// about a second, and has no time of its own.
    minute: Option<UnixTime>,
    /// How many witnesses have cosigned it.
    cosignatures: usize,
}

/// What there is of the log; `None` at a follower. Reads the disk.
pub(super) fn log_status(log: &CpsLog) -> std::io::Result<Option<LogStatus>> {
    let Some(published) = log.published() else {
        return Ok(None);
    };
    let checkpoint = published.checkpoint();
    let size = checkpoint.checkpoint().head.size;
    let last = match size.checked_sub(1) {
        Some(last) => log.entries(last, 1)?.pop(),
        None => None,
    };
    let signatures = checkpoint.note().signatures().iter();
    let others = signatures.filter(|line| !line.is_by(published.verifier()));
    Ok(Some(LogStatus {
        origin: checkpoint.checkpoint().origin.clone(),
        key: published.verifier().to_string(),
        size,
        minute: last.map(|(_, entry)| entry.minute.start()),
        cosignatures: others.count(),
    }))
}

/// A key epoch that is not closed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct EpochStatus {
    issuer: Authority,
    token_key_id: String,
    token_type: u16,
    not_before: UnixTime,
    state: EpochState,
    /// Tokens spent, if the store can tell now.
    spent: Option<u64>,
    /// Repetitions at all nodes, at least; if that can be told now.
    replayed: Option<u64>,
    /// Requests refused, likewise.
    refused: Option<u64>,
    /// Those of them whose token was in the log already for a double spend, likewise.
    further_double_spends: Option<u64>,
}

/// Whether tokens of an epoch are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum EpochState {
    /// They are.
    Live,
    /// Not yet: it has not begun.
    Announced,
    /// They are not: it has ended and is about to be closed, or is not in the log.
    NotTaken,
}

/// The epochs of every issuer, in the order of their beginning.
pub(super) async fn epochs<S: Store>(
    issuers: &Issuers,
    store: &S,
    log: &CpsLog,
    now: UnixTime,
) -> Vec<EpochStatus> {
    let mut epochs = Vec::new();
    for (issuer, key, is_live) in issuers.known() {
        let id = key.public().id();
        let state = state(&key, is_live, now);
        let spent = match state {
            // None can be spent, and there is no need to ask.
            EpochState::Announced => Some(0),
            EpochState::Live | EpochState::NotTaken => store.spent(id).await.ok(),
        };
        let tally = log.tallies().peek(id).await.ok();
        epochs.push(EpochStatus {
            issuer,
            token_key_id: id.to_string(),
            token_type: key.public().token_type().0,
            not_before: key.not_before(),
            state,
            spent,
            replayed: tally.map(|tally| tally.replayed),
            refused: tally.map(|tally| tally.refused),
            further_double_spends: tally.map(|tally| tally.further_double_spends),
        });
    }
    epochs
}

fn state(key: &KnownKey, is_live: bool, now: UnixTime) -> EpochState {
    match is_live {
        true => EpochState::Live,
        false if key.not_before() > now => EpochState::Announced,
        false => EpochState::NotTaken,
    }
}
