//! What a run came to, in a form for programs. How it looks on a terminal is the
//! command line's business.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::failure::FailureKind;
use super::mix::Operation;
use super::pace::{Pace, Window};
use super::tally::{OperationTally, Tally};

/// A run. Whatever was answered during the warm-up is in no number of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `closed` or `open`.
    pub pace: &'static str,
    /// Requests in a second that the timetable had; of an open loop.
    pub rate: Option<u32>,
    /// Most requests under way at a time.
    pub connections: usize,
    /// The proportion of the operations.
    pub mix: String,
    /// Length of the warm-up.
    pub warm_up_seconds: f64,
    /// Length of the measured part: to its end, or to the last answer if the run
    /// ended before its time.
    pub seconds: f64,
    /// Why no more requests were begun.
    pub ended_by: End,
    /// How the requests were made.
    pub preparation: Preparation,
    /// Each operation of the mix.
    pub operations: Vec<OperationReport>,
    /// How late requests were sent, of an open loop: because all connections
    /// were waiting, or this machine was busy. It is part of their latencies.
    pub lateness: Option<Latency>,
    /// Requests of the timetable that were never sent, because all connections
    /// were waiting for answers. When there are any, the latencies are too good.
    pub unsent: u64,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Its time was over.
    Duration,
    /// Its requests were used up.
    Requests,
    /// It was told to stop.
    Stopped,
}

/// What was done before the run, so that it need not be done in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Preparation {
    /// Tokens drawn for the stores.
    pub tokens: u64,
    /// Store requests sealed and signed.
    pub stores: u64,
    /// Requests for tokens blinded and attested.
    pub draws: u64,
    /// Tokens that one request for tokens asks for.
    pub tokens_in_draw: Option<usize>,
    /// How long all this took.
    pub seconds: f64,
    /// Requests that were signed again during the run, between two requests,
    /// because a signature is good for a short time only.
    pub renewed: u64,
}

/// One operation.
#[derive(Debug, Clone, Serialize)]
pub struct OperationReport {
    /// Which.
    pub operation: Operation,
    /// Requests answered as they should be.
    pub succeeded: u64,
    /// Of these, how many in a second of the measured time. Answers that came
    /// after it are not among them.
    pub per_second: f64,
    /// How long these took; nothing when there were none.
    pub latency: Option<Latency>,
    /// Requests that failed, the most frequent kind first.
    pub failures: Vec<FailureReport>,
}

/// A distribution of times, in microseconds, to three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Half took no longer.
    pub p50_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// 999 of 1,000 took no longer.
    pub p99_9_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// Failures of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FailureReport {
    /// Which kind.
    #[serde(flatten)]
    pub kind: FailureKind,
    /// How many.
    pub count: u64,
    /// The longest that one of them took, in microseconds.
    pub slowest_us: u64,
}

/// What is known of a run besides its counts.
pub(super) struct RunInfo {
    pub(super) pace: Pace,
    pub(super) connections: usize,
    pub(super) mix: super::Mix,
    pub(super) window: Window,
    pub(super) ended_by: End,
    pub(super) preparation: Preparation,
    pub(super) unsent: u64,
}

impl Report {
    pub(super) fn new(circumstances: RunInfo, tally: &Tally) -> Self {
        let window = circumstances.window;
        let seconds = measured(window, circumstances.ended_by, tally.last).as_secs_f64();
        let operations = [
            (Operation::Draw, &tally.draw),
            (Operation::Store, &tally.store),
            (Operation::Retrieve, &tally.retrieve),
        ];
        let (pace, rate) = match circumstances.pace {
            Pace::Closed => ("closed", None),
            Pace::Open(rate) => ("open", Some(rate.0.get())),
        };
        Self {
            pace,
            rate,
            connections: circumstances.connections,
            warm_up_seconds: window.warm_up.as_secs_f64(),
            seconds,
            ended_by: circumstances.ended_by,
            preparation: circumstances.preparation,
            operations: operations
                .into_iter()
                .filter(|(operation, _)| circumstances.mix.has(*operation))
                .map(|(operation, tally)| OperationReport::new(operation, tally, seconds))
                .collect(),
            mix: circumstances.mix.to_string(),
            lateness: rate.and_then(|_| Latency::of(&tally.lateness)),
            unsent: circumstances.unsent,
        }
    }

    /// Requests answered as they should be, of all operations.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.operations.iter().map(|one| one.succeeded).sum()
    }

    /// Requests that failed, of all operations.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.operations.iter().map(OperationReport::failed).sum()
    }

    /// What there is of this operation, if the mix has it.
    #[must_use]
    pub fn operation(&self, operation: Operation) -> Option<&OperationReport> {
        self.operations
            .iter()
            .find(|one| one.operation == operation)
    }
}

