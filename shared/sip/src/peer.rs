//! Whom a message came from, and by which way an answer goes back.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::via::Via;

/// The sender of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The address that the network says, not the message.
    pub address: SocketAddr,
    /// How it came.
    pub path: Path,
}

/// A socket, by a number that its owner gave it. Numbers of connections are not used
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// Datagrams: answers may be lost, and are sent again.
    Datagrams(u32),
    /// One connection: answers arrive, and are sent once.
    Connection(u64),
}

impl Path {
    /// Whether what is sent arrives, so that nothing is sent again.
    pub(crate) const fn is_reliable(self) -> bool {
        matches!(self, Self::Connection(_))
    }
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The socket. A connection that is closed by now loses the message.
    pub path: Path,
    /// Where to, for datagrams.
    pub to: SocketAddr,
    /// The message.
    pub bytes: Arc<[u8]>,
}

/// Where answers to a request go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) peer: Peer,
    to: SocketAddr,
}

impl Route {
    pub(crate) fn of(peer: Peer, via: &Via) -> Self {
        let to = match peer.path {
            Path::Datagrams(_) => via.reply_address(peer.address),
            Path::Connection(_) => peer.address,
        };
        Self { peer, to }
    }

    pub(crate) const fn send(&self, bytes: Arc<[u8]>) -> Outgoing {
        Outgoing {
            path: self.peer.path,
            to: self.to,
            bytes,
        }
    }
}
