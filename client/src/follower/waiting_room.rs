//! Who waits for certificates: a bounded number, and the oldest gives way. Not here: what
//! they wait for (`certificates`).
//!
//! A stranger decides how many wait and for how long, since one URL at a slow host may stand
//! in any number of PASSporTs. So no newcomer is turned away: what a good host has comes
//! long before as many others again do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

pub(super) struct WaitingRoom {
    max: usize,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    next: u64,
    taken: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A place in the room, until it is dropped.
pub(super) struct Place {
    room: Arc<WaitingRoom>,
    number: u64,
    taken_away: oneshot::Receiver<()>,
}

impl WaitingRoom {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            places: Mutex::default(),
        }
    }

    pub(super) fn enter(this: &Arc<Self>) -> Place {
        let (keep, taken_away) = oneshot::channel();
        let mut places = this.places();
        places.next += 1;
        let number = places.next;
        places.taken.insert(number, keep);
        if places.taken.len() > this.max {
            places.taken.pop_first();
        }
        Place {
            room: Arc::clone(this),
            number,
            taken_away,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.places().taken.len()
    }

    pub(super) const fn max(&self) -> usize {
        self.max
    }

    /// Every change is whole before anything can panic.
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Returns when newer ones needed the place.
    pub(super) async fn taken_away(&mut self) {
        // Nothing is ever sent: the sender goes.
        let _ = (&mut self.taken_away).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.places().taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_its_place_to_the_newest() {
        let room = Arc::new(WaitingRoom::new(2));
        let mut places: Vec<_> = (0..3).map(|_| WaitingRoom::enter(&room)).collect();
        assert_eq!(room.count(), 2);
        places[0].taken_away().await;
        for place in &mut places[1..] {
            assert!(
                place
                    .taken_away
                    .try_recv()
                    .is_err_and(|error| error == oneshot::error::TryRecvError::Empty)
            );
        }
        drop(places);
        assert_eq!(room.count(), 0);
    }
}
