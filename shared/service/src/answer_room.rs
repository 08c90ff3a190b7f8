//! What a request may use while it is worked on: its place among those that are, and the
//! memory for its answer, reserved before the answer is made.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// One in this many of all bytes is for what smaller answers need beyond [`WORK`] while they
/// are made. Those who ask for tiles of a log would fill the memory otherwise: they ask for
/// many in a kilobyte, and a file system has to be waited for.
const MORE_OF: usize = 16;

/// What those bytes are divided into.
const PART: usize = 1024;

/// Large answers that are made at one time: two a core.
#[must_use]
pub fn most_large_answers() -> usize {
    2 * WorkerPool::one_worker_a_core().get()
}

/// The service holds as much for its clients as it may. Answer 503 with `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the service holds as much for its clients as it may; try again shortly")]
pub struct NoRoomForAnswer;

/// Large answers that wait for their turn at one time, for each that is made.
const LARGE_WAITING: usize = 32;

/// The places for work at one time.
#[derive(Debug)]
pub(crate) struct WorkPlaces {
    all: Arc<Semaphore>,
    more: Arc<Semaphore>,
    large: Arc<Semaphore>,
    large_waiting: Arc<Semaphore>,
}

impl WorkPlaces {
    /// So many requests of a service that holds so many bytes.
    pub(crate) fn new(max: usize, held_bytes: usize) -> Self {
        // Room for one at least.
        let more = (held_bytes / MORE_OF).max(LARGE);
        Self {
            all: Arc::new(Semaphore::new(max)),
            more: Arc::new(Semaphore::new((more / PART).min(Semaphore::MAX_PERMITS))),
            large: Arc::new(Semaphore::new(most_large_answers())),
            large_waiting: Arc::new(Semaphore::new(LARGE_WAITING * most_large_answers())),
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
        Ok(AnswerRoom {
            room: Some(Arc::new(Room {
                held: Arc::clone(held),
                places: Arc::clone(self),
                place: Mutex::new(vec![place]),
                turn: Mutex::new(turn.into_iter().collect()),
                reserved: AtomicUsize::new(WORK),
            })),
            beside: None,
        })
    }
}

#[derive(Debug)]
struct Room {
    held: Arc<Held>,
    places: Arc<WorkPlaces>,
    /// Among all requests, and among those whose answers need more.
    place: Mutex<Vec<OwnedSemaphorePermit>>,
    /// Among the requests of the connection, and among those of it that wait.
    turn: Mutex<Vec<OwnedSemaphorePermit>>,
    /// Bytes reserved in all.
    reserved: AtomicUsize,
}

/// What else is made of each answer: so many bytes for an answer of so many.
pub type Beside = fn(usize) -> usize;

/// What a request may use while its answer is made. Each has 64 KiB from the start; a
/// handler that makes more takes this as an argument and reserves it first, and gives it
/// along to work that goes on when the request is given up.
#[derive(Debug, Clone)]
pub struct AnswerRoom {
    room: Option<Arc<Room>>,
    beside: Option<Beside>,
}

impl AnswerRoom {
    /// That of a request that no listener has taken: nothing is counted.
    #[must_use]
    pub const fn uncounted() -> Self {
        Self {
            room: None,
            beside: None,
        }
    }

    /// The same room for a request that came inside another one: what is reserved
    /// for its answer has room for what is made of that, too, before either is made.
    #[must_use]
    pub fn of_inner(&self, beside: Beside) -> Self {
        Self {
            room: self.room.clone(),
            beside: Some(beside),
        }
    }

    /// Reserves room until the answer is made: for the answer, of so many bytes, and for so
    /// many that are `work` for it. Before a large answer, and where others have reserved as
    /// much as all may, the request gives its place to others until its turn comes, and may
    /// give way.
    ///
    /// # Errors
    /// [`NoRoomForAnswer`].
    pub async fn reserve(&self, answer: usize, work: usize) -> Result<(), NoRoomForAnswer> {
        let beside = self.beside.map_or(0, |beside| beside(answer));
        self.take(answer.saturating_add(work).saturating_add(beside))
            .await
    }

