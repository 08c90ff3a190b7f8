//! The bytes that clients make this side hold: request bodies that are not whole
//! yet and answers that are not taken yet. When they are too many, connections are
//! dismissed, first the one that has had most for longest. Not here: bodies that a
//! handler has, which `request_limits` bounds.
//!
//! Newcomers are not refused, as they are where requests are too many: a client that
//! sends half a body or opens no window holds a reservation until a deadline, at no
//! cost, and a handful of connections could keep all others out. The oldest do not
//! give way regardless of what they hold either: a client that fills the place with
//! answers that it does not take would cut off everybody else's small bodies. What
//! counts is bytes times how long each of them has lain here: bytes that move weigh
//! little. And a connection with less than its share, when all places are
//! divided among as many connections as there may be, never gives way: there is
//! always one that has more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::exchanges::Exchanges;

/// All such bytes of one listener.
#[derive(Debug)]
pub(crate) struct BytesInHand {
    bounds: Bounds,
    now: fn() -> Instant,
    start: Instant,
    state: Mutex<State>,
}

/// How many bytes there may be.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Of all connections together.
    max: usize,
    /// Of one that is never dismissed.
    share: usize,
}

/// Owned by the lock, which is held for a few instructions, and while one is
/// dismissed for a look at every connection that holds something.
#[derive(Debug, Default)]
struct State {
    total: usize,
    begun: u64,
    parts: HashMap<u64, Part>,
    accounts: HashMap<ConnectionId, Account>,
}

/// Where the connection is in memory: an account keeps it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ConnectionId(usize);

/// One body or answer.
#[derive(Debug)]
struct Part {
    of: ConnectionId,
    sum: Sum,
}

/// All of one connection.
#[derive(Debug)]
struct Account {
    connection: Arc<Exchanges>,
    sum: Sum,
    parts: usize,
}

/// Bytes, and the microseconds at which they came, added up byte by byte.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    bytes: usize,
    births: u128,
}

impl Sum {
    fn add(&mut self, bytes: usize, now: u128) {
        self.bytes += bytes;
        self.births += bytes as u128 * now;
    }

    fn subtract(&mut self, other: Self) {
        self.bytes -= other.bytes;
        self.births -= other.births;
    }

    /// Byte-microseconds; of those that came this very moment, the more bytes.
    fn weight(self, now: u128) -> (u128, usize) {
        (self.bytes as u128 * now - self.births, self.bytes)
    }
}

impl BytesInHand {
    /// At most so many bytes, but for those of a connection that alone holds any, when
    /// there are so many connections at the most.
    pub(crate) fn new(max: usize, connections: usize) -> Arc<Self> {
        Self::at(Instant::now, max, connections)
    }

    /// The same by the clock `now`.
    fn at(now: fn() -> Instant, max: usize, connections: usize) -> Arc<Self> {
        let share = max / connections.max(1);
        Arc::new(Self {
            bounds: Bounds { max, share },
            now,
            start: now(),
            state: Mutex::default(),
        })
    }

