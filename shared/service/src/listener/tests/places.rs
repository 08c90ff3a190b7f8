//! Which clients give way when every place is taken: those that keep this side waiting.

use tokio::io::{AsyncRead, AsyncWrite};

use super::*;

/// A request that waits for its client, and what the service says once it has read it.
#[derive(Clone, Copy)]
pub(super) struct Waits {
    sent: &'static [u8],
    read: &'static [u8],
}

/// `POST` with a head that is whole and nothing of its body.
const HALF: Waits = Waits {
    sent: b"POST /post HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    read: b"100 Continue",
};

/// The same over HTTP/2 (RFC 9113): the preface, SETTINGS, HEADERS with names and values
/// by their indices (RFC 7541 appendix A), and PING.
const HALF_STREAM: Waits = Waits {
    sent: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
        \0\0\x06\x01\x04\0\0\0\x01\x83\x86\x84\x01\x01a\
        \0\0\x08\x06\0\0\0\0\0\x312345678",
    read: b"12345678",
};

/// `GET` with a window of zero for the answer.
const NOT_TAKEN: Waits = Waits {
    sent: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0\
        \0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x01\x01a\
        \0\0\x08\x06\0\0\0\0\0\x312345678",
    read: b"12345678",
};

pub(super) const WAIT: [Waits; 3] = [HALF, HALF_STREAM, NOT_TAKEN];

impl Waits {
    /// Sends it, and returns when the service has read it.
    pub(super) async fn on(self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
        stream.write_all(self.sent).await.unwrap();
        let mut said = Vec::new();
        while !said.windows(self.read.len()).any(|part| part == self.read) {
            assert_ne!(stream.read_buf(&mut said).await.unwrap(), 0);
        }
    }
}

pub(super) const PLACES: usize = 3;

pub(super) fn three_places() -> Limits {
    Limits {
        connections: PLACES,
        ..patient()
    }
}

/// Takes bodies, and has something to take.
pub(super) fn both() -> Router {
    hello().route("/post", post(|| async {}))
}

#[tokio::test]
async fn requests_that_wait_on_every_place_give_way_to_one_that_asks() {
    for waits in WAIT {
        let running = start(three_places(), both()).await;
        let mut waiting = Vec::new();
        for _ in 0..PLACES {
            let mut stream = connect(&running).await;
            waits.on(&mut stream).await;
            waiting.push(stream);
        }
        let mut served = Vec::new();
        for _ in 0..2 * PLACES {
            let mut asking = connect(&running).await;
            one_exchange(&mut asking).await;
            served.push(asking);
        }
    }
}

#[tokio::test]
async fn a_client_that_asks_again_and_again_keeps_its_connection() {
    let running = start(three_places(), hello()).await;
    let mut kept = connect(&running).await;
    let mut silent = Vec::new();
    for _ in 0..5 * PLACES {
        one_exchange(&mut kept).await;
        silent.push(connect(&running).await);
    }
    one_exchange(&mut kept).await;
}
