//! The way from the readers of sockets to the task of a side: what comes through it, in
//! bounded number.

use std::sync::Arc;

use pennyblack_sip::message::RawMessage;
use pennyblack_sip::peer::Peer;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Side;
use super::answering::Answering;
use super::outbox::Outbox;

/// Messages that were read and wait for the side.
const MAX_WAITING: usize = 256;

/// What came from a peer.
pub(super) enum Came {
    /// A datagram.
    Datagram(Peer, Vec<u8>),
    /// A message on a connection.
    Message(Peer, RawMessage),
    /// A connection, and where answers to it are put.
    Opened(Peer, Outbox),
    /// The end of a connection.
    Closed(Peer),
}

/// There is no side any more.
pub(super) struct Gone;

/// Where readers of sockets bring what comes.
#[derive(Clone)]
pub(super) struct Door {
    to: Sender<Came>,
    answering: Arc<Answering>,
}

impl Door {
    /// One, and what comes through it.
    pub(super) fn new(answering: Arc<Answering>) -> (Self, Receiver<Came>) {
        let (to, came) = channel(MAX_WAITING);
        (Self { to, answering }, came)
    }

    /// Brings it, as soon as there is room.
    pub(super) async fn bring(&self, came: Came) -> Result<(), Gone> {
        self.to.send(came).await.map_err(|_| Gone)
    }

    /// Returns when there is no side any more.
    pub(super) async fn closed(&self) {
        self.to.closed().await;
    }

    /// Whether a peer may ask now.
    pub(super) fn admits(&self, peer: Peer) -> bool {
        self.answering.admits(peer)
    }

    /// Which side.
    pub(super) fn side(&self) -> Side {
        self.answering.side
    }
}
