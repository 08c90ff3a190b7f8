//! What the clock has said at the last checks. **What cannot be taken back waits until ten
//! checks, a minute apart, agree**: that a secret goes, and that a key is announced for a
//! time to which the clock has jumped. Not here: what follows from that.

use std::collections::VecDeque;
use std::time::Duration;

use pennyblack_base::time::UnixTime;

/// How often the clock is looked at between the times at which something is due.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(60);
/// So many checks in a row have to agree.
const CHECKS: usize = 10;

/// The times of the last checks.
#[derive(Debug)]
pub(super) struct ClockWatch {
    /// Oldest first, at most [`CHECKS`].
    checks: VecDeque<UnixTime>,
    /// The last time that was not doubted.
    trusted: Option<UnixTime>,
    /// By so much the clock may move on between two looks at it.
    longest_step: Duration,
}

impl ClockWatch {
    /// Of a clock that says nothing yet. `trusted` is what it says if nothing is known by
    /// which it could be doubted.
    pub(super) const fn new(longest_step: Duration, trusted: Option<UnixTime>) -> Self {
        Self {
            checks: VecDeque::new(),
            trusted,
            longest_step,
        }
    }

    /// Looks at the clock; each minute that is a check. Whether it is trusted: it has moved on
    /// from where it was trusted, or ten checks agree. One that was set back is.
    pub(super) fn is_trusted(&mut self, now: UnixTime) -> bool {
        // A clock that was set back must not put the checks off.
        let is_early = |last: &UnixTime| *last <= now && now < last.plus(CHECK_EVERY);
        if !self.checks.back().is_some_and(is_early) {
            self.checks.push_back(now);
        }
        if self.checks.len() > CHECKS {
            self.checks.pop_front();
        }
        let known = self.trusted.max(self.agreed());
        let is_trusted = known.is_some_and(|known| now <= known.plus(self.longest_step));
        if is_trusted {
            self.trusted = Some(now);
        }
        is_trusted
    }

    /// The time that has come by all of the last ten checks; none before there were ten.
    pub(super) fn agreed(&self) -> Option<UnixTime> {
        let are_enough = self.checks.len() == CHECKS;
        self.checks.iter().min().copied().filter(|_| are_enough)
    }
}
