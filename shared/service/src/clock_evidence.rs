//! What the clocks of others say of this machine's: a service whose clock is wrong refuses
//! what it should accept, and must not call itself ready. Only those count that the operator
//! has configured and that are reached over TLS or on this machine. **No single one of
//! several makes a service unready**: more than half of them must find the clock wrong in the
//! same direction. Not here: whom a service asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pennyblack_base::clock_tolerance::{SERVICE_AHEAD, SERVICE_BEHIND};
use pennyblack_base::span::Span;
use pennyblack_base::time::UnixTime;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;

use crate::admin::Readiness;

/// The part of a service that is not ready while its clock is wrong.
const PART: &str = "clock";
/// How often the clocks are compared.
const COMPARE_EVERY: Duration = Duration::from_secs(2);
/// For how long a clock counts that was read once: an issuer is asked every few minutes.
const COUNTS_FOR: Duration = Duration::from_secs(3600);

/// The clocks of others. Clones share them.
#[derive(Debug, Clone)]
pub struct ClockEvidence {
    clock: Clock,
    readings: Arc<Mutex<BTreeMap<String, Reading>>>,
}

/// One clock of somebody else's, read again now and then.
#[derive(Debug, Clone)]
pub struct OtherClock {
    evidence: ClockEvidence,
    name: String,
    is_here: bool,
}

/// What a clock read, and when by one that nobody sets: so it is known what it reads now,
/// and a clock that is set right here is right at once.
#[derive(Debug, Clone, Copy)]
struct Reading {
    theirs: UnixTime,
    at: Instant,
    /// Its way begins on this machine. It may be this machine's own clock, which agrees with
    /// itself; or far away, behind a tunnel.
    is_here: bool,
}

/// How this machine's clock stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Right,
    Ahead,
    Behind,
}

impl Reading {
    fn age(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.at)
    }

    /// What it reads at an instant.
    fn at(&self, at: Instant) -> UnixTime {
        self.theirs.plus(self.age(at))
    }

    fn standing(&self, ours: UnixTime, at: Instant) -> Standing {
        let theirs = self.at(at);
        if ours.since(theirs) > SERVICE_AHEAD {
            Standing::Ahead
        } else if theirs.since(ours) > SERVICE_BEHIND {
            Standing::Behind
        } else {
            Standing::Right
        }
    }
}

impl OtherClock {
    /// Notes what it reads now.
    pub fn reads(&self, theirs: UnixTime) {
        let reading = Reading {
            theirs,
            at: Instant::now(),
            is_here: self.is_here,
        };
        self.evidence.readings().insert(self.name.clone(), reading);
    }
}

impl ClockEvidence {
    /// None so far, about this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            readings: Arc::default(),
        }
    }

    /// The clock of `name`, as sentences call it, which is reached at `url`.
    #[must_use]
    pub fn clock_of(&self, name: impl Into<String>, url: &str) -> OtherClock {
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let here = ["127.0.0.1", "localhost", "[::1]"];
        OtherClock {
            evidence: self.clone(),
            name: name.into(),
            is_here: here.iter().any(|own| host.starts_with(own)),
        }
    }

    /// Says each few seconds whether the clock is right, until `shutdown`. A clock that a test
    /// sets is always right.
    pub async fn watch(self, readiness: Readiness, shutdown: Shutdown) {
        let mut told = None;
        loop {
            let compared = self.compare(Instant::now());
            match &compared.lack {
                Some(lack) => readiness.lacks(PART, lack.clone()),
                None => readiness.has(PART),
            }
            if compared.differing != told {
                if let Some(clocks) = &compared.differing {
                    tracing::warn!(%clocks, "clocks differ");
                }
                told = compared.differing;
            }
            tokio::select! {
                () = tokio::time::sleep(COMPARE_EVERY) => {}
                () = shutdown.requested() => return,
            }
        }
    }

    fn compare(&self, at: Instant) -> Compared {
        let mut readings = self.readings();
        readings.retain(|_, reading| reading.age(at) < COUNTS_FOR);
        let ours = self.clock.now();
        let counted: Vec<_> = readings
            .iter()
            .map(|(name, reading)| (name, reading, reading.standing(ours, at)))
            .filter(|(_, reading, standing)| *standing != Standing::Right || !reading.is_here)
            .collect();
        let differing: Vec<_> = counted
            .iter()
            .filter(|(_, _, standing)| *standing != Standing::Right)
            .collect();
        let is_wrong = [Standing::Ahead, Standing::Behind].iter().any(|side| {
            let finding = counted.iter().filter(|(_, _, standing)| standing == side);
            finding.count() * 2 > counted.len()
        });
        let first = differing.first();
        let lack = first.filter(|_| is_wrong && !self.clock.is_by_hand());
        Compared {
            lack: lack.map(|(name, reading, _)| sentence(ours, name, reading.at(at))),
            differing: first.map(|_| {
                let names = differing.iter().map(|(name, _, _)| name.as_str());
                Differing {
                    clocks: names.collect::<Vec<_>>().join(", "),
                    of: counted.len(),
                }
            }),
        }
    }

    fn readings(&self) -> MutexGuard<'_, BTreeMap<String, Reading>> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of a comparison.
