//! Which requests a connection has open, which of them this side works on, and so
//! when one is overdue and since when the connection waits for its client. Pure
//! bookkeeping: who closes the connection is `connection.rs`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::Version;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::known_clients::KnownConnection;
use crate::stream::{Stream, Work};
use crate::turns::Turns;

use pennyblack_runtime::config::Limits;

/// Most requests of one connection that are worked on at one time; its others wait for
/// their turn.
const AT_WORK: usize = 16;

/// A connection has at most one in this many of all places for work.
const SHARES: usize = 64;

/// Of these with large answers, which wait for a turn among those of all connections.
const LARGE_AT_WORK: usize = 2;

/// Why a connection is closed by this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// No first request has arrived in time: silence, or a dribbled header.
    NoRequest,
    /// No further request has arrived in time.
    Idle,
    /// A client neither sends its request nor takes its answer.
    Stalled,
}

impl Overdue {
    /// The label of the metric that counts it.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::NoRequest => "no_request",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
        }
    }
}

/// After so long without a request a connection is between two requests: before, its client
/// may be about to send the next one.
const QUIET: Duration = Duration::from_millis(250);

/// So much longer may a connection wait for a request, or for an answer to be taken, than
/// between two requests: a client that is told to connect again has lost nothing then.
const GRACE: Duration = Duration::from_secs(2);

/// How a connection stands that waits for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Whether no answer of it has been taken yet.
    pub(crate) is_new: bool,
    /// By when it gives its place to another, the earliest first.
    pub(crate) gives_way: Instant,
}

/// The requests of one connection that have begun and not been answered in full.
#[derive(Debug)]
pub(crate) struct Exchanges {
    limits: Arc<Limits>,
    state: Mutex<State>,
    dismissed: Notify,
    turns: Turns,
    large_turns: Arc<Semaphore>,
    known: OnceLock<KnownConnection>,
}

/// Owned by the lock, which is held for a few instructions only.
#[derive(Debug)]
struct State {
    /// Numbers grow with time, so the first is the oldest.
    open: BTreeMap<u64, Open>,
    /// How many exchanges have ever begun.
    begun: u64,
    /// When the last exchange ended, or the connection began.
    quiet_since: Instant,
    /// When this side last finished work for the client, or the connection began. While the
    /// first answer is not taken, only work for that counts: a client that takes nothing would
    /// be as good as new again with each further request.
    waiting_since: Instant,
    /// The first request that this side worked on.
    first: Option<u64>,
    /// Whether that has ended.
    is_first_over: bool,
}

#[derive(Debug)]
struct Open {
    begun: Instant,
    /// Its request is whole and its answer is not made: it waits for this side.
    working: bool,
    carrier: Carrier,
}

/// What ends with an exchange.
#[derive(Debug)]
enum Carrier {
    /// The connection, which serves no other at the same time (HTTP/1.1).
    Connection,
    /// A stream (HTTP/2), which is about to be started.
    StreamToCome,
    /// A stream.
    Stream(Arc<Stream>),
    /// It was asked to end.
    Ended,
}

impl Exchanges {
    pub(crate) fn new(limits: Arc<Limits>, now: Instant) -> Arc<Self> {
        let turns = (limits.requests / SHARES).clamp(1, AT_WORK);
        Arc::new(Self {
            limits,
            state: Mutex::new(State {
                open: BTreeMap::new(),
                begun: 0,
                quiet_since: now,
                waiting_since: now,
                first: None,
                is_first_over: false,
            }),
            dismissed: Notify::new(),
            turns: Turns::new(turns),
            large_turns: Arc::new(Semaphore::new(LARGE_AT_WORK)),
            known: OnceLock::new(),
        })
    }

    /// Notes that the time for the first request begins now.
    pub(crate) fn listen(&self, now: Instant) {
        self.state().quiet_since = now;
    }

    /// Notes that the client is one of those that are known.
    pub(crate) fn belong_to(&self, known: KnownConnection) {
        // A handshake ends once.
        let _ = self.known.set(known);
    }

    /// What a known client has.
    pub(crate) fn known(&self) -> Option<&KnownConnection> {
        self.known.get()
    }

    /// How the connection waits for its client; nothing while this side has a whole request
    /// of the client to work on, and nothing where the client is known: there are few of
    /// those, and many others stand behind each.
    pub(crate) fn waiting(&self, now: Instant) -> Option<Waiting> {
        if self.known.get().is_some() {
            return None;
        }
        let state = self.state();
        let working = state.open.values().any(|open| open.working);
        let is_quiet = now.saturating_duration_since(state.quiet_since) >= QUIET;
        let between_requests = state.open.is_empty() && state.is_first_over && is_quiet;
        let grace = if between_requests {
            Duration::ZERO
        } else {
            GRACE
        };
        (!working).then_some(Waiting {
            is_new: !state.is_first_over,
            gives_way: state.waiting_since + grace,
        })
    }

    /// Asks the connection to end, since its place is needed.
    pub(crate) fn dismiss(&self) {
        self.dismissed.notify_one();
    }

    /// Returns once the connection is asked to end. One task may wait.
    pub(crate) async fn dismissed(&self) {
        self.dismissed.notified().await;
    }

