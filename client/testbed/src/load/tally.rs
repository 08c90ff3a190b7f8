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
    /// How late requests began, in microseconds.
    pub(super) lateness: Histogram<u64>,
    /// When the last measured answer came, since the run began.
    pub(super) last: Duration,
}

/// When a request was to be sent, was sent, and was answered or given up: times
/// since the run began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) intended: Duration,
    pub(super) sent: Duration,
    pub(super) answered: Duration,
}

impl Times {
    /// What a user would have waited, who came when the request was to be sent.
    const fn latency(self) -> Duration {
        self.answered.saturating_sub(self.intended)
    }
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
            lateness: histogram()?,
            last: Duration::ZERO,
        })
    }

    /// Counts the outcome of a request, unless it was answered before the end of
    /// the warm-up.
    pub(super) fn record(
        &mut self,
        operation: Operation,
        times: Times,
        outcome: Result<(), FailureKind>,
    ) {
        if !self.window.measures(times.answered) {
            return;
        }
        self.last = self.last.max(times.answered);
        let late = times.sent.saturating_sub(times.intended);
        self.lateness.saturating_record(micros(late));
        let in_time = self.window.holds(times.answered);
        let tally = match operation {
            Operation::Draw => &mut self.draw,
            Operation::Store => &mut self.store,
            Operation::Retrieve => &mut self.retrieve,
        };
        tally.record(times.latency(), in_time, outcome);
    }

    /// Adds another worker's counts.
    pub(super) fn add(&mut self, other: &Self) {
        self.last = self.last.max(other.last);
        // Cannot fail: all histograms have the same bounds.
        let _ = self.lateness.add(&other.lateness);
        self.draw.add(&other.draw);
        self.store.add(&other.store);
        self.retrieve.add(&other.retrieve);
    }
}

impl OperationTally {
    fn new() -> Result<Self, CreationError> {
        Ok(Self {
            latencies: histogram()?,
            in_time: 0,
            failures: BTreeMap::new(),
        })
    }

    fn record(&mut self, latency: Duration, in_time: bool, outcome: Result<(), FailureKind>) {
        match outcome {
            Ok(()) => {
                self.latencies.saturating_record(micros(latency));
                self.in_time += u64::from(in_time);
            }
            Err(kind) => self.failures.entry(kind).or_default().add(Failures {
                count: 1,
                slowest: latency,
            }),
        }
    }

    fn add(&mut self, other: &Self) {
        // As above.
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

fn histogram() -> Result<Histogram<u64>, CreationError> {
    Histogram::new_with_bounds(1, LONGEST, DIGITS)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    const WINDOW: Window = Window {
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(10),
    };

    /// Sent when it was to be sent.
    fn punctual(intended: Duration, answered: Duration) -> Times {
        Times {
            intended,
            sent: intended,
            answered,
        }
    }

    fn until(answered: Duration) -> Times {
        punctual(Duration::ZERO, answered)
    }

    #[test]
    fn the_latency_counts_from_when_the_request_was_to_be_sent() {
        let mut tally = Tally::new(WINDOW).unwrap();
        let times = Times {
            intended: 10 * MILLISECOND,
            sent: 200 * MILLISECOND,
            answered: 250 * MILLISECOND,
        };
        tally.record(Operation::Store, times, Ok(()));
        let latency = tally.store.latencies.max();
        assert!((240_000..240_300).contains(&latency), "{latency}");
        let late = tally.lateness.max();
        assert!((190_000..190_300).contains(&late), "{late}");
        assert_eq!(tally.last, 250 * MILLISECOND);
    }

    #[test]
    fn a_late_answer_to_a_request_of_the_warm_up_counts_with_its_whole_latency() {
        let warm_up = 20 * MILLISECOND;
        let mut tally = Tally::new(Window { warm_up, ..WINDOW }).unwrap();
        tally.record(Operation::Store, until(19 * MILLISECOND), Ok(()));
        assert!(tally.store.latencies.is_empty() && tally.lateness.is_empty());
        tally.record(Operation::Store, until(30 * MILLISECOND), Ok(()));
        assert_eq!((tally.store.latencies.len(), tally.store.in_time), (1, 1));
        assert!(tally.store.latencies.max() >= 30_000);
    }

    #[test]
    fn an_answer_after_the_end_counts_for_the_latencies_and_not_for_the_throughput() {
        let mut tally = Tally::new(WINDOW).unwrap();
        let end = WINDOW.end();
        tally.record(Operation::Store, punctual(end - MILLISECOND, end), Ok(()));
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
            let times = until(worker * MILLISECOND);
            tally.record(Operation::Draw, times, Ok(()));
            tally.record(Operation::Draw, times, Err(refused));
            tally.record(Operation::Store, times, Err(FailureKind::TimedOut));
            all.add(&tally);
        }
        assert_eq!((all.draw.latencies.len(), all.draw.in_time), (3, 3));
        let failures = Failures {
            count: 3,
            slowest: 3 * MILLISECOND,
        };
        assert_eq!(all.draw.failures, BTreeMap::from([(refused, failures)]));
        assert_eq!(all.store.failures.len(), 1);
        assert!(all.retrieve.failures.is_empty());
        assert_eq!(all.lateness.len(), 9);
    }

    #[test]
    fn a_latency_beyond_the_histogram_is_counted_as_the_longest() {
        let mut tally = Tally::new(WINDOW).unwrap();
        tally.record(Operation::Store, until(Duration::MAX), Ok(()));
        assert!(tally.store.latencies.max() >= LONGEST);
    }
}