    /// Reserves so many bytes in all, if that is more than was reserved before.
    ///
    /// # Errors
    /// [`NoRoomForAnswer`].
    pub async fn reserve_in_all(&self, bytes: usize) -> Result<(), NoRoomForAnswer> {
        let reserved = self
            .room
            .as_ref()
            .map_or(usize::MAX, |room| room.reserved());
        if bytes <= reserved {
            return Ok(());
        }
        self.take(bytes).await
    }

    async fn take(&self, bytes: usize) -> Result<(), NoRoomForAnswer> {
        let Some(room) = &self.room else {
            return Ok(());
        };
        let taken = if bytes > LARGE {
            room.take_large_turn(bytes).await
        } else {
            room.take_more(bytes.saturating_sub(WORK)).await
        };
        taken.map_err(|NoRoom| NoRoomForAnswer)?;
        room.reserved.fetch_max(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Notes that the answer is made.
    pub(crate) fn leave(&self) {
        if let Some(room) = &self.room {
            room.give_back();
        }
    }
}

impl Room {
    fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Among the smaller answers that need more. One that has to wait gives its place to others and
    /// may give way: so many could wait that they took all places. Of its connection's turns so many
    /// could take only half. It has its turn first, and then waits for what all share: it would keep
    /// that otherwise while it waited for its turn.
    async fn take_more(&self, bytes: usize) -> Result<(), NoRoom> {
        let parts = u32::try_from(bytes.div_ceil(PART)).map_err(|_| NoRoom)?;
        if parts == 0 {
            return Ok(());
        }
        let more = Arc::clone(&self.places.more);
        if let Ok(more) = more.try_acquire_many_owned(parts) {
            locked(&self.place).push(more);
            return self.held.grow(bytes);
        }
        let connection = self.held.of_connection().ok_or(NoRoom)?;
        self.held.pause_work(WORK)?;
        self.give_back();
        let turn = connection.turns().take_to_wait().await;
        *locked(&self.turn) = turn;
        let more = Arc::clone(&self.places.more).acquire_many_owned(parts);
        let more = more.await.map_err(|_| NoRoom)?;
        let place = Arc::clone(&self.places.all).acquire_owned().await;
        self.held.begin_work(WORK + bytes)?;
        locked(&self.place).extend([more, place.map_err(|_| NoRoom)?]);
        Ok(())
    }

    /// First among the large answers of the connection, where the request may give way,
    /// and then in the queue of all connections, where it does not: the next in line would
    /// have waited for longest. That queue is bounded. The request needs no other turn of its
    /// connection, which has few large ones: it would keep a turn of all connections while it
    /// waited for that.
    async fn take_large_turn(&self, bytes: usize) -> Result<(), NoRoom> {
        let connection = self.held.of_connection().ok_or(NoRoom)?;
        self.held.pause_work(WORK)?;
        self.give_back();
        let of_connection = connection.large_turn().await;
        let queue = Arc::clone(&self.places.large_waiting).try_acquire_owned();
        let queue = queue.map_err(|_| NoRoom)?;
        self.held.begin_work(0)?;
        let large = Arc::clone(&self.places.large).acquire_owned().await;
        drop(queue);
        let place = Arc::clone(&self.places.all).acquire_owned().await;
        self.held.grow(bytes)?;
        let places = [large.map_err(|_| NoRoom)?, place.map_err(|_| NoRoom)?];
        locked(&self.place).extend(places.into_iter().chain(of_connection));
        Ok(())
    }

    /// Gives place and turn to others.
    fn give_back(&self) {
        locked(&self.place).clear();
        locked(&self.turn).clear();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Sync> FromRequestParts<S> for AnswerRoom {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let room = parts.extensions.get::<Self>();
        Ok(room.cloned().unwrap_or(Self::uncounted()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::{FutureExt as _, join_all};
    use http::Version;
    use pennyblack_runtime::config::Limits;
    use tokio::task::yield_now;
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::exchanges::{Exchange, Exchanges};
    use crate::held_bytes::HeldBytes;
    use crate::known_clients::KnownConnection;
    use crate::known_clients::tests::known_connection;

    const MAX: usize = 1024 * 1024;

    fn room() -> (AnswerRoom, Exchange) {
        let now = Instant::now();
        let exchanges = Exchanges::new(Arc::new(Limits::default()), now);
        let open = exchanges.begin(now, Version::HTTP_2);
        let held = HeldBytes::new(MAX).hold(0, open.id()).unwrap();
        let places = Arc::new(WorkPlaces::new(4, MAX));
        (places.take(&Arc::new(held), None).unwrap(), open)
    }

    #[tokio::test]
    async fn what_is_made_of_an_inner_answer_is_reserved_with_it() {
        let nine_times: Beside = |answer| 9 * answer;
        for (answer, fits) in [(MAX / 10 - 1024, true), (MAX / 10 + 1024, false)] {
            let (outer, _open) = room();
            let reserved = outer.of_inner(nine_times).reserve(answer, 0).await;
            assert_eq!(reserved.is_ok(), fits, "{answer}");
            let (outer, _open) = room();
            assert!(outer.reserve(answer, 0).await.is_ok());
        }
    }

    /// A client of a relay that is known must not stop all that comes through the relay.
    #[tokio::test]
    async fn requests_that_wait_for_room_leave_half_of_the_turns_to_others() {
        let now = Instant::now();
        let (places, held) = (
            Arc::new(WorkPlaces::new(1024, MAX)),
            HeldBytes::new(64 * MAX),
        );
        let of_connection = |known: Option<KnownConnection>| {
            let exchanges = Exchanges::new(Arc::new(Limits::default()), now);
            known
                .into_iter()
                .for_each(|known| exchanges.belong_to(known));
            exchanges
        };
        let ask = async |exchanges: &Arc<Exchanges>| {
            let open = exchanges.begin(now, Version::HTTP_2);
            let held = Arc::new(held.hold(0, open.id()).unwrap());
            let turn = exchanges.turns().take().await;
            (places.take(&held, turn).unwrap(), open)
        };
        for (known, turns) in [(None, 16), (Some(known_connection()), 128)] {
            let (others, exchanges) = (of_connection(None), of_connection(known));
            // All that there is for answers that need more than each has, but not a large turn.
            let (other, _open) = ask(&others).await;
            other.reserve(LARGE, 0).await.unwrap();
            let mut waiting = Vec::new();
            for _ in 0..2 * turns {
                let (room, open) = ask(&exchanges).now_or_never().expect("a turn");
                let mut reserves = Box::pin(async move {
                    room.reserve(LARGE, 0).await.unwrap();
                    drop(open);
                    room.leave();
                });
                assert!((&mut reserves).now_or_never().is_none());
                waiting.push(reserves);
                // A task that goes on for long is told to wait where it need not.
                yield_now().await;
            }
            assert_eq!(exchanges.turns().left(), turns / 2);
            other.leave();
            timeout(Duration::from_secs(30), join_all(waiting))
                .await
                .expect("each has its room in the end");
            assert_eq!(exchanges.turns().left(), turns);
        }
    }

    #[tokio::test]
    async fn what_was_reserved_is_not_reserved_again() {
        let (room, _open) = room();
        let most = MAX - 1024;
        assert!(room.reserve_in_all(most).await.is_ok());
        for bytes in [0, WORK, most] {
            assert!(room.reserve_in_all(bytes).await.is_ok(), "{bytes}");
        }
        assert!(room.reserve_in_all(MAX + 1).await.is_err());
    }
}
