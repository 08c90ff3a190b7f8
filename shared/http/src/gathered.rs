//! A stream whose writes are gathered. An HTTP/2 stack hands over each frame by itself and asks
//! for it to be sent at once: a TLS record and a write to the socket for each answer, although
//! more are ready. Here they leave together, when all that is ready has been handed over.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are gathered, at most: what comes beyond them waits until they are sent.
const MOST: usize = 32 * 1024;

/// The stream, which two share: the stack that reads and writes, and [`Self::drive`].
pub struct Gathered<S>(Arc<Mutex<Gathering<S>>>);

struct Gathering<S> {
    stream: S,
    /// It has memory while there is something in it.
    gathered: BytesMut,
    /// It is being sent: the socket takes no more for now.
    sending: bool,
    /// What sending failed with, until the stack has heard of it.
    failed: Option<io::Error>,
}

impl<S> Clone for Gathered<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for Gathered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered").finish_non_exhaustive()
    }
}

impl<S> Gathered<S> {
    /// Gathers what is written to this stream.
    #[must_use]
    pub fn new(stream: S) -> Self {
        Self(Arc::new(Mutex::new(Gathering {
            stream,
            gathered: BytesMut::new(),
            sending: false,
            failed: None,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Gathering<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    /// Does the `work` of the stack that writes to this stream, and sends what is gathered.
    /// **Nothing is sent otherwise**, but at the end of the stream. What is gathered waits for
    /// one turn of the tasks that are ready now: they may have more.
    pub async fn drive<W: Future>(&self, work: W) -> W::Output {
        let mut work = pin!(work);
        let mut has_waited = false;
        poll_fn(|context| {
            let polled = work.as_mut().poll(context);
            let mut inner = self.inner();
            if polled.is_pending() && inner.has_unsent() {
                if has_waited || inner.sending {
                    inner.send(context);
                } else {
                    context.waker().wake_by_ref();
                }
                has_waited = !has_waited;
            } else {
                has_waited = false;
            }
            polled
        })
        .await
    }
}

impl<S: AsyncWrite + Unpin> Gathering<S> {
    fn has_unsent(&self) -> bool {
        self.failed.is_none() && (self.sending || !self.gathered.is_empty())
    }

    /// Sends what the socket takes. The stack hears of a failure when it is next at work.
    fn send(&mut self, context: &mut Context<'_>) {
        if let Poll::Ready(Err(error)) = self.poll_send(context) {
            self.failed = Some(error);
            context.waker().wake_by_ref();
        }
    }

    /// Sends everything.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        self.sending = true;
        while !self.gathered.is_empty() {
            let stream = Pin::new(&mut self.stream);
            match ready!(stream.poll_write(context, &self.gathered))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.gathered.advance(sent),
            }
        }
        self.gathered = BytesMut::new();
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.sending = false;
        Poll::Ready(Ok(()))
    }

    /// Takes what there is room for. While the socket takes nothing, nothing is gathered.
    fn poll_gather(
        &mut self,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let size = parts.iter().map(|part| part.len()).sum::<usize>();
        let is_too_much = self.gathered.len().saturating_add(size) > MOST;
        if self.sending || self.failed.is_some() || is_too_much {
            ready!(self.poll_send(context))?;
        }
        let before = self.gathered.len();
        self.gathered.reserve(MOST - before);
        for part in parts {
            let room = part.len().min(MOST - self.gathered.len());
            self.gathered
                .extend_from_slice(part.get(..room).unwrap_or_default());
        }
        Poll::Ready(Ok(self.gathered.len() - before))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_gather(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_gather(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Says yes to what [`Gathered::drive`] does later.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.inner();
        if inner.sending || inner.failed.is_some() {
            return inner.poll_send(context);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.inner();
        ready!(inner.poll_send(context))?;
        Pin::new(&mut inner.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
