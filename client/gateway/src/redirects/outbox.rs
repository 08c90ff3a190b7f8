//! What waits to be written to a connection: bounded in bytes, so that a peer that asks and
//! does not read costs little.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most bytes of answers that wait: those to 250 calls at once.
pub(super) const ANSWERS: usize = 512 * 1024;

/// Most bytes of answers to keep-alives that wait.
pub(super) const PONGS: usize = 4 * 1024;

/// A message with its share of the room, which is free again when it was written.
type Waiting = (Arc<[u8]>, OwnedSemaphorePermit);

/// Where messages to a connection are put. Without it, the connection ends when all is
/// written.
#[derive(Debug)]
pub(super) struct Outbox {
    to: UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
}

/// The other end.
#[derive(Debug)]
pub(super) struct Inbox(UnboundedReceiver<Waiting>);

/// Both ends, with room for so many bytes.
pub(super) fn outbox(room: usize) -> (Outbox, Inbox) {
    let (to, from) = unbounded_channel();
    let room = Arc::new(Semaphore::new(room));
    (Outbox { to, room }, Inbox(from))
}

impl Outbox {
    /// Puts a message there; false if there is no room, or nobody writes any more.
    pub(super) fn put(&self, bytes: Arc<[u8]>) -> bool {
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(size);
        room.is_ok_and(|permit| self.to.send((bytes, permit)).is_ok())
    }
}

impl Inbox {
    /// The next message; nothing when there will be none.
    pub(super) async fn next(&mut self) -> Option<Waiting> {
        self.0.recv().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_is_bounded_and_what_was_written_makes_room() {
        let (outbox, mut inbox) = outbox(ANSWERS);
        let half: Arc<[u8]> = vec![0; ANSWERS / 2].into();
        assert!(outbox.put(Arc::clone(&half)) && outbox.put(Arc::clone(&half)));
        assert!(!outbox.put(vec![0].into()));
        drop(inbox.next().await.unwrap());
        assert!(outbox.put(half));
        drop(outbox);
        assert!(inbox.next().await.is_some() && inbox.next().await.is_some());
        assert!(inbox.next().await.is_none());
    }
}