struct Compared {
    /// Why the service is not ready.
    lack: Option<String>,
    /// Whose clocks are too far from this one.
    differing: Option<Differing>,
}

#[derive(Debug, PartialEq, Eq)]
struct Differing {
    clocks: String,
    of: usize,
}

impl fmt::Display for Differing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clocks, of } = self;
        write!(f, "far from this machine's, of {of} that count: {clocks}")
    }
}

fn sentence(ours: UnixTime, name: &str, theirs: UnixTime) -> String {
    let (gap, side) = match ours > theirs {
        true => (ours.since(theirs), "ahead of"),
        false => (theirs.since(ours), "behind"),
    };
    format!(
        "this machine's clock is {} {side} that of {name} (here it is {ours}, there {theirs}), so \
         that good requests are refused: set this clock, and have it synchronised (NTP)",
        Span(gap)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const AWAY: &str = "https://a.example";

    fn now() -> UnixTime {
        Clock::system().now()
    }

    /// What is said after these clocks were read, each by its address and time.
    fn said(clocks: &[(&str, UnixTime)]) -> Option<String> {
        let evidence = ClockEvidence::new(Clock::system());
        for (place, (url, theirs)) in clocks.iter().enumerate() {
            evidence
                .clock_of(format!("clock {place}"), url)
                .reads(*theirs);
        }
        evidence.compare(Instant::now()).lack
    }

    #[test]
    fn a_clock_that_is_an_hour_off_is_told_so_and_what_to_do() {
        let ahead = said(&[(AWAY, now().minus(HOUR))]).unwrap();
        assert!(
            ahead.contains("60 minutes ahead of that of clock 0"),
            "{ahead}"
        );
        assert!(ahead.contains("NTP"), "{ahead}");
        let behind = said(&[(AWAY, now().plus(HOUR))]).unwrap();
        assert!(
            behind.contains("60 minutes behind that of clock 0"),
            "{behind}"
        );
    }

    #[test]
    fn what_the_protocol_allows_for_is_no_fault() {
        let seconds = Duration::from_secs;
        for (theirs, is_wrong) in [
            (now().minus(seconds(85)), false),
            (now().minus(seconds(95)), true),
            (now().plus(seconds(25)), false),
            (now().plus(seconds(35)), true),
        ] {
            assert_eq!(said(&[(AWAY, theirs)]).is_some(), is_wrong, "{theirs}");
        }
    }

    #[test]
    fn one_that_lies_makes_nobody_unready_beside_others_and_half_is_not_enough() {
        let (right, wrong) = ((AWAY, now()), (AWAY, now().plus(HOUR)));
        let other_side = (AWAY, now().minus(HOUR));
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[wrong, right]), None);
        assert_eq!(said(&[wrong, right, wrong, right]), None);
        assert!(said(&[wrong, right, wrong]).is_some());
        // They contradict each other.
        assert_eq!(said(&[wrong, other_side]), None);
    }

    #[test]
    fn this_machines_own_clock_is_no_witness_for_itself() {
        let wrong = (AWAY, now().plus(HOUR));
        for here in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"] {
            assert!(said(&[wrong, (here, now()), (here, now())]).is_some());
            // Through a tunnel.
            assert!(said(&[(here, now().plus(HOUR))]).is_some());
        }
    }

    #[test]
    fn a_reading_goes_on_with_time_and_counts_no_more_after_an_hour() {
        let (clock, hand) = Clock::by_hand(UnixTime(1_000_000));
        let evidence = ClockEvidence::new(clock);
        evidence.clock_of("it", AWAY).reads(UnixTime(1_000_000));
        let differs_after = |seconds| {
            let at = Instant::now() + Duration::from_secs(seconds);
            evidence.compare(at).differing.is_some()
        };
        assert!(!differs_after(0));
        // Ours stood still meanwhile.
        assert!(differs_after(120));
        hand.set(UnixTime(1_000_120));
        assert!(!differs_after(120));
        assert!(differs_after(3_500));
        assert!(!differs_after(3_600));
    }

    #[tokio::test]
    async fn readiness_says_so_and_takes_it_back_when_the_clocks_agree() {
        let evidence = ClockEvidence::new(Clock::system());
        let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
        let other = evidence.clock_of("it", AWAY);
        other.reads(now().plus(HOUR));
        let watching = tokio::spawn(evidence.watch(readiness.clone(), shutdown.clone()));
        while readiness.is_ready() {
            tokio::task::yield_now().await;
        }
        assert_eq!(readiness.lacking().first().unwrap().0, "clock");
        other.reads(now());
        while !readiness.is_ready() {
            tokio::task::yield_now().await;
        }
        shutdown.trigger();
        watching.await.unwrap();
    }
}
