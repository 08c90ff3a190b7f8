//! When answers leave whose making takes a time that must tell nothing: at a fixed time
//! after their request arrived, or at a whole multiple of it, whatever the work took.
//!
//! **The time of leaving is a function of the arrival alone.** The runtime's timer rounds
//! a time up to its next millisecond; since what it rounds is the arrival plus the delay,
//! the rounded time says nothing of the work either. Two answers that leave within one
//! millisecond leave in the order in which their timers were set: each is set when the
//! request arrives, before any work, or the order would tell which work was done first.
//! Each timer that rings before the work is done wakes its task. So the times lie further
//! apart the later they are, by half of what has passed: thousands of requests that wait
//! for their turn would otherwise keep the service busy with their timers alone.
//! Ticks of one clock for all requests would not do: requests arrive at random times, and
//! over many of them the mean keeps the whole difference between two kinds of work
//! (docs/decisions/0012-answer-times.md).

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Extensions;
use http::request::Parts;
use tokio::time::{Instant, Sleep, sleep_until};

/// When the HTTP stack handed the request over, before any work on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival(pub(crate) Instant);

impl Arrival {
    /// A request that arrives now.
    #[must_use]
    pub fn now() -> Self {
        Self(Instant::now())
    }
}

/// Without a listener around the router a request arrives when it is looked at.
impl<S: Sync> FromRequestParts<S> for Arrival {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let arrival = parts.extensions.get::<Self>();
        Ok(arrival.copied().unwrap_or_else(Self::now))
    }
}

/// The delay after which answers leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerTimes(Duration);

impl AnswerTimes {
    /// The shortest delay: the grain of the runtime's timer.
    pub const SHORTEST: Duration = Duration::from_millis(1);

    /// So long after the arrival of its request each answer leaves, or a whole multiple.
    #[must_use]
    pub fn new(delay: Duration) -> Self {
        Self(delay.max(Self::SHORTEST))
    }

    /// Does `work`, and has its result when the answer leaves.
    pub async fn after<T>(self, arrival: Arrival, work: impl Future<Output = T>) -> T {
        let mut departure = self.departure(arrival);
        let result = departure.during(work).await;
        departure.wait().await;
        result
    }

    fn departure(self, Arrival(arrival): Arrival) -> Departure {
        let Self(delay) = self;
        Departure {
            timer: Box::pin(sleep_until(arrival + delay)),
            arrival,
            delay,
            multiple: 1,
        }
    }
}

/// When one answer leaves.
#[derive(Debug)]
struct Departure {
    timer: Pin<Box<Sleep>>,
    arrival: Instant,
    delay: Duration,
    /// How many delays after the arrival the timer rings.
    multiple: u32,
}

impl Departure {
    /// Does work, with the timer set before it and again at each time that passes
    /// meanwhile.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            while self.timer.as_mut().poll(context).is_ready() {
                self.put_off();
            }
            work.as_mut().poll(context)
        })
        .await
    }

    /// Returns when the answer leaves. One that was made too late waits for the next time.
    async fn wait(mut self) {
        let now = Instant::now();
        while self.timer.deadline() <= now {
            self.put_off();
        }
        if self.multiple > 1 {
            metrics::counter!("pennyblack_answers_late_total").increment(1);
        }
        self.timer.await;
    }

    fn put_off(&mut self) {
        self.multiple = next_multiple(self.multiple);
        let next = self.arrival + self.delay.saturating_mul(self.multiple);
        self.timer.as_mut().reset(next);
    }
}

/// The next multiple of the delay at which answers leave: 2, 3, 4, 6, 9, 13 and so on.
fn next_multiple(multiple: u32) -> u32 {
    multiple.saturating_add((multiple / 2).max(1))
}

/// The departure of an answer on its way to the listener. (What travels with an answer
/// must be cloneable; it is taken once.)
#[derive(Debug, Clone)]
struct Leaving(Arc<Mutex<Option<Departure>>>);

/// A layer for the routes whose answers leave so: the work is done, and the listener holds
/// the answer back.
pub async fn delayed(
    State(times): State<AnswerTimes>,
    arrival: Arrival,
    request: Request,
    next: Next,
) -> Response {
    let mut departure = times.departure(arrival);
    let mut response = departure.during(next.run(request)).await;
    let leaving = Leaving(Arc::new(Mutex::new(Some(departure))));
    response.extensions_mut().insert(leaving);
    response
}

/// Waits until an answer that was made may leave, if it is one of [`delayed`]. It has no
/// place among the requests at work meanwhile, and its bytes stay reserved.
pub(crate) async fn leave(extensions: &mut Extensions) {
    let leaving = extensions.remove::<Leaving>();
    let departure = leaving.and_then(|Leaving(departure)| {
        let mut departure = departure.lock().unwrap_or_else(PoisonError::into_inner);
        departure.take()
    });
    if let Some(departure) = departure {
        departure.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tokio::task::{JoinSet, yield_now};

    use super::*;

    const DELAY: Duration = Duration::from_millis(20);

    fn times() -> AnswerTimes {
        AnswerTimes::new(DELAY)
    }

    /// Work that takes so many milliseconds.
    async fn work(milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }

    #[tokio::test]
    async fn an_answer_leaves_at_the_delay_or_a_whole_multiple_of_it() {
        // After 80 ms the next is 120.
        for (taken, expected) in [(0, 20), (3, 20), (25, 40), (50, 60), (85, 120)] {
            let expected = Duration::from_millis(expected);
            // A machine that is busy elsewhere comes late, and not every time.
            let punctual = async || {
                let arrival = Arrival::now();
                times().after(arrival, work(taken)).await;
                let left = arrival.0.elapsed();
                assert!(left >= expected, "{left:?} instead of {expected:?}");
                left < expected + DELAY / 2
            };
            let mut tries = 0;
            while !punctual().await {
                tries += 1;
                assert!(tries < 100, "never at {expected:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_request_that_waits_for_long_wakes_its_task_a_few_times() {
        let mut polls = 0;
        let mut wait = pin!(work(300));
        let counted = poll_fn(|context| {
            polls += 1;
            wait.as_mut().poll(context)
        });
        let times = AnswerTimes::new(AnswerTimes::SHORTEST);
        times.after(Arrival::now(), counted).await;
        // 14 times to leave at pass meanwhile.
        assert!(polls <= 20, "{polls} times");
    }

    #[tokio::test]
    async fn what_came_before_the_work_counts() {
        let punctual = async || {
            let arrival = Arrival::now();
            work(15).await;
            times().after(arrival, async {}).await;
            arrival.0.elapsed() < DELAY + DELAY / 2
        };
        let mut tries = 0;
        while !punctual().await {
            tries += 1;
            assert!(tries < 100, "the delay begins when the work does");
        }
    }

    #[tokio::test]
    async fn answers_of_one_millisecond_leave_as_their_requests_arrived() {
        for _ in 0..20 {
            let arrival = Arrival::now();
            let left = Arc::new(Mutex::new(Vec::new()));
            let mut answers = JoinSet::new();
            let mut works = Vec::new();
            for number in 0..8 {
                let (done, work) = oneshot::channel::<()>();
                works.push(done);
                let left = Arc::clone(&left);
                answers.spawn(async move {
                    let result = times().after(arrival, work).await;
                    left.lock().unwrap().push(number);
                    result
                });
            }
            // The last is done first.
            while let Some(done) = works.pop() {
                yield_now().await;
                done.send(()).unwrap();
            }
            while let Some(answer) = answers.join_next().await {
                answer.unwrap().unwrap();
            }
            assert!(left.lock().unwrap().is_sorted(), "{left:?}");
        }
    }
}
