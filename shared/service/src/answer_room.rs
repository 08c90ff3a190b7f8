//! What a request may use while it is worked on: its place among those that are, and the
//! memory for its answer, reserved before the answer is made.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::held_bytes::{Held, NoRoom};
use crate::worker_pool::WorkerPool;

/// Bytes that each request has for its work and its answer.
pub(crate) const WORK: usize = 64 * 1024;

/// Answers that need more are made a few at a time: they keep a core busy for about as
/// long as a hundred small ones, and a client asks for many in a kilobyte.
const LARGE: usize = 160 * 1024;

/// Large answers that are made at one time: two a core.
#[must_use]
pub fn most_large_answers() -> usize {
    2 * WorkerPool::one_worker_a_core().get()
}

/// The service holds as much for its clients as it may. Answer 503 with `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the service holds as much for its clients as it may; try again shortly")]
pub struct NoRoomForAnswer;

/// The places for work at one time.
#[derive(Debug)]
pub(crate) struct WorkPlaces {
    all: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl WorkPlaces {
    /// So many requests.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(max)),
            large: Arc::new(Semaphore::new(most_large_answers())),
        }
    }

    /// Whether a request would be refused.
    pub(crate) fn are_full(&self) -> bool {
        self.all.available_permits() == 0
    }

    /// Takes a place, and memory for the work. The `turn` is kept as long as the place.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn take(
        self: &Arc<Self>,
        held: &Arc<Held>,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<AnswerRoom, NoRoom> {
        let place = Arc::clone(&self.all).try_acquire_owned();
        let place = place.map_err(|_| NoRoom)?;
        held.begin_work(WORK)?;
        Ok(AnswerRoom(Some(Arc::new(Room {
            held: Arc::clone(held),
            places: Arc::clone(self),
            place: Mutex::new(vec![place]),
            turn: Mutex::new(turn),
        }))))
    }
}

#[derive(Debug)]
struct Room {
    held: Arc<Held>,
    places: Arc<WorkPlaces>,
    /// Among all requests; with a large answer also among those.
    place: Mutex<Vec<OwnedSemaphorePermit>>,
    /// Among the requests of the connection.
    turn: Mutex<Option<OwnedSemaphorePermit>>,
}

/// What a request may use while its answer is made. Each has 64 KiB from the start; a
/// handler that makes more takes this as an argument and reserves it first. Without a
/// listener around the router nothing is counted.
#[derive(Debug, Clone)]
pub struct AnswerRoom(Option<Arc<Room>>);

impl AnswerRoom {
    /// Reserves so many bytes in all until the answer is made. Before a large answer the
    /// request gives its place to others until its turn comes, and may give way.
    ///
    /// # Errors
    /// [`NoRoomForAnswer`].
    pub async fn reserve(&self, bytes: usize) -> Result<(), NoRoomForAnswer> {
        let Some(room) = &self.0 else { return Ok(()) };
        let reserved = if bytes > LARGE {
            room.wait_for_turn(bytes).await
        } else {
            room.held.grow(bytes.saturating_sub(WORK))
        };
        reserved.map_err(|NoRoom| NoRoomForAnswer)
    }

    /// Gives place and turn to others: the answer is made.
    pub(crate) fn leave(&self) {
        if let Some(room) = &self.0 {
            locked(&room.place).clear();
            locked(&room.turn).take();
        }
    }
}

impl Room {
    async fn wait_for_turn(&self, bytes: usize) -> Result<(), NoRoom> {
        self.held.pause_work(WORK)?;
        locked(&self.place).clear();
        let turn = Arc::clone(&self.places.large).acquire_owned().await;
        let place = Arc::clone(&self.places.all).acquire_owned().await;
        let places = [turn.map_err(|_| NoRoom)?, place.map_err(|_| NoRoom)?];
        self.held.begin_work(bytes)?;
        locked(&self.place).extend(places);
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Sync> FromRequestParts<S> for AnswerRoom {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let room = parts.extensions.get::<Self>();
        Ok(room.cloned().unwrap_or(Self(None)))
    }
}
