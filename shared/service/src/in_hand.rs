//! The bytes that clients make this side hold: request bodies that are not whole
//! yet and answers that are not taken yet. When they are too many, the connections
//! of the oldest are dismissed. Not here: bodies that a handler has, which
//! `request_limits` bounds.
//!
//! Newcomers are not refused, as they are where requests are too many: whoever
//! sends half a body or opens no window holds a reservation for as long as the
//! deadlines let him, at no cost, and a handful of connections could keep all
//! others out. Bytes that move are never the oldest for long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::exchanges::Exchanges;

/// All such bytes of one listener.
#[derive(Debug)]
pub(crate) struct BytesInHand {
    most: usize,
    state: Mutex<State>,
}

/// Owned by the lock, which is held for a few instructions only.
#[derive(Debug, Default)]
struct State {
    total: usize,
    begun: u64,
    /// Numbers grow with time, so the first is the oldest.
    held: BTreeMap<u64, (usize, Arc<Exchanges>)>,
}

impl BytesInHand {
    /// At most so many bytes, but for those of the newest holder.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            state: Mutex::default(),
        })
    }

    /// Holds `bytes` for a connection until the returned value is dropped.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize, connection: &Arc<Exchanges>) -> Held {
        let mut state = self.state();
        state.begun += 1;
        let number = state.begun;
        state.held.insert(number, (0, Arc::clone(connection)));
        state.add(number, bytes, self.most);
        drop(state);
        Held {
            number,
            among: Arc::clone(self),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, number: u64, bytes: usize, most: usize) {
        let Some((held, _)) = self.held.get_mut(&number) else {
            // Dismissed already.
            return;
        };
        *held += bytes;
        self.total += bytes;
        while self.total > most && self.held.len() > 1 {
            if let Some((_, (bytes, connection))) = self.held.pop_first() {
                self.total -= bytes;
                connection.dismiss();
            }
        }
    }
}

/// Bytes of one body or answer.
#[derive(Debug)]
pub(crate) struct Held {
    number: u64,
    among: Arc<BytesInHand>,
}

impl Held {
    /// Holds so many more.
    pub(crate) fn add(&self, bytes: usize) {
        self.among.state().add(self.number, bytes, self.among.most);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.among.state();
        if let Some((bytes, _)) = state.held.remove(&self.number) {
            state.total -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use tokio::time::Instant;

    use super::*;
    use crate::config::Limits;

    fn connection() -> Arc<Exchanges> {
        Exchanges::new(Arc::new(Limits::default()), Instant::now())
    }

    async fn is_dismissed(connection: &Exchanges) -> bool {
        let mut dismissed = pin!(connection.dismissed());
        poll_fn(|context| Poll::Ready(dismissed.as_mut().poll(context).is_ready())).await
    }

    #[tokio::test]
    async fn the_oldest_give_way_and_bytes_that_have_gone_do_not_count() {
        let bytes = BytesInHand::new(100);
        let (gone, old, new) = (connection(), connection(), connection());
        drop(bytes.hold(90, &gone));
        let older = bytes.hold(60, &old);
        let newer = bytes.hold(40, &new);
        assert!(!is_dismissed(&old).await);
        newer.add(1);
        assert!(is_dismissed(&old).await);
        assert!(!is_dismissed(&new).await && !is_dismissed(&gone).await);
        assert_eq!(bytes.state().total, 41);
        older.add(1);
        drop((older, newer));
        assert_eq!(bytes.state().total, 0);
    }

    #[tokio::test]
    async fn one_alone_may_hold_what_it_needs() {
        let bytes = BytesInHand::new(100);
        let one = connection();
        let _held = bytes.hold(500, &one);
        assert!(!is_dismissed(&one).await);
    }
}
