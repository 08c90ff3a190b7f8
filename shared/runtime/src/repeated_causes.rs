//! Which causes of refusals have had a log line lately. While a store is away every
//! request fails for the same cause, and a stranger may send one request again and again: a
//! line for each would fill the disk and hide what else happens. Not here: metrics, which
//! count each request.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One line in this time for each cause.
const EVERY: Duration = Duration::from_secs(10);
/// Causes that are told apart. All others share one line in each [`EVERY`], since a text
/// may hold a number that differs each time.
const MAX_CAUSES: usize = 64;

/// The causes of this process.
static CAUSES: LazyLock<RepeatedCauses> = LazyLock::new(RepeatedCauses::default);

/// How many lines were suppressed before one that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SuppressedLines {
    /// About the same cause, or about those that share a line.
    pub same: u64,
    /// About others that are forgotten for want of room: **no count is lost**.
    pub forgotten: u64,
}

/// Whether to write a line about `cause`, for which there is a `problem`, now: the lines that
/// were suppressed since the one before, or `None` to suppress this one too.
#[must_use]
pub fn admit(problem: &str, cause: &str) -> Option<SuppressedLines> {
    CAUSES.admit(problem, cause, Instant::now())
}

/// An error line about what fails again and again, unless this cause has had one lately.
pub fn report(what: &'static str, cause: &impl Display) {
    let cause = cause.to_string();
    if let Some(before) = admit(what, &cause) {
        let (suppressed, suppressed_others) = (before.same, before.forgotten);
        tracing::error!(error = cause, suppressed, suppressed_others, "{what}");
    }
}

/// The same as a warning, about what is tried again and may pass by itself.
pub fn warn(what: &'static str, cause: &impl Display) {
    let cause = cause.to_string();
    if let Some(before) = admit(what, &cause) {
        let (suppressed, suppressed_others) = (before.same, before.forgotten);
        tracing::warn!(error = cause, suppressed, suppressed_others, "{what}");
    }
}

/// The last line about a cause.
#[derive(Debug, Clone, Copy)]
struct LastLine {
    written: Instant,
    suppressed: u64,
}

impl LastLine {
    /// Whether it is so long ago that the next one is due.
    fn is_old(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.written) >= EVERY
    }
}

/// The last lines, by the hash of the problem and its cause: a hash has the same size for
/// every text. `None` stands for the causes that found no room.
#[derive(Debug, Default)]
struct RepeatedCauses {
    hasher: RandomState,
    known: Mutex<KnownCauses>,
}

#[derive(Debug, Default)]
struct KnownCauses {
    last_lines: HashMap<Option<u64>, LastLine>,
    /// Lines that were suppressed of causes that are not among them any more.
    forgotten: u64,
}

impl KnownCauses {
    /// Gives up the causes whose time has passed, and keeps their counts.
    fn make_room(&mut self, now: Instant) {
        let forgotten = &mut self.forgotten;
        self.last_lines.retain(|_, line| {
            let is_old = line.is_old(now);
            if is_old {
                *forgotten = forgotten.saturating_add(line.suppressed);
            }
            !is_old
        });
    }
}

impl RepeatedCauses {
    /// [`admit`] at a time.
    fn admit(&self, problem: &str, cause: &str, now: Instant) -> Option<SuppressedLines> {
        let key = Some(self.hasher.hash_one((problem, cause)));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.last_lines.contains_key(&key) && known.last_lines.len() >= MAX_CAUSES {
            known.make_room(now);
        }
        let lines = &mut known.last_lines;
        let has_room = lines.contains_key(&key) || lines.len() < MAX_CAUSES;
        let key = key.filter(|_| has_room);
        let same = match lines.get_mut(&key) {
            Some(line) if !line.is_old(now) => {
                line.suppressed += 1;
                return None;
            }
            Some(line) => line.suppressed,
            None => 0,
        };
        let line = LastLine {
            written: now,
            suppressed: 0,
        };
        lines.insert(key, line);
        let forgotten = std::mem::take(&mut known.forgotten);
        Some(SuppressedLines { same, forgotten })
    }
}

#[cfg(test)]
mod tests {
    use crate::logging::testing::levels_of;
    use tracing::Level;

    use super::*;

    #[test]
    fn what_may_pass_by_itself_is_a_warning_and_the_rest_an_error() {
        let levels = levels_of(|| {
            warn("the log is not followed at present", &"its leader is away");
            report("the log is not followed", &"it contradicts itself");
        });
        assert_eq!(levels, [Level::WARN, Level::ERROR]);
    }

    const PROBLEM: &str = "store-unavailable";

    fn after(same: u64) -> Option<SuppressedLines> {
        Some(SuppressedLines { same, forgotten: 0 })
    }

    #[test]
    fn a_cause_has_one_line_in_ten_seconds_and_the_next_counts_the_repeats() {
        let (causes, start) = (RepeatedCauses::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(causes.admit(PROBLEM, "Redis is away", at(0)), after(0));
        for ms in 1..=500 {
            assert_eq!(causes.admit(PROBLEM, "Redis is away", at(ms)), None);
        }
        assert_eq!(causes.admit(PROBLEM, "Redis is away", at(9_999)), None);
        assert_eq!(
            causes.admit(PROBLEM, "Redis is away", at(10_000)),
            after(501)
        );
        assert_eq!(causes.admit(PROBLEM, "Redis is away", at(10_001)), None);
        assert_eq!(causes.admit(PROBLEM, "Redis is away", at(60_000)), after(1));
    }

    #[test]
    fn another_cause_and_another_problem_have_lines_of_their_own() {
        let (causes, now) = (RepeatedCauses::default(), Instant::now());
        assert_eq!(causes.admit(PROBLEM, "Redis is away", now), after(0));
        assert_eq!(causes.admit(PROBLEM, "the disk is full", now), after(0));
        assert_eq!(causes.admit("internal", "Redis is away", now), after(0));
        assert_eq!(causes.admit(PROBLEM, "the disk is full", now), None);
    }

    #[test]
    fn causes_that_differ_each_time_take_bounded_memory_and_lines() {
        let (causes, start) = (RepeatedCauses::default(), Instant::now());
        let lines = |now| {
            let cause = |number| format!("request {number}");
            let admitted = (0..5_000).filter(|n| causes.admit(PROBLEM, &cause(*n), now).is_some());
            admitted.count()
        };
        assert_eq!(lines(start), MAX_CAUSES + 1);
        let known = || causes.known.lock().unwrap().last_lines.len();
        assert_eq!(known(), MAX_CAUSES + 1);
        // Room for them is made when their time has passed.
        assert_eq!(lines(start + EVERY), MAX_CAUSES + 1);
        assert_eq!(known(), MAX_CAUSES + 1);
    }

    #[test]
    fn what_is_counted_of_causes_that_are_forgotten_is_told_with_the_next_line() {
        let (causes, start) = (RepeatedCauses::default(), Instant::now());
        let mut written = 0;
        let mut told = 0;
        let mut asked = 0;
        // Always others, each twice, and in the end one that is new.
        for (round, now) in (0..5).map(|round| (round, start + EVERY * round)) {
            for number in 0..500 {
                for _ in 0..2 {
                    asked += 1;
                    let cause = format!("round {round}, request {number}");
                    if let Some(before) = causes.admit(PROBLEM, &cause, now) {
                        written += 1;
                        told += before.same + before.forgotten;
                    }
                }
            }
        }
        let end = start + EVERY * 5;
        let before = causes.admit(PROBLEM, "the last", end).unwrap();
        told += before.same + before.forgotten;
        assert_eq!(written + told, asked);
    }
}