    /// Holds `bytes` for a connection until the returned value is dropped.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize, connection: &Arc<Exchanges>) -> Held {
        let number = self.state().begin(connection);
        self.add(number, bytes);
        Held {
            number,
            among: Arc::clone(self),
        }
    }

    fn add(&self, number: u64, bytes: usize) {
        let now = (self.now)().duration_since(self.start).as_micros();
        self.state().add(number, bytes, now, self.bounds);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self, connection: &Arc<Exchanges>) -> u64 {
        let of = ConnectionId(Arc::as_ptr(connection).addr());
        let account = self.accounts.entry(of).or_insert_with(|| Account {
            connection: Arc::clone(connection),
            sum: Sum::default(),
            parts: 0,
        });
        account.parts += 1;
        self.begun += 1;
        let sum = Sum::default();
        self.parts.insert(self.begun, Part { of, sum });
        self.begun
    }

    fn add(&mut self, number: u64, bytes: usize, now: u128, bounds: Bounds) {
        // Dismissed already, if it is not there.
        let Some(part) = self.parts.get_mut(&number) else {
            return;
        };
        let Some(account) = self.accounts.get_mut(&part.of) else {
            return;
        };
        part.sum.add(bytes, now);
        account.sum.add(bytes, now);
        self.total += bytes;
        while self.total > bounds.max && self.dismiss_heaviest(now, bounds.share) {}
    }

    /// False when none is to give way: one alone holds everything.
    fn dismiss_heaviest(&mut self, now: u128, share: usize) -> bool {
        let holders = self.accounts.iter().filter(|(_, a)| a.sum.bytes > share);
        let heaviest = holders.max_by_key(|(_, account)| account.sum.weight(now));
        let Some((&heaviest, account)) = heaviest else {
            return false;
        };
        if account.sum.bytes == self.total {
            return false;
        }
        account.connection.dismiss();
        self.total -= account.sum.bytes;
        self.parts.retain(|_, part| part.of != heaviest);
        self.accounts.remove(&heaviest);
        true
    }

    fn end(&mut self, number: u64) {
        let Some(part) = self.parts.remove(&number) else {
            return;
        };
        self.total -= part.sum.bytes;
        let Some(account) = self.accounts.get_mut(&part.of) else {
            return;
        };
        account.sum.subtract(part.sum);
        account.parts -= 1;
        if account.parts == 0 {
            self.accounts.remove(&part.of);
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
        self.among.add(self.number, bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.among.state().end(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use pennyblack_runtime::config::Limits;

    fn connection() -> Arc<Exchanges> {
        Exchanges::new(Arc::new(Limits::default()), Instant::now())
    }

    async fn is_dismissed(connection: &Exchanges) -> bool {
        let mut dismissed = pin!(connection.dismissed());
        poll_fn(|context| Poll::Ready(dismissed.as_mut().poll(context).is_ready())).await
    }

    const SECOND: Duration = Duration::from_secs(1);

    thread_local! {
        static NOW: Cell<Instant> = Cell::new(Instant::now());
    }

    /// A clock that stands still but for [`advance`].
    fn bytes_in_hand(max: usize, connections: usize) -> Arc<BytesInHand> {
        BytesInHand::at(|| NOW.get(), max, connections)
    }

    fn advance(span: Duration) {
        NOW.set(NOW.get() + span);
    }

    #[tokio::test]
    async fn of_two_alike_the_older_gives_way_and_bytes_that_have_gone_do_not_count() {
        let bytes = bytes_in_hand(100, 10);
        let (gone, old, new) = (connection(), connection(), connection());
        drop(bytes.hold(90, &gone));
        let older = bytes.hold(50, &old);
        advance(SECOND);
        let newer = bytes.hold(50, &new);
        assert!(!is_dismissed(&old).await);
        newer.add(1);
        assert!(is_dismissed(&old).await);
        assert!(!is_dismissed(&new).await && !is_dismissed(&gone).await);
        assert_eq!(bytes.state().total, 51);
        older.add(1);
        drop((older, newer));
        assert_eq!(bytes.state().total, 0);
        assert!(bytes.state().accounts.is_empty());
    }

    #[tokio::test]
    async fn one_alone_may_hold_what_it_needs() {
        let bytes = bytes_in_hand(100, 10);
        let one = connection();
        let _first = bytes.hold(300, &one);
        let _second = bytes.hold(200, &one);
        let nothing = connection();
        let _empty = bytes.hold(0, &nothing);
        assert!(!is_dismissed(&one).await && !is_dismissed(&nothing).await);
    }

    #[tokio::test]
    async fn answers_that_nobody_takes_do_not_cut_off_a_small_old_body() {
        let bytes = bytes_in_hand(1_000_000, 400);
        let honest = connection();
        let _body = bytes.hold(2_000, &honest);
        advance(SECOND);
        let mut held = Vec::new();
        for _ in 0..500 {
            let attacker = connection();
            held.push((bytes.hold(16_000, &attacker), attacker));
            // They come so quickly that each is lighter than the body; but that is
            // less than its share.
            advance(SECOND / 100);
        }
        assert!(!is_dismissed(&honest).await);
        assert!(bytes.state().total <= 1_000_000);
    }

    #[tokio::test]
    async fn many_that_are_each_smaller_do_not_cut_off_one_that_moves() {
        let bytes = bytes_in_hand(1_000_000, 1_001);
        let attackers: Vec<_> = (0..1_000).map(|_| connection()).collect();
        let _held: Vec<_> = attackers.iter().map(|a| bytes.hold(1_000, a)).collect();
        advance(SECOND);
        for _ in 0..100 {
            let honest = connection();
            let _body = bytes.hold(16_000, &honest);
            advance(SECOND / 50);
            assert!(!is_dismissed(&honest).await);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_counted_twice_or_for_ever(
            steps in proptest::collection::vec((0..4u8, 0..6usize, 0..400usize), 0..100),
        ) {
            let bytes = bytes_in_hand(1_000, 6);
            let connections: Vec<_> = (0..6).map(|_| connection()).collect();
            let mut held = Vec::new();
            for (step, which, size) in steps {
                match step {
                    0 => held.push(bytes.hold(size, &connections[which])),
                    1 if which < held.len() => held[which].add(size),
                    2 if which < held.len() => drop(held.swap_remove(which)),
                    _ => advance(Duration::from_micros(size as u64)),
                }
                let state = bytes.state();
                let parts: usize = state.parts.values().map(|part| part.sum.bytes).sum();
                let accounts: usize = state.accounts.values().map(|a| a.sum.bytes).sum();
                let holders = state.accounts.values().filter(|a| a.sum.bytes > 0).count();
                assert!(parts == state.total && accounts == state.total);
                assert!(state.total <= 1_000 || holders == 1);
            }
            drop(held);
            let state = bytes.state();
            assert!(state.total == 0 && state.parts.is_empty() && state.accounts.is_empty());
        }
    }
}
