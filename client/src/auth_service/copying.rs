//! Asking the CPSs of a key record for copies, several at a time, by a plan (`copy_plan`).

use std::future::pending;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use pennyblack_base::cps_uri::CpsUri;
use tokio::time::{Instant, sleep_until};

use super::{CopyEnd, CopyPlan};

/// The copies for one key that are under way.
pub struct Copying<'a, T> {
    plan: CopyPlan,
    patience: Duration,
    ask: Box<dyn FnMut(CpsUri) -> BoxFuture<'a, T> + Send + 'a>,
    under_way: FuturesUnordered<BoxFuture<'a, (CpsUri, T)>>,
    /// Those that are not late: since when.
    awaited: Vec<(CpsUri, Instant)>,
}

impl<'a, T: CopyResult + Send + 'a> Copying<'a, T> {
    /// Asks by `plan`, with `ask`. One that has not answered after `patience` is late: another
    /// is asked as well, if there is one.
    pub fn new(
        plan: CopyPlan,
        patience: Duration,
        ask: impl FnMut(CpsUri) -> BoxFuture<'a, T> + Send + 'a,
    ) -> Self {
        Self {
            plan,
            patience,
            ask: Box::new(ask),
            under_way: FuturesUnordered::new(),
            awaited: Vec::new(),
        }
    }

    /// The plan as it stands.
    #[must_use]
    pub const fn plan(&self) -> &CopyPlan {
        &self.plan
    }

    /// What came of the next one that ends; nothing when all have, and no other is to be
    /// asked. Dropped before, those under way are given up.
    pub async fn next(&mut self) -> Option<(CpsUri, T)> {
        loop {
            while let Some(cps) = self.plan.ask_next() {
                self.awaited.push((cps.clone(), Instant::now()));
                let asked = (self.ask)(cps.clone());
                self.under_way
                    .push(Box::pin(async move { (cps, asked.await) }));
            }
            let first = self
                .awaited
                .first()
                .map(|(_, since)| *since + self.patience);
            let is_late = async {
                match first {
                    Some(moment) => sleep_until(moment).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                ended = self.under_way.next() => {
                    let (cps, result) = ended?;
                    let place = self.awaited.iter().position(|(one, _)| *one == cps);
                    if let Some(place) = place {
                        self.awaited.remove(place);
                    }
                    self.plan.has_ended(result.end(), place.is_none());
                    return Some((cps, result));
                }
                () = is_late => {
                    self.awaited.remove(0);
                    self.plan.is_late();
                }
            }
        }
    }
}

/// What came of a copy.
pub trait CopyResult {
    /// What it means for the next one.
    fn end(&self) -> CopyEnd;
}

/// Why a copy was not stored.
pub trait CopyFailure {
    /// Whether no token was spent on it.
    fn costs_nothing(&self) -> bool;
}

impl<T, E: CopyFailure> CopyResult for Result<T, E> {
    fn end(&self) -> CopyEnd {
        match self {
            Ok(_) => CopyEnd::Stored,
            Err(error) if error.costs_nothing() => CopyEnd::NothingSpent,
            Err(_) => CopyEnd::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_protocol::key_record::Placement;

    use super::*;
    use crate::auth_service::CopyLimits;

    const PATIENCE: Duration = Duration::from_secs(2);

    impl CopyFailure for () {
        fn costs_nothing(&self) -> bool {
            false
        }
    }

    fn plan(copies: u64) -> CopyPlan {
        let uri = |name: &str| format!("https://{name}.example").parse().unwrap();
        let placement = Placement::new(uri("a"), vec![uri("b"), uri("c")], Some(copies)).unwrap();
        CopyPlan::new(&placement, CopyLimits::of(&placement), &mut rand::rng())
    }

    /// CPSs of which the n-th that is asked answers so, after so many seconds; the results
    /// with the seconds after which they came.
    async fn results(copies: u64, answers: [(u64, bool); 3]) -> Vec<(u64, bool)> {
        let (began, mut answers) = (Instant::now(), answers.into_iter());
        let mut copying = Copying::new(plan(copies), PATIENCE, move |_| {
            let (after, is_stored) = answers.next().unwrap();
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(after)).await;
                is_stored.then_some(()).ok_or(())
            })
        });
        let mut results = Vec::new();
        while let Some((_, result)) = copying.next().await {
            results.push((began.elapsed().as_secs(), result.is_ok()));
        }
        results
    }

    #[tokio::test(start_paused = true)]
    async fn copies_are_stored_side_by_side() {
        let all = results(3, [(1, true), (1, true), (1, true)]).await;
        assert_eq!(all, [(1, true); 3]);
        let two = results(2, [(1, true), (1, true), (9, true)]).await;
        assert_eq!(two, [(1, true); 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn another_is_asked_at_once_for_one_that_refuses_and_after_a_while_for_one_that_is_silent()
     {
        let refused = results(2, [(1, true), (1, false), (1, true)]).await;
        assert_eq!(refused, [(1, true), (1, false), (2, true)]);
        let silent = results(2, [(1, true), (60, false), (1, true)]).await;
        assert_eq!(silent, [(1, true), (3, true), (60, false)]);
        let slow = results(1, [(5, true), (9, true), (9, true)]).await;
        assert_eq!(slow.len(), 3, "each was late: {slow:?}");
        assert_eq!(slow[0], (5, true));
    }
}
