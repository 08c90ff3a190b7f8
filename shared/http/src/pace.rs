//! When requests leave that must not tell what was done before them.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Whole multiples of a step, counted from the first request. Work that takes longer than a
/// step moves the next request by a whole one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    begun: Instant,
    step: Duration,
}

impl Pace {
    pub(super) fn from_now(step: Duration) -> Self {
        let begun = Instant::now();
        Self { begun, step }
    }

    /// Returns at the next multiple; at once for the first request.
    pub(super) async fn next(self) {
        sleep_until(self.begun + self.due(self.begun.elapsed())).await;
    }

    /// The multiple that is not before `elapsed`. What begins within the first hundredth of
    /// the first step is the first request.
    fn due(self, elapsed: Duration) -> Duration {
        let step = self.step.as_nanos().max(1);
        let steps = match elapsed < self.step / 100 {
            true => 0,
            false => elapsed.as_nanos().div_ceil(step),
        };
        self.step
            .saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_leave_at_whole_multiples_whatever_the_work_before_them_took() {
        let pace = Pace::from_now(Duration::from_millis(200));
        for (took, leaves) in [(0, 0), (1, 0), (2, 200), (150, 200), (200, 200), (201, 400)] {
            let due = pace.due(Duration::from_millis(took));
            assert_eq!(due, Duration::from_millis(leaves), "{took} ms");
        }
    }

    #[tokio::test]
    async fn nothing_leaves_between_two_multiples() {
        let step = Duration::from_millis(20);
        let pace = Pace::from_now(step);
        pace.next().await;
        for number in 1..4 {
            pace.next().await;
            let elapsed = pace.begun.elapsed();
            assert!(elapsed >= step * number, "{elapsed:?} at request {number}");
        }
    }
}