    /// The turns of the connection, or of all those of a known client.
    pub(crate) fn turns(&self) -> &Turns {
        self.known.get().map_or(&self.turns, KnownConnection::turns)
    }

    /// Waits until the connection has fewer than [`LARGE_AT_WORK`] large answers made. That lasts
    /// until the returned value, which is always there, is dropped.
    pub(crate) async fn large_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.large_turns).acquire_owned().await.ok()
    }

    /// Notes that a request's header section has arrived. The exchange ends when
    /// the returned value is dropped.
    pub(crate) fn begin(self: &Arc<Self>, now: Instant, version: Version) -> Exchange {
        let carrier = if version == Version::HTTP_2 {
            Carrier::StreamToCome
        } else {
            Carrier::Connection
        };
        let mut state = self.state();
        state.begun += 1;
        let number = state.begun;
        let open = Open {
            begun: now,
            working: false,
            carrier,
        };
        state.open.insert(number, open);
        Exchange {
            id: ExchangeId {
                number,
                among: Arc::clone(self),
            },
        }
    }

    /// Notes that the exchange that has just begun has a stream of its own.
    pub(crate) fn attach(&self, stream: &Arc<Stream>) {
        let mut state = self.state();
        let Some(mut newest) = state.open.last_entry() else {
            return;
        };
        let newest = newest.get_mut();
        if newest.is_wanted() {
            newest.carrier = Carrier::Stream(Arc::clone(stream));
            return;
        }
        // It was told to end before it had a stream.
        drop(state);
        drop(stream.end());
    }

    /// When the connection is overdue unless something happens first, and why.
    pub(crate) fn deadline(&self) -> (Instant, Overdue) {
        let state = self.state();
        if let Some(oldest) = state.open.values().find(|open| open.is_wanted()) {
            (oldest.begun + self.limits.exchange, Overdue::Stalled)
        } else if state.begun == 0 {
            (
                state.quiet_since + self.limits.first_request,
                Overdue::NoRequest,
            )
        } else {
            (state.quiet_since + self.limits.idle, Overdue::Idle)
        }
    }

    /// Ends the streams that are overdue. False when there is nothing else on the
    /// connection, which is to end, too.
    pub(crate) fn end_overdue(&self, now: Instant) -> bool {
        let limit = self.limits.exchange;
        let is_overdue = |open: &Open| open.begun + limit <= now;
        let mut state = self.state();
        let overdue = state.open.values_mut().filter(|open| is_overdue(open));
        let ended: Vec<_> = overdue.filter_map(Open::end).collect();
        let mut wanted = state.open.values().filter(|open| open.is_wanted());
        let others = wanted.any(|open| !is_overdue(open));
        drop(state);
        drop(ended);
        others
    }

    /// Ends the streams that are open, since their connection has ended.
    pub(crate) fn end_all(&self) {
        let ended: Vec<_> = self
            .state()
            .open
            .values_mut()
            .filter_map(Open::end)
            .collect();
        drop(ended);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    const fn is_wanted(&self) -> bool {
        !matches!(self.carrier, Carrier::Ended)
    }

    /// Ends it if it is a stream; what is to be dropped without the lock.
    fn end(&mut self) -> Option<Work> {
        let Carrier::Stream(stream) = &self.carrier else {
            return None;
        };
        let rest = stream.end();
        self.carrier = Carrier::Ended;
        rest
    }
}

/// One request that is not yet answered in full.
#[derive(Debug)]
pub(crate) struct Exchange {
    id: ExchangeId,
}

impl Exchange {
    pub(crate) const fn id(&self) -> &ExchangeId {
        &self.id
    }
}

/// Which exchange, for those who may end it.
#[derive(Debug, Clone)]
pub(crate) struct ExchangeId {
    number: u64,
    among: Arc<Exchanges>,
}

impl ExchangeId {
    /// All exchanges of its connection.
    pub(crate) const fn of_connection(&self) -> &Arc<Exchanges> {
        &self.among
    }

    /// Notes whether this side works on it or waits for the client.
    pub(crate) fn working(&self, working: bool) {
        let mut state = self.among.state();
        if let Some(open) = state.open.get_mut(&self.number)
            && open.working != working
        {
            open.working = working;
            let first = *state.first.get_or_insert(self.number);
            if state.is_first_over || first == self.number {
                state.waiting_since = Instant::now();
            }
        }
    }

    /// Ends it: the stream, whose rest is to be dropped without any lock, or the
    /// connection where that serves no other.
    pub(crate) fn end(&self) -> Option<Work> {
        let mut state = self.among.state();
        let open = state.open.get_mut(&self.number)?;
        match open.carrier {
            Carrier::Connection => self.among.dismiss(),
            Carrier::Stream(_) => return open.end(),
            Carrier::StreamToCome | Carrier::Ended => {}
        }
        open.carrier = Carrier::Ended;
        None
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.id.among.state();
        let now = Instant::now();
        state.is_first_over |= state.first == Some(self.id.number);
        let ended = state.open.remove(&self.id.number);
        if ended.is_some_and(|open| open.working) && state.is_first_over {
            state.waiting_since = now;
        }
        state.quiet_since = now;
    }
}

#[cfg(test)]
mod tests;
