//! The INVITE server transaction (RFC 3261 section 17.2.1): one decision for an INVITE and
//! all its retransmissions, and one final answer, sent again until it is acknowledged.

mod key;
mod table;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use key::Key;
pub(crate) use table::Table;
pub use table::TableLimits;

use crate::answer::MAX_GROWTH;
use crate::answer_headers::AnswerHeaders;
use crate::peer::Route;
use crate::status::Status;
use crate::uri::Uri;

/// After this, 100 tells the caller to be patient (section 17.2.1).
const TRYING_AFTER: Duration = Duration::from_millis(200);

/// The round-trip time that is assumed; the first pause of timer G.
const T1: Duration = Duration::from_millis(500);

/// The longest pause between retransmissions.
const T2: Duration = Duration::from_secs(4);

/// How long a message may be on its way; timer I.
const T4: Duration = Duration::from_secs(5);

/// Timer H: 64 times T1. Nobody waits for an answer longer than this (timer B).
const TIMER_H: Duration = Duration::from_secs(32);

/// What a transaction costs besides its texts: its name, its times, its places in the table.
const OVERHEAD: usize = 512;

/// What an undecided INVITE costs whose start line and headers have `head` bytes: those that
/// an answer repeats, the request that is decided on, a 100, and **the largest answer that
/// there can be**, so that there is room for it when it is given.
pub(crate) const fn undecided_charge(head: usize) -> usize {
    OVERHEAD + 4 * head + MAX_GROWTH
}

/// Names one transaction. Numbers are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(u64);

/// What an answer is made of, until it is made.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) headers: AnswerHeaders,
    pub(crate) uri: Uri,
}

#[derive(Debug)]
enum State {
    /// Nobody has decided yet. 100 is due, or was sent.
    Proceeding {
        pending: Box<Pending>,
        trying: Trying,
        until: Instant,
    },
    /// The final answer was sent, and waits for its ACK.
    Completed {
        answer: Arc<[u8]>,
        timer_g: Option<TimerG>,
        until: Instant,
    },
    /// The ACK came. Retransmissions that are still on their way are absorbed.
    Confirmed { until: Instant },
}

#[derive(Debug)]
enum Trying {
    Due(Instant),
    Sent(Arc<[u8]>),
}

/// When the final answer is sent again.
#[derive(Debug)]
struct TimerG {
    at: Instant,
    pause: Duration,
}

/// What a transaction wants when its time has come.
pub(crate) enum Due {
    /// Send this 100.
    Trying(Arc<[u8]>),
    /// Send this final answer again.
    Retransmit(Arc<[u8]>),
    /// Nobody decided in time.
    Undecided,
    /// The final answer was never acknowledged: forget the transaction.
    Unacknowledged,
    /// The transaction is at its end: forget it.
    Ended,
    /// Nothing is due yet.
    Nothing,
}

/// One INVITE.
#[derive(Debug)]
pub(crate) struct Transaction {
    key: Key,
    /// Who sent the INVITE last, and where answers go.
    route: Route,
    state: State,
    /// Bytes of the request's start line and headers.
    head: usize,
}

impl Transaction {
    pub(crate) fn new(now: Instant, key: Key, route: Route, pending: Pending, head: usize) -> Self {
        Self {
            key,
            route,
            state: State::Proceeding {
                pending: Box::new(pending),
                trying: Trying::Due(now + TRYING_AFTER),
                until: now + TIMER_H,
            },
            head,
        }
    }

    /// What it costs of the table's memory.
    pub(crate) fn charge(&self) -> usize {
        match &self.state {
            State::Proceeding { .. } => undecided_charge(self.head),
            State::Completed { answer, .. } => OVERHEAD + answer.len(),
            State::Confirmed { .. } => OVERHEAD,
        }
    }

    pub(crate) const fn route(&self) -> Route {
        self.route
    }

    /// What the answer is made of; `None` once it was made.
    pub(crate) const fn pending(&self) -> Option<&Pending> {
        match &self.state {
            State::Proceeding { pending, .. } => Some(pending),
            _ => None,
        }
    }

    /// The INVITE came again: what was sent last is sent again, to where it came from.
    pub(crate) fn on_retransmission(&mut self, route: Route) -> Option<Arc<[u8]>> {
        self.route = route;
        match &self.state {
            State::Proceeding {
                trying: Trying::Sent(answer),
                ..
            }
            | State::Completed { answer, .. } => Some(Arc::clone(answer)),
            _ => None,
        }
    }

    /// The final answer was made.
    pub(crate) fn on_answer(&mut self, now: Instant, answer: Arc<[u8]>) {
        let timer_g = TimerG {
            at: now + T1,
            pause: T1,
        };
        self.state = State::Completed {
            answer,
            timer_g: Some(timer_g).filter(|_| !self.is_reliable()),
            until: now + TIMER_H,
        };
    }

    /// An ACK came. One for an answer that was not given means nothing.
    ///
    /// Over a connection timer I is 0 by the standard. Here it is not: a switch with two
    /// connections that sends an INVITE by both must not pay for two calls.
    pub(crate) fn on_ack(&mut self, now: Instant) {
        if matches!(self.state, State::Completed { .. }) {
            self.state = State::Confirmed { until: now + T4 };
        }
    }

    /// Whether the final answer was given.
    pub(crate) const fn is_answered(&self) -> bool {
        !matches!(self.state, State::Proceeding { .. })
    }

    /// Whether the answer, or its ACK, is still to come.
    pub(crate) const fn is_unfinished(&self) -> bool {
        match &self.state {
            State::Proceeding { .. } => true,
            State::Completed { timer_g, .. } => timer_g.is_some(),
            State::Confirmed { .. } => false,
        }
    }

    const fn is_reliable(&self) -> bool {
        self.route.peer.path.is_reliable()
    }

    /// When [`on_time`](Self::on_time) is due.
    pub(crate) fn wakes_at(&self) -> Instant {
        match &self.state {
            State::Proceeding {
                trying: Trying::Due(at),
                until,
                ..
            } => *at.min(until),
            State::Completed {
                timer_g: Some(timer),
                until,
                ..
            } => timer.at.min(*until),
            State::Proceeding { until, .. }
            | State::Completed { until, .. }
            | State::Confirmed { until } => *until,
        }
    }

    pub(crate) fn on_time(&mut self, now: Instant) -> Due {
        match &mut self.state {
            State::Proceeding { until, .. } if *until <= now => Due::Undecided,
            State::Proceeding {
                pending, trying, ..
            } if matches!(*trying, Trying::Due(at) if at <= now) => {
                let source = self.route.peer.address;
                let answer = pending.headers.answer(Status::Trying, source, None, &[]);
                let answer: Arc<[u8]> = answer.into();
                *trying = Trying::Sent(Arc::clone(&answer));
                Due::Trying(answer)
            }
            State::Completed { until, .. } if *until <= now => Due::Unacknowledged,
            State::Completed {
                answer,
                timer_g: Some(timer),
                ..
            } if timer.at <= now => {
                timer.pause = (2 * timer.pause).min(T2);
                timer.at = now + timer.pause;
                Due::Retransmit(Arc::clone(answer))
            }
            State::Confirmed { until } if *until <= now => Due::Ended,
            _ => Due::Nothing,
        }
    }
}
