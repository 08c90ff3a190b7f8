//! When requests begin: arithmetic only, over the time since the run began.
//! Not here: clocks, and who waits for them (`arrivals`).

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

const NANOS: u128 = 1_000_000_000;

/// By what the beginning of a request is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// By the answer to the one before it on the same connection: a closed loop.
    /// It finds the highest throughput, and flatters latencies, because a
    /// service that stalls is asked less.
    Closed,
    /// By a timetable, whatever the answers: an open loop. Latencies count from
    /// the time in the timetable, so that a stall is seen by every request that
    /// it delayed, and not only by those that were on their way.
    Open(Rate),
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed loop"),
            Self::Open(rate) => write!(f, "open loop at {rate}/s"),
        }
    }
}

/// Requests in a second, at even distances; the first begins at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub NonZeroU32);

impl Rate {
    /// When the request with this number is to begin. Computed from the number
    /// each time, so that no error adds up.
    #[must_use]
    pub const fn intended(self, index: u64) -> Duration {
        let rate = self.0.get() as u64;
        let nanos = (index % rate) * NANOS as u64 / rate;
        // Less than a second, because the remainder is less than the rate.
        Duration::new(index / rate, nanos as u32)
    }

    /// How many requests are to have begun when this much time has passed.
    #[must_use]
    pub fn due_by(self, elapsed: Duration) -> u64 {
        let rate = u128::from(self.0.get());
        let due = ((elapsed.as_nanos() + 1) * rate).div_ceil(NANOS);
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// How many requests are to begin before this time.
    #[must_use]
    pub fn due_before(self, end: Duration) -> u64 {
        end.checked_sub(Duration::from_nanos(1))
            .map_or(0, |last| self.due_by(last))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which part of a run is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How long requests are sent first that are not measured: connections are
    /// opened, caches and branch predictors filled.
    pub warm_up: Duration,
    /// How long after that requests are begun, and what is answered is measured.
    pub duration: Duration,
}

impl Window {
    /// When the last request begins at the latest, from the beginning of the run.
    #[must_use]
    pub const fn end(&self) -> Duration {
        self.warm_up.saturating_add(self.duration)
    }

    /// Whether an answer is measured that came at this time. It is not asked when
    /// its request was to begin: of a service that has fallen behind, the
    /// answers to late requests are all there is to measure.
    #[must_use]
    pub fn measures(&self, answered: Duration) -> bool {
        answered >= self.warm_up
    }

    /// Whether an answer counts for the throughput, which is that of the measured
    /// time; later ones count for the latencies only.
    #[must_use]
    pub fn holds(&self, answered: Duration) -> bool {
        (self.warm_up..self.end()).contains(&answered)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(per_second: u32) -> Rate {
        Rate(NonZeroU32::new(per_second).unwrap())
    }

    #[test]
    fn requests_begin_at_even_distances_and_the_first_at_once() {
        let times: Vec<_> = (0..4).map(|index| rate(4).intended(index)).collect();
        assert_eq!(times, [0, 250, 500, 750].map(Duration::from_millis));
        assert_eq!(
            rate(4).intended(4_000_001),
            Duration::from_millis(1_000_000_250)
        );
    }

    #[test]
    fn a_rate_that_divides_no_second_loses_nothing_in_an_hour() {
        let hour = Duration::from_secs(3600);
        assert_eq!(rate(7).intended(7 * 3600), hour);
        assert_eq!(rate(7).due_before(hour), 7 * 3600);
        assert_eq!(rate(7).due_by(hour), 7 * 3600 + 1);
    }

    #[test]
    fn nothing_is_due_before_the_beginning_and_one_request_at_it() {
        assert_eq!(rate(1000).due_before(Duration::ZERO), 0);
        assert_eq!(rate(1000).due_by(Duration::ZERO), 1);
    }

    #[test]
    fn after_a_pause_everything_that_came_due_meanwhile_is_due() {
        let before = rate(1000).due_by(Duration::from_millis(10));
        let after = rate(1000).due_by(Duration::from_millis(210));
        assert_eq!(after - before, 200);
    }

    #[test]
    fn answers_count_from_the_end_of_the_warm_up_and_for_the_throughput_until_the_end() {
        let window = Window {
            warm_up: Duration::from_secs(2),
            duration: Duration::from_secs(3),
        };
        for (millis, measured, held) in [
            (1999, false, false),
            (2000, true, true),
            (4999, true, true),
            (5000, true, false),
        ] {
            let answered = Duration::from_millis(millis);
            assert_eq!(window.measures(answered), measured);
            assert_eq!(window.holds(answered), held);
        }
    }

    proptest! {
        #[test]
        fn a_request_is_due_from_its_intended_time_on_and_not_before(
            per_second in 1..=u32::MAX, index in 0..=u64::from(u32::MAX),
        ) {
            let rate = rate(per_second);
            let intended = rate.intended(index);
            prop_assert!(rate.due_by(intended) > index);
            prop_assert!(rate.due_before(intended) <= index);
        }

        #[test]
        fn whatever_is_due_has_its_intended_time_behind_it(
            per_second in 1..=u32::MAX, nanos in 0..=u64::from(u32::MAX) * 1000,
        ) {
            let (rate, elapsed) = (rate(per_second), Duration::from_nanos(nanos));
            let due = rate.due_by(elapsed);
            prop_assert!(rate.intended(due - 1) <= elapsed);
            prop_assert!(rate.intended(due) > elapsed);
        }

        #[test]
        fn no_time_and_no_number_overflows(per_second in 1..=u32::MAX, index: u64, seconds: u64) {
            let _ = rate(per_second).intended(index);
            let _ = rate(per_second).due_by(Duration::from_secs(seconds));
        }
    }
}
