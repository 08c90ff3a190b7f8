//! The circuit breaker: after some failures in a row nothing is sent for a pause,
//! then one request tries, and its end decides. A state machine without a clock;
//! the connection drives it.

use std::time::{Duration, Instant};

/// Failures in a row after which nothing is sent for a while.
pub const FAILURES: u32 = 5;
/// The first pause; it doubles with each try that fails.
pub const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause, and so the longest time until a server that is back is used.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Whether requests go to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    /// By how many hundredths its pauses are shorter than said.
    haste: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration },
    Trying { pause: Duration },
}

/// The answer to a request that wants to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It goes. Its end must be told with [`Breaker::ended`].
    Go,
    /// It goes as the only one, to see whether the server is back. It must go on to its
    /// end when nobody waits for it any more, because all others wait for that.
    Try,
    /// It does not go. Worth another attempt after this time.
    Wait(Duration),
}

/// How a request ended that went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server answered, whatever it said.
    Answered,
    /// No answer: not connected, cut off, or too late.
    Failed,
    /// Nobody waited for the answer.
    Abandoned,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed { failures: 0 },
            haste: 0,
        }
    }
}

/// The most by which a breaker's pauses are shorter, in hundredths.
pub const MOST_HASTE: u32 = 25;

impl Breaker {
    /// One whose pauses are shorter by so many hundredths, [`MOST_HASTE`] at most. With
    /// another number at each node they do not all come back at the same instant.
    #[must_use]
    pub fn hasty(haste: u32) -> Self {
        Self {
            haste: haste.min(MOST_HASTE),
            ..Self::default()
        }
    }

    /// Whether a request goes at `now`.
    pub fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Go,
            State::Open { until, pause } if now >= until => {
                self.state = State::Trying { pause };
                Admission::Try
            }
            State::Open { until, .. } => Admission::Wait(until.duration_since(now)),
            State::Trying { pause } => Admission::Wait(pause),
        }
    }

    /// Notes how a request ended that was admitted with `admission`.
    pub fn ended(&mut self, admission: Admission, end: End, now: Instant) {
        self.state = match (self.state, admission, end) {
            // One that went before the pause says nothing about now.
            (State::Open { .. } | State::Trying { .. }, Admission::Go, End::Failed)
            | (_, Admission::Wait(_), _)
            | (State::Closed { .. }, _, End::Abandoned)
            | (State::Open { .. } | State::Trying { .. }, Admission::Go, End::Abandoned) => return,
            (_, _, End::Answered) => State::Closed { failures: 0 },
            (State::Closed { failures }, _, End::Failed) if failures + 1 < FAILURES => {
                State::Closed {
                    failures: failures + 1,
                }
            }
            (State::Closed { .. }, _, End::Failed) => State::Open {
                until: self.after(FIRST_PAUSE, now),
                pause: FIRST_PAUSE,
            },
            (State::Open { pause, .. } | State::Trying { pause }, Admission::Try, End::Failed) => {
                let pause = (pause * 2).min(LONGEST_PAUSE);
                State::Open {
                    until: self.after(pause, now),
                    pause,
                }
            }
            // The next one may try at once.
            (
                State::Open { pause, .. } | State::Trying { pause },
                Admission::Try,
                End::Abandoned,
            ) => State::Open { until: now, pause },
        };
    }

    fn after(&self, pause: Duration, now: Instant) -> Instant {
        now + pause * (100 - self.haste) / 100
    }

    /// True while requests are turned away.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn broken(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert_eq!(breaker.admit(now), Admission::Go);
            breaker.ended(Admission::Go, End::Failed, now);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_answer_in_between_does_not() {
        let now = Instant::now();
        assert!(broken(now).is_open());
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES * 3 {
            breaker.ended(Admission::Go, End::Failed, now);
            breaker.ended(Admission::Go, End::Answered, now);
        }
        assert!(!breaker.is_open());
    }

    #[test]
    fn after_the_pause_one_tries_and_its_answer_closes_it() {
        let now = Instant::now();
        let mut breaker = broken(now);
        assert_eq!(breaker.admit(now), Admission::Wait(FIRST_PAUSE));
        let later = now + FIRST_PAUSE;
        assert_eq!(breaker.admit(later), Admission::Try);
        assert!(matches!(breaker.admit(later), Admission::Wait(_)));
        breaker.ended(Admission::Try, End::Answered, later);
        assert_eq!(breaker.admit(later), Admission::Go);
    }

    #[test]
    fn a_try_that_fails_doubles_the_pause_up_to_the_longest() {
        let mut now = Instant::now();
        let mut breaker = broken(now);
        let mut pause = FIRST_PAUSE;
        for _ in 0..20 {
            now += pause;
            assert_eq!(breaker.admit(now), Admission::Try);
            breaker.ended(Admission::Try, End::Failed, now);
            pause = (pause * 2).min(LONGEST_PAUSE);
            assert_eq!(breaker.admit(now), Admission::Wait(pause));
        }
    }

    #[test]
    fn one_in_haste_tries_sooner_and_none_much_sooner() {
        let now = Instant::now();
        for (haste, percent) in [(0, 100), (10, 90), (1_000, 75)] {
            let mut breaker = Breaker::hasty(haste);
            for _ in 0..FAILURES {
                breaker.ended(Admission::Go, End::Failed, now);
            }
            let pause = FIRST_PAUSE * percent / 100;
            assert_eq!(breaker.admit(now), Admission::Wait(pause));
            assert_eq!(breaker.admit(now + pause), Admission::Try);
        }
    }

    #[test]
    fn a_try_that_nobody_waits_for_leaves_the_next_one_free_to_try() {
        let now = Instant::now();
        let mut breaker = broken(now);
        let later = now + FIRST_PAUSE;
        assert_eq!(breaker.admit(later), Admission::Try);
        breaker.ended(Admission::Try, End::Abandoned, later);
        assert_eq!(breaker.admit(later), Admission::Try);
    }

    fn ends() -> impl Strategy<Value = Vec<(u64, Option<u8>)>> {
        // Milliseconds that pass, then a request or the end of a waiting one.
        proptest::collection::vec((0..500u64, proptest::option::of(0..3u8)), 0..200)
    }

    proptest! {
        #[test]
        fn however_requests_end_one_tries_alone_and_none_waits_for_ever(steps in ends()) {
            let mut now = Instant::now();
            let mut breaker = Breaker::default();
            let mut under_way: Vec<Admission> = Vec::new();
            for (passed, end) in steps {
                now += Duration::from_millis(passed);
                match end {
                    None => match breaker.admit(now) {
                        Admission::Wait(pause) => prop_assert!(pause <= LONGEST_PAUSE),
                        admission => {
                            under_way.push(admission);
                            if admission == Admission::Try {
                                prop_assert!(matches!(breaker.admit(now), Admission::Wait(_)));
                            }
                        }
                    },
                    Some(end) => if let Some(admission) = under_way.pop() {
                        let end = [End::Answered, End::Failed, End::Abandoned][usize::from(end)];
                        breaker.ended(admission, end, now);
                    },
                }
            }
            for admission in under_way.drain(..) {
                breaker.ended(admission, End::Failed, now);
            }
            prop_assert!(!matches!(breaker.admit(now + LONGEST_PAUSE), Admission::Wait(_)));
        }
    }
}
