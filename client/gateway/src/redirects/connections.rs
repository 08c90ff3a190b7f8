//! Accepts connections, and reads and writes each. Their number, what they hold and how long
//! they last are bounded.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pennyblack_sip::peer::{Path, Peer};
use pennyblack_sip::stream::{Frame, PONG, StreamDecoder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::counts;
use super::door::{Admission, Came, Door, Gone};
use super::outbox::{ANSWERS, Inbox, Outbox, PONGS, outbox};
use crate::config::sip::SipLimits;

/// Connections of peers that may not ask, and are told so.
const MAX_STRANGERS: usize = 16;

/// Bytes that are read at once.
const CHUNK: usize = 8 * 1024;

/// The pause after an error of the listener, which may last.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections of one side, however many sockets it listens at.
#[derive(Clone)]
pub(super) struct Connections {
    door: Door,
    limits: SipLimits,
    places: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    next: Arc<AtomicU64>,
}

impl Connections {
    pub(super) fn new(door: Door, limits: SipLimits) -> Self {
        Self {
            places: Arc::new(Semaphore::new(
                limits.connections.min(Semaphore::MAX_PERMITS),
            )),
            strangers: Arc::new(Semaphore::new(MAX_STRANGERS)),
            next: Arc::new(AtomicU64::new(0)),
            door,
            limits,
        }
    }

    /// Accepts and serves connections as long as there is a side.
    pub(super) async fn accept(self, listener: TcpListener) {
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = open.join_next() => continue,
                () = self.door.closed() => break,
            };
            match accepted {
                Ok((stream, address)) => self.begin(stream, address, &mut open),
                Err(error) => {
                    tracing::error!(%error, "SIP connections cannot be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        // What was put into an outbox is written.
        open.join_all().await;
    }

    fn begin(&self, stream: TcpStream, address: SocketAddr, open: &mut JoinSet<()>) {
        let path = Path::Connection(self.next.fetch_add(1, Ordering::Relaxed));
        let peer = Peer { address, path };
        let may_ask = self.door.admits(peer);
        let places = if may_ask {
            &self.places
        } else {
            &self.strangers
        };
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            counts::turned_away(self.door.side()).increment(1);
            return;
        };
        let connection = Connection {
            peer,
            door: self.door.clone(),
            message: self.limits.message,
            idle: if may_ask {
                self.limits.idle
            } else {
                self.limits.message
            },
            _place: place,
        };
        open.spawn(connection.serve(stream));
    }
}

struct Connection {
    peer: Peer,
    door: Door,
    idle: Duration,
    message: Duration,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        // Answers are small and should leave at once.
        let _ = stream.set_nodelay(true);
        let (from, to) = stream.into_split();
        let (answers, inbox) = outbox(ANSWERS);
        let (pongs, pinged) = outbox(PONGS);
        if self
            .door
            .bring(Came::Opened(self.peer, answers))
            .await
            .is_err()
        {
            return;
        }
        let writing = write(to, inbox, pinged, self.message);
        tokio::pin!(writing);
        let is_written = tokio::select! {
            _ = self.read(from, pongs) => false,
            () = &mut writing => true,
        };
        // The side lets go of the outbox, or is gone with it.
        let _ = self.door.bring(Came::Closed(self.peer)).await;
        if !is_written {
            // What is in it is written.
            let _ = timeout(self.message, writing).await;
        }
    }

    /// Until the peer ends the connection, or breaks a rule, or the side is gone.
    async fn read(&self, mut from: OwnedReadHalf, pongs: Outbox) -> Result<(), Gone> {
        let (mut decoder, mut chunk) = (StreamDecoder::default(), vec![0; CHUNK]);
        let mut began: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let until = began.map_or(now + self.idle, |began| began + self.message);
            let read = tokio::select! {
                read = tokio::time::timeout_at(until, from.read(&mut chunk)) => read,
                () = self.door.closed() => return Err(Gone),
            };
            let Ok(Ok(size @ 1..)) = read else {
                return Ok(());
            };
            decoder.push(chunk.get(..size).unwrap_or_default());
            loop {
                match decoder.next_frame() {
                    Ok(Some(Frame::Message(message))) => {
                        let came = match self.door.admit_message(self.peer) {
                            Admission::MayAsk => Came::Message(self.peer, message),
                            Admission::Forbidden => Came::Stranger(self.peer, message),
                            Admission::Ignored => return Ok(()),
                        };
                        self.door.bring(came).await?;
                        began = None;
                    }
                    Ok(Some(Frame::Ping)) if pongs.put(PONG.into()) => {}
                    Ok(None) => break,
                    // It does not read, or nobody knows where its next message begins.
                    Ok(Some(Frame::Ping)) | Err(_) => return Ok(()),
                }
            }
            began = match decoder.has_unfinished() {
                true => began.or(Some(now)),
                false => None,
            };
        }
    }
}

/// Until there will be no more answers, or the peer does not read.
async fn write(mut to: OwnedWriteHalf, mut answers: Inbox, mut pongs: Inbox, limit: Duration) {
    let mut has_pongs = true;
    loop {
        let next = tokio::select! {
            next = answers.next() => next,
            next = pongs.next(), if has_pongs => {
                has_pongs = next.is_some();
                if next.is_none() {
                    continue;
                }
                next
            }
        };
        let Some((bytes, _room)) = next else { return };
        let written: Result<io::Result<()>, _> = timeout(limit, to.write_all(&bytes)).await;
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}
