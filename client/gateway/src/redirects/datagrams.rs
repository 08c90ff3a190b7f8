//! Reads datagrams.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_sip::message::{LineEnds, RawMessage};
use pennyblack_sip::peer::{Path, Peer};
use tokio::net::UdpSocket;

use super::door::{Admission, Came, Door};

/// The longest datagram.
const MAX_DATAGRAM: usize = 65_535;

/// The pause after an error of the socket, which may last.
const PAUSE: Duration = Duration::from_millis(100);

/// Hands what comes at the socket to the side, as long as there is one. While the side has
/// too much to do, the kernel drops what has no room: switches send again.
pub(super) async fn read(socket: Arc<UdpSocket>, number: u32, door: Door) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = door.closed() => return,
        };
        match received {
            Ok((size, address)) => {
                let path = Path::Datagrams(number);
                let peer = Peer { address, path };
                let bytes = buffer.get(..size).unwrap_or_default();
                let Some(came) = came(&door, peer, bytes) else {
                    continue;
                };
                if door.bring(came).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(%error, "a socket of SIP cannot be read");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// What is brought of a datagram.
fn came(door: &Door, peer: Peer, bytes: &[u8]) -> Option<Came> {
    match door.admit_message(peer) {
        Admission::MayAsk => Some(Came::Datagram(peer, bytes.to_vec())),
        Admission::Forbidden => {
            let message = RawMessage::parse(bytes, LineEnds::CrLf).ok();
            message.map(|message| Came::Stranger(peer, message))
        }
        Admission::Ignored => None,
    }
}
