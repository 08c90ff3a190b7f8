//! Peers that may not ask. Their messages are counted; a few are answered 403, for an operator
//! who looks for a fault of the configuration. The others are dropped unread: a flood of them
//! takes nothing from switches, and is not sent on to the address that it is forged from.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Side;
use super::counts;

/// So many are told in a second, at each side.
const MAX_TOLD: u32 = 20;

const SECOND: Duration = Duration::from_secs(1);

/// Those of one side.
pub(super) struct Strangers {
    met: metrics::Counter,
    told: Mutex<Option<Told>>,
}

/// How many were told since when.
struct Told {
    since: Instant,
    many: u32,
}

impl Strangers {
    pub(super) fn new(side: Side) -> Self {
        Self {
            met: counts::strangers(side),
            told: Mutex::new(None),
        }
    }

    /// A message of one came. Whether it is told that it may not ask.
    pub(super) fn meet(&self, now: Instant) -> bool {
        self.met.increment(1);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_lately = |told: &Told| now.duration_since(told.since) < SECOND;
        let lately = told.take().filter(is_lately).unwrap_or(Told {
            since: now,
            many: 0,
        });
        let may_be_told = lately.many < MAX_TOLD;
        *told = Some(Told {
            many: lately.many + u32::from(may_be_told),
            ..lately
        });
        may_be_told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_of_a_flood_are_told_each_second() {
        let (strangers, now) = (Strangers::new(Side::Signing), Instant::now());
        let told = |from: Instant| {
            let all = (0..10_000_u32).map(|number| from + SECOND * number / 10_001);
            let told = all.filter(|at| strangers.meet(*at));
            told.count()
        };
        assert_eq!(told(now), 20);
        assert_eq!(told(now + SECOND), 20);
        assert_eq!(told(now + 60 * SECOND), 20);
    }
}
