//! The beginnings of requests, one after the other, for the next free worker. Not
//! here: the arithmetic of a timetable (`pace`), and what is sent (`worker`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pennyblack_runtime::shutdown::Shutdown;
use tokio::sync::Semaphore;

use super::pace::{Pace, Rate, Window};

/// After the end, how long requests are still sent that were due before it: a
/// service that answers works off what is left of them, and one that does not must
/// not prolong the run.
const GRACE: Duration = Duration::from_secs(1);

/// The longest sleep of the task that keeps the pace and checks whether to stop.
const LONGEST_NAP: Duration = Duration::from_millis(10);

/// Beginnings of requests, as times since the run began.
pub(super) struct Arrivals {
    start: Instant,
    end: Duration,
    timetable: Option<Timetable>,
    stop: Shutdown,
}

/// Of an open loop.
struct Timetable {
    rate: Rate,
    /// Requests of the whole run.
    total: u64,
    /// As many permits as requests are due that nobody has begun.
    due: Semaphore,
    /// Requests that came due so far.
    released: AtomicU64,
    /// Requests that somebody has begun.
    begun: AtomicU64,
}

impl Arrivals {
    /// The run begins now, and has at most `requests`.
    pub(super) fn begin(pace: Pace, window: Window, requests: u64, stop: Shutdown) -> Self {
        let timetable = match pace {
            Pace::Closed => None,
            Pace::Open(rate) => Some(Timetable {
                rate,
                total: requests.min(rate.due_before(window.end())),
                due: Semaphore::new(0),
                released: AtomicU64::new(0),
                begun: AtomicU64::new(0),
            }),
        };
        Self {
            start: Instant::now(),
            end: window.end(),
            timetable,
            stop,
        }
    }

    /// Time since the run began.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Waits until a request is due, and returns since when; `None` when no more
    /// requests are due.
    pub(super) async fn next(&self) -> Option<Duration> {
        let Some(timetable) = &self.timetable else {
            let now = self.elapsed();
            return (now < self.end && !self.stop.is_triggered()).then_some(now);
        };
        timetable.due.acquire().await.ok()?.forget();
        let index = timetable.begun.fetch_add(1, Ordering::Relaxed);
        Some(timetable.rate.intended(index))
    }

    /// Lets requests begin when they are due, until the last one has begun or
    /// the time has ended. It blocks, on a thread of its own: the timers of the
    /// runtime are a millisecond coarse, which would go into every latency.
    pub(super) fn keep_pace(&self) {
        let Some(timetable) = &self.timetable else {
            return;
        };
        loop {
            let now = self.elapsed();
            let released = timetable.release(now);
            let over = now >= self.end.saturating_add(GRACE) || self.stop.is_triggered();
            if over || timetable.begun.load(Ordering::Relaxed) >= timetable.total {
                break;
            }
            let next = if released < timetable.total {
                timetable.rate.intended(released)
            } else {
                Duration::MAX
            };
            thread::sleep(next.saturating_sub(self.elapsed()).min(LONGEST_NAP));
        }
        timetable.due.close();
    }

    /// Lets no more requests begin.
    pub(super) fn stop(&self) {
        self.stop.trigger();
    }

    /// Requests that came due and were never begun, because everybody was
    /// waiting for answers.
    pub(super) fn unsent(&self) -> u64 {
        self.timetable.as_ref().map_or(0, |timetable| {
            let released = timetable.released.load(Ordering::Relaxed);
            released.saturating_sub(timetable.begun.load(Ordering::Relaxed))
        })
    }
}

impl Timetable {
    /// Lets begin whatever is due, and returns how many that is from the beginning.
    fn release(&self, elapsed: Duration) -> u64 {
        let due = self.rate.due_by(elapsed).min(self.total);
        let before = self.released.fetch_max(due, Ordering::Relaxed);
        let more = usize::try_from(due.saturating_sub(before)).unwrap_or(usize::MAX);
        self.due.add_permits(more.min(Semaphore::MAX_PERMITS));
        due.max(before)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const LONG: Window = Window {
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(3600),
    };

    fn open(per_second: u32, window: Window, requests: u64, stop: &Shutdown) -> Arrivals {
        let pace = Pace::Open(Rate(NonZeroU32::new(per_second).unwrap()));
        Arrivals::begin(pace, window, requests, stop.clone())
    }

    #[tokio::test]
    async fn every_request_of_a_timetable_begins_once_with_its_own_time() {
        let arrivals = open(10_000, LONG, 3, &Shutdown::new());
        arrivals
            .timetable
            .as_ref()
            .unwrap()
            .release(Duration::from_secs(1));
        let mut begun = Vec::new();
        for _ in 0..3 {
            begun.push(arrivals.next().await.unwrap());
        }
        assert_eq!(begun, [0, 100, 200].map(Duration::from_micros));
        arrivals.keep_pace();
        assert_eq!((arrivals.next().await, arrivals.unsent()), (None, 0));
    }

    #[tokio::test]
    async fn what_came_due_and_was_not_begun_is_counted() {
        let stop = Shutdown::new();
        let arrivals = open(1000, LONG, 50, &stop);
        arrivals
            .timetable
            .as_ref()
            .unwrap()
            .release(Duration::from_secs(1));
        arrivals.next().await.unwrap();
        stop.trigger();
        arrivals.keep_pace();
        assert_eq!(arrivals.unsent(), 49);
        assert_eq!(arrivals.next().await, None);
    }

    #[test]
    fn a_timetable_holds_no_request_of_after_the_end() {
        let window = Window {
            warm_up: Duration::from_secs(1),
            duration: Duration::from_secs(1),
        };
        let arrivals = open(100, window, u64::MAX, &Shutdown::new());
        assert_eq!(arrivals.timetable.unwrap().total, 200);
    }

    #[tokio::test]
    async fn a_closed_loop_begins_at_once_until_it_is_stopped() {
        let stop = Shutdown::new();
        let arrivals = Arrivals::begin(Pace::Closed, LONG, u64::MAX, stop.clone());
        assert!(arrivals.next().await.is_some());
        stop.trigger();
        assert_eq!(arrivals.next().await, None);
    }

    #[tokio::test]
    async fn a_closed_loop_ends_with_its_window() {
        let window = Window {
            warm_up: Duration::ZERO,
            duration: Duration::ZERO,
        };
        let arrivals = Arrivals::begin(Pace::Closed, window, u64::MAX, Shutdown::new());
        assert_eq!(arrivals.next().await, None);
    }
}