/// A run that ended before its time is measured to its last answer.
fn measured(window: Window, ended_by: End, last: Duration) -> Duration {
    let end = match ended_by {
        End::Duration => window.end(),
        End::Requests | End::Stopped => last.min(window.end()),
    };
    end.saturating_sub(window.warm_up)
}

impl Latency {
    /// Nothing, if nothing was recorded.
    fn of(times: &Histogram<u64>) -> Option<Self> {
        (!times.is_empty()).then(|| Self {
            p50_us: times.value_at_quantile(0.5),
            p99_us: times.value_at_quantile(0.99),
            p99_9_us: times.value_at_quantile(0.999),
            max_us: times.max(),
        })
    }
}

impl OperationReport {
    fn new(operation: Operation, tally: &OperationTally, seconds: f64) -> Self {
        let latencies = &tally.latencies;
        let failures = tally.failures.iter().map(|(kind, failures)| FailureReport {
            kind: *kind,
            count: failures.count,
            slowest_us: u64::try_from(failures.slowest.as_micros()).unwrap_or(u64::MAX),
        });
        let mut failures: Vec<_> = failures.collect();
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.count));
        Self {
            operation,
            succeeded: latencies.len(),
            per_second: if seconds > 0.0 {
                tally.in_time as f64 / seconds
            } else {
                0.0
            },
            latency: Latency::of(latencies),
            failures,
        }
    }

    /// Requests that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.iter().map(|failure| failure.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::pace::Rate;
    use super::super::tally::Times;
    use super::*;

    fn circumstances(ended_by: End) -> RunInfo {
        RunInfo {
            pace: Pace::Open(Rate(NonZeroU32::new(100).unwrap())),
            connections: 4,
            mix: "store=1,retrieve=2".parse().unwrap(),
            window: Window {
                warm_up: Duration::from_secs(1),
                duration: Duration::from_secs(10),
            },
            ended_by,
            preparation: Preparation::default(),
            unsent: 0,
        }
    }

    fn tally() -> Tally {
        let mut tally = Tally::new(circumstances(End::Duration).window).unwrap();
        let at = |millis| {
            let intended = Duration::from_secs(2);
            Times {
                intended,
                sent: intended,
                answered: intended + Duration::from_millis(millis),
            }
        };
        for millis in 1..=1000 {
            tally.record(Operation::Store, at(millis), Ok(()));
        }
        tally.record(Operation::Store, at(0), Err(FailureKind::TimedOut));
        for _ in 0..2 {
            tally.record(Operation::Store, at(0), Err(FailureKind::BrokenOff));
        }
        tally
    }

    #[test]
    fn percentiles_are_those_of_the_latencies_to_three_digits() {
        let report = Report::new(circumstances(End::Duration), &tally());
        let latency = report.operation(Operation::Store).unwrap().latency.unwrap();
        for (value, expected) in [
            (latency.p50_us, 500_000.0),
            (latency.p99_us, 990_000.0),
            (latency.p99_9_us, 999_000.0),
            (latency.max_us, 1_000_000.0),
        ] {
            assert!((value as f64 / expected - 1.0).abs() < 0.001, "{value}");
        }
    }

    #[test]
    fn throughput_is_of_the_whole_time_unless_the_run_ended_sooner() {
        let whole = Report::new(circumstances(End::Duration), &tally());
        assert_eq!(whole.seconds, 10.0);
        assert_eq!(whole.operation(Operation::Store).unwrap().per_second, 100.0);
        let short = Report::new(circumstances(End::Requests), &tally());
        assert_eq!(short.seconds, 2.0);
        assert_eq!(short.operation(Operation::Store).unwrap().per_second, 500.0);
    }

    #[test]
    fn only_operations_of_the_mix_are_told_and_failures_by_frequency() {
        let report = Report::new(circumstances(End::Stopped), &tally());
        assert!(report.operation(Operation::Draw).is_none());
        let retrieve = report.operation(Operation::Retrieve).unwrap();
        assert_eq!((retrieve.succeeded, retrieve.latency), (0, None));
        assert_eq!((report.succeeded(), report.failed()), (1000, 3));
        let json = serde_json::to_value(&report).unwrap();
        let failures = &json["operations"][0]["failures"];
        assert_eq!(failures[0]["kind"], "broken-off");
        assert_eq!(failures[0]["count"], 2);
        assert_eq!(failures[1]["kind"], "timed-out");
    }
}
