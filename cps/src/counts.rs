//! What this CPS has counted since it started: how often it did what, and never for
//! whom. Each count is told to Prometheus too, whose recorder is the process's. Not
//! here: the counts of a key epoch, which are in `log::EpochTallies` and outlive it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::response::Response;
use pennyblack_base::problem::ProblemType;
use serde::Serialize;

/// The counts. Each is right by itself; two of them may be an instant apart.
#[derive(Debug)]
pub(crate) struct Counts {
    stored: AtomicU64,
    replayed: AtomicU64,
    double_spends: AtomicU64,
    polls: AtomicU64,
    /// In the order of [`ProblemType::ALL`].
    refused: [AtomicU64; ProblemType::ALL.len()],
}

/// How often each thing has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Totals {
    /// Entries stored, each for a token.
    pub(crate) stored: u64,
    /// Repetitions of a request that was stored.
    pub(crate) replayed: u64,
    /// Requests of all kinds that were refused; the double spends are among them.
    pub(crate) refused: u64,
    /// Double spends that were entered into the log.
    pub(crate) double_spends: u64,
    /// Mailboxes asked for, those that do not exist included.
    pub(crate) polls: u64,
}

impl Totals {
    /// How much more often than at an earlier time.
    pub(crate) const fn since(&self, earlier: &Self) -> Self {
        Self {
            stored: self.stored.saturating_sub(earlier.stored),
            replayed: self.replayed.saturating_sub(earlier.replayed),
            refused: self.refused.saturating_sub(earlier.refused),
            double_spends: self.double_spends.saturating_sub(earlier.double_spends),
            polls: self.polls.saturating_sub(earlier.polls),
        }
    }
}

impl Counts {
    pub(crate) const fn new() -> Self {
        Self {
            stored: AtomicU64::new(0),
            replayed: AtomicU64::new(0),
            double_spends: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            refused: [const { AtomicU64::new(0) }; ProblemType::ALL.len()],
        }
    }

    /// An entry was stored.
    pub(crate) fn stored(&self) {
        add_one(&self.stored);
        metrics::counter!("pennyblack_cps_stored_total").increment(1);
    }

    /// A request came again that was stored before.
    pub(crate) fn replayed(&self) {
        add_one(&self.replayed);
        metrics::counter!("pennyblack_cps_replayed_total").increment(1);
    }

    /// A double spend was entered into the log.
    pub(crate) fn double_spend(&self) {
        add_one(&self.double_spends);
        metrics::counter!("pennyblack_cps_double_spends_total").increment(1);
    }

    /// A mailbox was asked for, whether or not there is one.
    pub(crate) fn poll(&self) {
        add_one(&self.polls);
        metrics::counter!("pennyblack_cps_polls_total").increment(1);
    }

    /// A request was refused.
    pub(crate) fn refused(&self, kind: ProblemType) {
        let place = ProblemType::ALL.iter().position(|one| *one == kind);
        if let Some(count) = place.and_then(|place| self.refused.get(place)) {
            add_one(count);
        }
        metrics::counter!("pennyblack_cps_refusals_total", "type" => kind.name()).increment(1);
    }

    /// All of them now.
    pub(crate) fn totals(&self) -> Totals {
        Totals {
            stored: read(&self.stored),
            replayed: read(&self.replayed),
            refused: self.refused.iter().map(read).sum(),
            double_spends: read(&self.double_spends),
            polls: read(&self.polls),
        }
    }

    /// How many requests were refused for each reason that occurred.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (ProblemType, u64)> {
        let kinds = ProblemType::ALL.iter().copied();
        let counted = kinds.zip(self.refused.iter().map(read));
        counted.filter(|(_, count)| *count > 0)
    }
}

/// Counts an answer that refuses; those of another node are that node's to count.
pub(crate) async fn refusal(State(counts): State<Arc<Counts>>, response: Response) -> Response {
    if let Some(kind) = response.extensions().get::<ProblemType>() {
        counts.refused(*kind);
    }
    response
}

fn add_one(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_counted_under_its_type_and_in_the_sum() {
        let counts = Counts::new();
        for kind in ProblemType::ALL {
            counts.refused(*kind);
        }
        counts.refused(ProblemType::UnknownMailbox);
        let refusals: Vec<_> = counts.refusals().collect();
        assert_eq!(refusals.len(), ProblemType::ALL.len());
        assert!(refusals.contains(&(ProblemType::UnknownMailbox, 2)));
        let all = u64::try_from(ProblemType::ALL.len()).unwrap();
        assert_eq!(counts.totals().refused, all + 1);
    }

    #[tokio::test]
    async fn an_answer_that_refuses_is_counted_and_no_other() {
        use axum::response::IntoResponse as _;
        use http::StatusCode;

        let counts = Arc::new(Counts::new());
        let refused = crate::refusal::Refusal::AlreadySpent.into_response();
        refusal(State(Arc::clone(&counts)), refused).await;
        let stored = StatusCode::CREATED.into_response();
        refusal(State(Arc::clone(&counts)), stored).await;
        let refusals: Vec<_> = counts.refusals().collect();
        assert_eq!(refusals, [(ProblemType::TokenAlreadySpent, 1)]);
    }
}
