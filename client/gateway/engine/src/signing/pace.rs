//! How many stores at each CPS calls may wait for at once: as many as lately came in time.
//! Beyond that all would come late, and every call would wait for its whole deadline. Not
//! here: stores that no call waits for any more (`stores`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pennyblack_base::authority::Authority;
use tokio::time::Instant;

/// At a CPS of which nothing is known: 50 calls a second with a few copies each.
const AT_FIRST: usize = 64;

/// So many may always be waited for: it is how we learn that there is room again.
const LEAST: usize = 8;

/// The window of each CPS. Clones share it. Of a CPS that no key record names, none is kept.
#[derive(Debug, Clone)]
pub(super) struct Paces {
    windows: Arc<Mutex<HashMap<Authority, Window>>>,
    /// No window grows beyond this.
    max: usize,
    /// A window shrinks once in this time: what is late together is late for one reason.
    deadline: Duration,
}

#[derive(Debug)]
struct Window {
    /// So many may be waited for.
    size: usize,
    waited_for: usize,
    /// Stores in time since it grew.
    in_time: usize,
    shrunk: Option<Instant>,
}

/// A store that a call waits for. Dropped, it is waited for no more.
#[derive(Debug)]
pub(super) struct Place {
    paces: Paces,
    cps: Authority,
}

impl Paces {
    pub(super) fn new(max: usize, deadline: Duration) -> Self {
        Self {
            windows: Arc::default(),
            max,
            deadline,
        }
    }

    /// A place for one more store at `cps`, if it is to be expected that it comes in time.
    pub(super) fn enter(&self, cps: &Authority) -> Option<Place> {
        let mut windows = self.windows();
        let window = windows.entry(cps.clone()).or_insert(Window {
            size: AT_FIRST.min(self.max),
            waited_for: 0,
            in_time: 0,
            shrunk: None,
        });
        if window.waited_for >= window.size {
            return None;
        }
        window.waited_for += 1;
        Some(Place {
            paces: self.clone(),
            cps: cps.clone(),
        })
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<Authority, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The CPS has it, and the call was still there. A window grows by one for each time that
    /// as many came in time as it has places; beyond the first size only while half of it is
    /// used, since a call at a time says nothing of many.
    pub(super) fn in_time(self) {
        let max = self.paces.max;
        if let Some(window) = self.paces.windows().get_mut(&self.cps) {
            let is_used = 2 * window.waited_for >= window.size;
            window.in_time += usize::from(is_used || window.size < AT_FIRST);
            if window.in_time >= window.size {
                window.size = (window.size + 1).min(max);
                window.in_time = 0;
            }
        }
    }

    /// The call is gone, and the store goes on without it: half as many come next.
    pub(super) fn late(self, now: Instant) {
        let (least, pause) = (LEAST.min(self.paces.max), self.paces.deadline);
        if let Some(window) = self.paces.windows().get_mut(&self.cps) {
            let is_new = |shrunk: Instant| now.duration_since(shrunk) >= pause;
            if window.shrunk.is_none_or(is_new) {
                window.size = (window.size / 2).max(least);
                window.in_time = 0;
                window.shrunk = Some(now);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(window) = self.paces.windows().get_mut(&self.cps) {
            window.waited_for = window.waited_for.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_millis(250);

    fn cps() -> Authority {
        "cps.example".parse().unwrap()
    }

    /// All that may be waited for now.
    fn all(paces: &Paces) -> Vec<Place> {
        let places = std::iter::from_fn(|| paces.enter(&cps()));
        places.take(10_000).collect()
    }

    fn room(paces: &Paces) -> usize {
        all(paces).len()
    }

    #[test]
    fn stores_that_come_late_make_room_for_half_as_many_and_never_for_none() {
        let (paces, now) = (Paces::new(1_024, DEADLINE), Instant::now());
        assert_eq!(room(&paces), AT_FIRST);
        for (deadlines, expected) in [32, 16, 8, 8].into_iter().enumerate() {
            let later = now + DEADLINE * u32::try_from(deadlines).unwrap();
            // However many of them are late together.
            all(&paces).into_iter().for_each(|place| place.late(later));
            assert_eq!(room(&paces), expected);
        }
        let other: Authority = "other.example".parse().unwrap();
        assert!(paces.enter(&other).is_some());
    }

    #[test]
    fn stores_that_come_in_time_make_room_for_more_if_it_is_used() {
        let paces = Paces::new(80, DEADLINE);
        for expected in AT_FIRST + 1..=80 {
            while room(&paces) < expected {
                // The first half of them finds the window half full.
                all(&paces).into_iter().for_each(Place::in_time);
            }
            assert_eq!(room(&paces), expected);
        }
        all(&paces).into_iter().for_each(Place::in_time);
        all(&paces).into_iter().for_each(Place::in_time);
        assert_eq!(room(&paces), 80, "no more than may be under way");

        let paces = Paces::new(1_024, DEADLINE);
        for _ in 0..10_000 {
            paces.enter(&cps()).unwrap().in_time();
        }
        assert_eq!(room(&paces), AT_FIRST, "a call at a time tells nothing");
    }

    #[test]
    fn after_trouble_calls_one_at_a_time_make_room_for_a_burst_again() {
        let (paces, now) = (Paces::new(1_024, DEADLINE), Instant::now());
        for deadlines in 0..3 {
            paces
                .enter(&cps())
                .unwrap()
                .late(now + DEADLINE * deadlines);
        }
        assert_eq!(room(&paces), LEAST);
        for _ in 0..2_000 {
            paces.enter(&cps()).unwrap().in_time();
        }
        assert_eq!(room(&paces), AT_FIRST);
    }

    #[test]
    fn a_store_that_is_given_up_frees_its_place() {
        let paces = Paces::new(2, DEADLINE);
        drop(all(&paces));
        assert_eq!(room(&paces), 2);
    }
}
