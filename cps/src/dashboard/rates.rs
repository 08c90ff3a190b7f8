//! How much happened in each five seconds of the last hour, in memory only. Totals of
//! everybody together; a spend record, which is kept for as long as its key epoch,
//! has a finer time (docs/protocol.md section 3). Not here: the counts.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use serde::{Serialize, Serializer};

use crate::counts::{Counts, Totals};

/// The length of a span.
const SPAN: Duration = Duration::from_secs(5);
/// Spans that are remembered: an hour.
const MOST_SPANS: usize = 720;

/// What happened within a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// When it ended.
    ended: UnixTime,
    /// How long it was; longer than [`SPAN`] if the process was held up.
    length: Duration,
    happened: Totals,
}

impl Serialize for Span {
    /// As an array, since there are hundreds of them: when it ended, its seconds,
    /// stored, replayed, refused, double spends, polls.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let happened = self.happened;
        let row = [
            self.ended.0,
            self.length.as_secs(),
            happened.stored,
            happened.replayed,
            happened.refused,
            happened.double_spends,
            happened.polls,
        ];
        row.serialize(serializer)
    }
}

/// The last hour.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<VecDeque<Span>>);

impl Rates {
    /// All spans, oldest first.
    pub(super) fn spans(&self) -> Vec<Span> {
        self.lock().iter().copied().collect()
    }

    /// Records span after span, until `shutdown`.
    pub(super) async fn sample(&self, counts: &Counts, clock: &Clock, shutdown: &Shutdown) {
        let (mut began, mut before) = (clock.now(), counts.totals());
        loop {
            tokio::select! {
                () = clock.reached(began.plus(SPAN)) => {}
                // Not endlessly, if the clock is set back meanwhile.
                () = tokio::time::sleep(SPAN * 2) => {}
                () = shutdown.requested() => return,
            }
            let now = clock.now();
            if now < began {
                began = now;
            }
            if now < began.plus(SPAN) {
                continue;
            }
            let totals = counts.totals();
            self.record(Span {
                ended: now,
                length: now.since(began),
                happened: totals.since(&before),
            });
            (began, before) = (now, totals);
        }
    }

    fn record(&self, span: Span) {
        let mut spans = self.lock();
        if spans.len() >= MOST_SPANS {
            spans.pop_front();
        }
        spans.push_back(span);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Span>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pennyblack_runtime::clock::ClockHand;

    use super::*;

    const START: UnixTime = UnixTime(1_000);

    fn set(hand: &ClockHand, seconds: u64) {
        hand.set(UnixTime(START.0 + seconds));
    }

    async fn until_there_are(rates: &Rates, spans: usize) {
        while rates.spans().len() < spans {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn spans_tell_what_happened_within_them_and_how_long_they_were() {
        let (clock, hand) = Clock::by_hand(START);
        let (rates, counts) = (Arc::new(Rates::default()), Arc::new(Counts::new()));
        let shutdown = Shutdown::new();
        let keeping = {
            let (rates, counts) = (Arc::clone(&rates), Arc::clone(&counts));
            let shutdown = shutdown.clone();
            tokio::spawn(async move { rates.sample(&counts, &clock, &shutdown).await })
        };
        tokio::task::yield_now().await;
        counts.stored();
        counts.stored();
        set(&hand, 5);
        until_there_are(&rates, 1).await;
        counts.poll();
        set(&hand, 17);
        until_there_are(&rates, 2).await;
        // Set back; the next span begins there.
        set(&hand, 1);
        set(&hand, 40);
        until_there_are(&rates, 3).await;
        shutdown.trigger();
        keeping.await.unwrap();
        let json = serde_json::to_string(&rates.spans()[..2]).unwrap();
        assert_eq!(json, "[[1005,5,2,0,0,0,0],[1017,12,0,0,0,0,1]]");
    }

    #[test]
    fn an_hour_is_remembered_and_no_more() {
        let rates = Rates::default();
        for second in 0..2_000 {
            rates.record(Span {
                ended: UnixTime(second),
                length: SPAN,
                happened: Totals::default(),
            });
        }
        let spans = rates.spans();
        assert_eq!(spans.len(), MOST_SPANS);
        assert_eq!(spans[0].ended, UnixTime(2_000 - 720));
    }
}
