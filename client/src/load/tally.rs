//! What a worker counts: latencies and failures of each operation. Not here:
//! what is told of it (`report`).

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};

use super::failure::FailureKind;
use super::mix::Operation;
use super::pace::Window;

/// The longest latency that a histogram tells apart from longer ones, in
/// microseconds: ten minutes, longer than any request may take.
const LONGEST: u64 = 600_000_000;

/// Significant digits of every latency.
const DIGITS: u8 = 3;

/// Counts of one worker, or of all.
#[derive(Debug)]
pub(super) struct Tally {
    window: Window,
    pub(super) draw: OperationTally,
    pub(super) store: OperationTally,
    pub(super) retrieve: OperationTally,
    /// When the last measured answer came, since the run began.
    pub(super) last: Duration,
}

/// Counts of one operation.
#[derive(Debug)]
pub(super) struct OperationTally {
    /// Of the successes, in microseconds.
    pub(super) latencies: Histogram<u64>,
    /// Successes that count for the throughput.
    pub(super) in_time: u64,
    pub(super) failures: BTreeMap<FailureKind, Failures>,
}

/// Failures of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Failures {
    pub(super) count: u64,
    /// The longest that one of them took.
    pub(super) slowest: Duration,
}

impl Tally {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// Never; the bounds of the histograms are good.
    pub(super) fn new(window: Window) -> Result<Self, CreationError> {
        Ok(Self {
            window,
            draw: OperationTally::new()?,
            store: OperationTally::new()?,
            retrieve: OperationTally::new()?,
            last: Duration::ZERO,
        })
    }

    /// Counts the outcome of a request that was to begin at `begin` and was
    /// answered, or given up, at `end`, unless that was before the end of the
    /// warm-up.
    pub(super) fn record(
        &mut self,
        operation: Operation,
        begin: Duration,
        end: Duration,
        outcome: Result<(), FailureKind>,
    ) {
        if !self.window.measures(end) {
            return;
        }
        self.last = self.last.max(end);
        let tally = match operation {
            Operation::Draw => &mut self.draw,
            Operation::Store => &mut self.store,
            Operation::Retrieve => &mut self.retrieve,
        };
        let latency = end.saturating_sub(begin);
        match outcome {
            Ok(()) => {
                let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
                tally.latencies.saturating_record(micros);
                tally.in_time += u64::from(self.window.holds(end));
            }
            Err(kind) => tally.failures.entry(kind).or_default().add(Failures {
                count: 1,
                slowest: latency,
            }),
        }
    }

    /// Adds another worker's counts.
    pub(super) fn add(&mut self, other: &Self) {
        self.last = self.last.max(other.last);
        self.draw.add(&other.draw);
        self.store.add(&other.store);
        self.retrieve.add(&other.retrieve);
    }
}

impl OperationTally {
    fn new() -> Result<Self, CreationError> {
        Ok(Self {
            latencies: Histogram::new_with_bounds(1, LONGEST, DIGITS)?,
            in_time: 0,
            failures: BTreeMap::new(),
        })
    }

    fn add(&mut self, other: &Self) {
        // Cannot fail: all histograms have the same bounds.
        let _ = self.latencies.add(&other.latencies);
        self.in_time += other.in_time;
        for (kind, failures) in &other.failures {
            self.failures.entry(*kind).or_default().add(*failures);
        }
    }
}

impl Failures {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.slowest = self.slowest.max(other.slowest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    const WINDOW: Window = Window {
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(10),
    };

    #[test]
    fn the_latency_counts_from_when_the_request_was_to_begin() {
        let mut tally = Tally::new(WINDOW).unwrap();
        tally.record(
            Operation::Store,
            10 * MILLISECOND,
            250 * MILLISECOND,
            Ok(()),
        );
        let micros = tally.store.latencies.max();
        assert!((240_000..240_300).contains(&micros), "{micros}");
        assert_eq!(tally.last, 250 * MILLISECOND);
    }

    #[test]
    fn a_late_answer_to_a_request_of_the_warm_up_counts_with_its_whole_latency() {
        let warm_up = 20 * MILLISECOND;
        let mut tally = Tally::new(Window { warm_up, ..WINDOW }).unwrap();
        tally.record(Operation::Store, Duration::ZERO, 19 * MILLISECOND, Ok(()));
        assert!(tally.store.latencies.is_empty());
        tally.record(Operation::Store, Duration::ZERO, 30 * MILLISECOND, Ok(()));
        assert_eq!((tally.store.latencies.len(), tally.store.in_time), (1, 1));
        assert!(tally.store.latencies.max() >= 30_000);
    }

    #[test]
    fn an_answer_after_the_end_counts_for_the_latencies_and_not_for_the_throughput() {
        let mut tally = Tally::new(WINDOW).unwrap();
        let end = WINDOW.end();
        tally.record(Operation::Store, end - MILLISECOND, end, Ok(()));
        assert_eq!((tally.store.latencies.len(), tally.store.in_time), (1, 0));
    }

    #[test]
    fn workers_counts_add_up_by_operation_and_kind() {
        let refused = FailureKind::Refused {
            status: 503,
            problem: Some("overloaded"),
        };
        let mut all = Tally::new(WINDOW).unwrap();
        for worker in 1..=3 {
            let mut tally = Tally::new(WINDOW).unwrap();
            let end = worker * MILLISECOND;
            tally.record(Operation::Draw, Duration::ZERO, end, Ok(()));
            tally.record(Operation::Draw, Duration::ZERO, end, Err(refused));
            tally.record(
                Operation::Store,
                Duration::ZERO,
                end,
                Err(FailureKind::TimedOut),
            );
            all.add(&tally);
        }
        assert_eq!(all.draw.latencies.len(), 3);
        let failures = Failures {
            count: 3,
            slowest: 3 * MILLISECOND,
        };
        assert_eq!(all.draw.failures, BTreeMap::from([(refused, failures)]));
        assert_eq!(all.store.failures.len(), 1);
        assert!(all.retrieve.failures.is_empty());
    }

    #[test]
    fn a_latency_beyond_the_histogram_is_counted_as_the_longest() {
        let mut tally = Tally::new(WINDOW).unwrap();
        tally.record(Operation::Store, Duration::ZERO, Duration::MAX, Ok(()));
        assert!(tally.store.latencies.max() >= LONGEST);
    }
}
