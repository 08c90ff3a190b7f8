//! The memory that clients make this side hold: requests that are not whole yet,
//! answers that are being made, answers that are not taken yet. Each byte is reserved
//! here before it is made and counted until it is gone, and there are at most
//! `limits.held_bytes` of them.
//!
//! When they would be more, exchanges that wait for their client give way, and never
//! those that this side works on. Newcomers are not refused as long as something
//! waits: a client that sends half a body or opens no window would keep all others out
//! at no cost. The oldest do not give way regardless of what they hold either: what
//! counts is bytes times how long each of them has lain here, and an exchange that
//! holds less than half of the average gives way to nobody. An exchange ends alone: its
//! connection may be a relay's, which speaks for many.
//!
//! What the HTTP stack has been given it keeps until the socket takes it, even if the
//! exchange has ended. When nothing else can give way, the connections that have most
//! of that are closed: their clients read nothing.

mod accounts;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::time::Instant;

use crate::exchanges::{ExchangeId, Exchanges};
use crate::untaken::Untaken;

pub(crate) use self::accounts::NoRoom;
use self::accounts::{Accounts, ConnectionId};

/// All such bytes of one listener.
pub(crate) struct HeldBytes {
    now: fn() -> Instant,
    start: Instant,
    /// Locked for a few instructions, and while some give way for a look at every
    /// exchange.
    accounts: Mutex<Accounts>,
}

impl fmt::Debug for HeldBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldBytes").finish_non_exhaustive()
    }
}

impl HeldBytes {
    /// At most so many bytes.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Self::at(Instant::now, max)
    }

    /// The same by the clock `now`.
    fn at(now: fn() -> Instant, max: usize) -> Arc<Self> {
        Arc::new(Self {
            now,
            start: now(),
            accounts: Mutex::new(Accounts::new(max)),
        })
    }

    /// Holds `bytes` for a request that has begun to arrive, until the returned value is
    /// dropped.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub(crate) fn hold(
        self: &Arc<Self>,
        bytes: usize,
        exchange: &ExchangeId,
    ) -> Result<Held, NoRoom> {
        Ok(Held {
            number: self.change(|accounts, now| accounts.open(exchange, bytes, now))?,
            among: Arc::clone(self),
        })
    }

    /// Changes the accounts, and drops what gives way for it. What there is no room for
    /// is tried again when that is gone.
    fn change<T>(
        &self,
        mut change: impl FnMut(&mut Accounts, u128) -> Result<T, NoRoom>,
    ) -> Result<T, NoRoom> {
        loop {
            let now = self.micros();
            let mut accounts = self.accounts();
            let changed = change(&mut accounts, now);
            let ended = accounts.take_ended();
            drop(accounts);
            if changed.is_ok() || ended.is_empty() {
                return changed;
            }
        }
    }

    fn micros(&self) -> u128 {
        (self.now)().duration_since(self.start).as_micros()
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of one exchange.
#[derive(Debug)]
pub(crate) struct Held {
    number: u64,
    among: Arc<HeldBytes>,
}

impl Held {
    /// Holds so many more.
    ///
    /// # Errors
    /// [`NoRoom`]; also when the exchange was told to end.
    pub(crate) fn grow(&self, bytes: usize) -> Result<(), NoRoom> {
        let grow = |accounts: &mut Accounts, now| accounts.grow(self.number, bytes, now);
        self.among.change(grow)
    }

    /// The connection of the exchange.
    pub(crate) fn of_connection(&self) -> Option<Arc<Exchanges>> {
        self.among.accounts().connection(self.number)
    }

    /// Notes that the request is whole and this side has to work, for which it needs so
    /// many bytes more.
    ///
    /// # Errors
    /// As [`Self::grow`].
    pub(crate) fn begin_work(&self, bytes: usize) -> Result<(), NoRoom> {
        let begin = |accounts: &mut Accounts, now| accounts.begin_work(self.number, bytes, now);
        self.among.change(begin)
    }

    /// Notes that the work has to wait for its turn, without so many of its bytes, and may
    /// give way meanwhile.
    ///
    /// # Errors
    /// [`NoRoom`], when the exchange was told to end.
    pub(crate) fn pause_work(&self, bytes: usize) -> Result<(), NoRoom> {
        self.among
            .change(|accounts, _| accounts.pause_work(self.number, bytes))
    }

    /// Notes that the answer is made and waits for the client. Its bytes and those
    /// `beside` it are held from now on, and no others. It is given up when it has to
    /// give way.
    ///
    /// # Errors
    /// As [`Self::grow`], if that is more than was held.
    pub(crate) fn wait_for_client(
        &self,
        beside: usize,
        untaken: &Arc<Untaken>,
    ) -> Result<(), NoRoom> {
        self.among
            .change(|accounts, now| accounts.wait_for_client(self.number, beside, untaken, now))
    }

    /// Gives a piece of the answer to the HTTP stack: it is counted until the stack has
    /// done with it.
    pub(crate) fn send(&self, piece: Bytes) -> Bytes {
        let Some(connection) = self.among.accounts().send(self.number, piece.len()) else {
            return piece;
        };
        Bytes::from_owner(SentPiece {
            connection,
            among: Arc::clone(&self.among),
            piece,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.among.accounts().close(self.number);
    }
}

/// A piece of an answer that the HTTP stack has.
struct SentPiece {
    connection: ConnectionId,
    among: Arc<HeldBytes>,
    piece: Bytes,
}

impl AsRef<[u8]> for SentPiece {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Drop for SentPiece {
    fn drop(&mut self) {
        self.among
            .accounts()
            .sent(self.connection, self.piece.len());
    }
}

#[cfg(test)]
mod tests;
