//! Which requests a connection has open and since when, and so when it is
//! overdue. Pure bookkeeping: who closes the connection is `connection.rs`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use pennyblack_runtime::config::Limits;

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

/// The requests of one connection that have begun and not been answered in full.
#[derive(Debug)]
pub(crate) struct Exchanges {
    limits: Arc<Limits>,
    state: Mutex<State>,
    dismissed: Notify,
}

/// Owned by the lock, which is held for a few instructions only.
#[derive(Debug)]
struct State {
    /// Start of each open exchange; numbers grow with time, so the first is the oldest.
    open: BTreeMap<u64, Instant>,
    /// How many exchanges have ever begun.
    begun: u64,
    /// When the last exchange ended, or the connection began.
    quiet_since: Instant,
}

impl Exchanges {
    pub(crate) fn new(limits: Arc<Limits>, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::new(State {
                open: BTreeMap::new(),
                begun: 0,
                quiet_since: now,
            }),
            dismissed: Notify::new(),
        })
    }

    /// Notes that the time for the first request begins now.
    pub(crate) fn listen(&self, now: Instant) {
        self.state().quiet_since = now;
    }

    /// Since when no request is open; nothing while one is.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        let state = self.state();
        state.open.is_empty().then_some(state.quiet_since)
    }

    /// Asks the connection to end, since its place is needed.
    pub(crate) fn dismiss(&self) {
        self.dismissed.notify_one();
    }

    /// Returns once the connection is asked to end. One task may wait.
    pub(crate) async fn dismissed(&self) {
        self.dismissed.notified().await;
    }

    /// Notes that a request's header section has arrived. The exchange ends when
    /// the returned value is dropped.
    pub(crate) fn begin(self: &Arc<Self>, now: Instant) -> Exchange {
        let mut state = self.state();
        state.begun += 1;
        let number = state.begun;
        state.open.insert(number, now);
        Exchange {
            number,
            among: Arc::clone(self),
        }
    }

    /// When the connection is overdue unless something happens first, and why.
    pub(crate) fn deadline(&self) -> (Instant, Overdue) {
        let state = self.state();
        if let Some((_, oldest)) = state.open.first_key_value() {
            (*oldest + self.limits.exchange, Overdue::Stalled)
        } else if state.begun == 0 {
            (
                state.quiet_since + self.limits.first_request,
                Overdue::NoRequest,
            )
        } else {
            (state.quiet_since + self.limits.idle, Overdue::Idle)
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request that is not yet answered in full.
#[derive(Debug)]
pub(crate) struct Exchange {
    number: u64,
    among: Arc<Exchanges>,
}

impl Exchange {
    /// All exchanges of its connection.
    pub(crate) const fn of_connection(&self) -> &Arc<Exchanges> {
        &self.among
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.among.state();
        state.open.remove(&self.number);
        state.quiet_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_oldest_open_request_decides() {
        let limits = Arc::new(Limits::default());
        let start = Instant::now();
        let exchanges = Exchanges::new(Arc::clone(&limits), start);
        assert_eq!(
            exchanges.deadline(),
            (start + limits.first_request, Overdue::NoRequest)
        );

        let first = exchanges.begin(start + Duration::from_secs(1));
        let second = exchanges.begin(start + Duration::from_secs(2));
        let stalled = |seconds| {
            (
                start + Duration::from_secs(seconds) + limits.exchange,
                Overdue::Stalled,
            )
        };
        assert_eq!(exchanges.deadline(), stalled(1));
        drop(first);
        assert_eq!(exchanges.deadline(), stalled(2));
        drop(second);
        assert_eq!(exchanges.deadline().1, Overdue::Idle);
    }
}
