//! The way from the readers of sockets to the task of a side: what comes through it, in
//! bounded number, with the time at which it came. Who may not ask is stopped here.

use std::sync::Arc;
use std::time::Instant;

use pennyblack_sip::message::RawMessage;
use pennyblack_sip::peer::Peer;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Side;
use super::answering::Answering;
use super::outbox::Outbox;
use super::strangers::Strangers;

/// Messages that were read and wait for the side.
const MAX_WAITING: usize = 256;

/// What came from a peer.
pub(super) enum Came {
    /// A datagram.
    Datagram(Peer, Vec<u8>),
    /// A message on a connection.
    Message(Peer, RawMessage),
    /// A message of a peer that may not ask, and is told so.
    Stranger(Peer, RawMessage),
    /// A connection, and where answers to it are put.
    Opened(Peer, Outbox),
    /// The end of a connection.
    Closed(Peer),
}

/// Whether a peer may ask now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may.
    MayAsk,
    /// It may not, and is told so.
    Forbidden,
    /// It may not, and gets nothing: others were told lately.
    Ignored,
}

/// There is no side any more.
pub(super) struct Gone;

/// Where readers of sockets bring what comes.
#[derive(Clone)]
pub(super) struct Door {
    to: Sender<(Instant, Came)>,
    answering: Arc<Answering>,
    strangers: Arc<Strangers>,
}

impl Door {
    /// One, and what comes through it.
    pub(super) fn new(answering: Arc<Answering>) -> (Self, Receiver<(Instant, Came)>) {
        let (to, came) = channel(MAX_WAITING);
        let strangers = Arc::new(Strangers::new(answering.side));
        let door = Self {
            to,
            answering,
            strangers,
        };
        (door, came)
    }

    /// Brings it, as soon as there is room. What it waits for that is part of its time.
    pub(super) async fn bring(&self, came: Came) -> Result<(), Gone> {
        let at = Instant::now();
        self.to.send((at, came)).await.map_err(|_| Gone)
    }

    /// Returns when there is no side any more.
    pub(super) async fn closed(&self) {
        self.to.closed().await;
    }

    /// Whether a peer may connect now.
    pub(super) fn admits(&self, peer: Peer) -> bool {
        self.answering.admits(peer)
    }

    /// What becomes of a message of this peer. **One of a stranger costs a look at its
    /// address**, and some are told why.
    pub(super) fn admit_message(&self, peer: Peer) -> Admission {
        if self.admits(peer) {
            return Admission::MayAsk;
        }
        match self.strangers.meet(Instant::now()) {
            true => Admission::Forbidden,
            false => Admission::Ignored,
        }
    }

    /// Which side.
    pub(super) fn side(&self) -> Side {
        self.answering.side
    }
}
