//! The clock that a service reads: the system's, or one that a test sets by
//! hand. Code that only decides takes a [`UnixTime`] and never a clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pennyblack_base::time::UnixTime;
use tokio::sync::watch;
use tokio::time::Instant;

/// The longest single sleep before the system clock is read again, so that a
/// clock set forward wakes its waiters soon.
const LONGEST_SLEEP: Duration = Duration::from_secs(15);

/// Tells the time, and wakes those who wait for one. Clones tell the same time.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    ByHand {
        face: watch::Receiver<UnixTime>,
        awaited: Awaited,
    },
}

/// Who waits for the clock.
#[derive(Debug, Clone, Default)]
struct Awaited(Arc<Mutex<Waits>>);

#[derive(Debug, Default)]
struct Waits {
    /// The times that somebody waits for, and how many do.
    times: BTreeMap<UnixTime, usize>,
    /// How many have waited at one time, at most.
    most: usize,
}

impl Waits {
    fn count(&self) -> usize {
        self.times.values().sum()
    }
}

/// Sets the clock that [`Clock::by_hand`] made with it.
#[derive(Debug)]
pub struct ClockHand {
    hand: watch::Sender<UnixTime>,
    awaited: Awaited,
}

impl Clock {
    /// The operating system's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until its hand is moved. When the hand is
    /// dropped it stands still from then on.
    #[must_use]
    pub fn by_hand(start: UnixTime) -> (Self, ClockHand) {
        let (hand, face) = watch::channel(start);
        let awaited = Awaited::default();
        let by_hand = Source::ByHand {
            face,
            awaited: awaited.clone(),
        };
        (Self(by_hand), ClockHand { hand, awaited })
    }

    /// Whether a test sets it: then there is no other clock that it should agree with.
    #[must_use]
    pub const fn is_by_hand(&self) -> bool {
        matches!(self.0, Source::ByHand { .. })
    }

    /// The present time, in whole seconds. A system clock set before 1970 reads 0.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        match &self.0 {
            Source::System => UnixTime(
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, |elapsed| elapsed.as_secs()),
            ),
            Source::ByHand { face, .. } => *face.borrow(),
        }
    }

    /// Returns once the clock reads `time` or later; at once when it already does. **It
    /// waits no longer than the clock says now**: when the system clock is set back, it
    /// returns early, and the caller looks at the clock again.
    pub async fn reached(&self, time: UnixTime) {
        match &self.0 {
            Source::System => wait_for(time, || self.now()).await,
            Source::ByHand { face, awaited } => {
                let mut face = face.clone();
                let _awaited = awaited.begin(time);
                if face.wait_for(|now| *now >= time).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

async fn wait_for(time: UnixTime, now: impl Fn() -> UnixTime) {
    let (began, longest) = (Instant::now(), time.since(now()));
    loop {
        let by_clock = time.since(now());
        let left = by_clock.min(longest.saturating_sub(began.elapsed()));
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
    }
}

impl Awaited {
    /// Counts one more, until what is returned is dropped.
    fn begin(&self, time: UnixTime) -> impl Drop + use<> {
        struct Ends(Awaited, UnixTime);
        impl Drop for Ends {
            fn drop(&mut self) {
                let Self(awaited, time) = self;
                awaited.change(|waits| {
                    let left = waits.times.remove(time).unwrap_or(0).saturating_sub(1);
                    if left > 0 {
                        waits.times.insert(*time, left);
                    }
                });
            }
        }
        self.change(|waits| {
            *waits.times.entry(time).or_default() += 1;
            waits.most = waits.most.max(waits.count());
        });
        Ends(self.clone(), time)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Waits) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClockHand {
    /// Moves the hand to `time`, forward or back, and wakes those who waited for it.
    pub fn set(&self, time: UnixTime) {
        self.hand.send_replace(time);
    }

    /// The earliest time that somebody waits for: the next one that matters to them. It is
    /// in the past until who waited for it has noticed.
    #[must_use]
    pub fn awaited(&self) -> Option<UnixTime> {
        self.awaited
            .change(|waits| waits.times.first_key_value().map(|(time, _)| *time))
    }

    /// Whether all who have ever waited at one time wait for times to come. Services that go by
    /// this clock have then done what was due, and the hand overtakes none of them. (Never
    /// again, once one of them has ended.)
    #[must_use]
    pub fn all_wait(&self) -> bool {
        let now = *self.hand.borrow();
        self.awaited.change(|waits| {
            let is_ahead = waits.times.keys().all(|time| *time > now);
            is_ahead && waits.count() == waits.most
        })
    }

    /// Moves the hand forward by `span` (whole seconds).
    pub fn advance(&self, span: Duration) {
        self.hand.send_modify(|now| *now = now.plus(span));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waiter_wakes_when_the_hand_reaches_its_time() {
        let (clock, hand) = Clock::by_hand(UnixTime(100));
        let waiter = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.reached(UnixTime(110)).await;
                clock.now()
            }
        });
        hand.advance(Duration::from_secs(9));
        assert_eq!(clock.now(), UnixTime(109));
        assert!(!waiter.is_finished());
        tokio::task::yield_now().await;
        assert_eq!(hand.awaited(), Some(UnixTime(110)));
        hand.set(UnixTime(111));
        assert_eq!(waiter.await.unwrap(), UnixTime(111));
        assert_eq!(hand.awaited(), None);
    }

    #[tokio::test]
    async fn all_wait_when_who_has_waited_waits_again() {
        let (clock, hand) = Clock::by_hand(UnixTime(100));
        let (begin, work) = tokio::sync::oneshot::channel::<()>();
        let waiters = [110, 120].map(|time| {
            let clock = clock.clone();
            async move { clock.reached(UnixTime(time)).await }
        });
        let [one, other] = waiters;
        tokio::spawn(other);
        tokio::spawn(async move {
            one.await;
            let _ = work.await;
            clock.reached(UnixTime(130)).await;
        });
        tokio::task::yield_now().await;
        assert!(hand.all_wait());
        hand.set(UnixTime(110));
        assert!(!hand.all_wait(), "one has not noticed");
        tokio::task::yield_now().await;
        assert!(!hand.all_wait(), "one is at work");
        begin.send(()).unwrap();
        tokio::task::yield_now().await;
        assert!(hand.all_wait());
    }

    #[tokio::test]
    async fn a_clock_set_back_makes_nobody_wait_longer() {
        let (clock, hand) = Clock::by_hand(UnixTime(1_000_000));
        let waiter = tokio::spawn(async move {
            wait_for(UnixTime(1_000_001), || clock.now()).await;
        });
        tokio::task::yield_now().await;
        hand.set(UnixTime(100));
        let ended = tokio::time::timeout(Duration::from_secs(30), waiter).await;
        ended.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_time_in_the_past_is_reached_at_once() {
        Clock::system().reached(UnixTime(1)).await;
    }
}
