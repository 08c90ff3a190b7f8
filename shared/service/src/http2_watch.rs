//! A stream on which the frames of HTTP/2 are watched: it ends with an error when its
//! client sends what would cost memory that nobody counts, and takes no further
//! requests when it has brought enough bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::http2_frames::{Fault, Frames, Lasting, Next};

/// What is read at once for nobody.
const DISCARD: usize = 1024;

/// A stream under watch.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    frames: Frames,
    enough: Arc<Notify>,
    is_enough: bool,
    /// The head of a frame that the stack is to have before anything else.
    head: Bytes,
}

impl<S> Watched<S> {
    /// `enough` is notified when the connection is to end in peace. Frames of streams
    /// that the stack does not know are held back from then on, so that its last word
    /// says rightly that it has not seen them (RFC 9113 section 6.8). How soon that is says
    /// `lasting`.
    pub(crate) fn new(stream: S, header_bytes: u32, lasting: Lasting, enough: Arc<Notify>) -> Self {
        Self {
            stream,
            frames: Frames::new(header_bytes as usize, lasting),
            enough,
            is_enough: false,
            head: Bytes::new(),
        }
    }

    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.frames.pass(bytes).map_err(|fault: Fault| {
            metrics::counter!("pennyblack_connections_closed_total", "reason" => fault.label())
                .increment(1);
            io::Error::new(io::ErrorKind::InvalidData, fault)
        })
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Reads for the stack, at most so many bytes.
    fn poll_given(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        most: usize,
    ) -> Poll<io::Result<()>> {
        let most = most.min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
        let size = part.filled().len();
        self.pass(part.filled())?;
        buffer.advance(size);
        Poll::Ready(Ok(()))
    }

    /// Reads what the stack is to have of a connection that takes no more streams.
    fn poll_rest(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.head.is_empty() {
                let size = self.head.len().min(buffer.remaining());
                buffer.put_slice(&self.head.split_to(size));
                return Poll::Ready(Ok(()));
            }
            let mut own = [0; DISCARD];
            let most = match self.frames.next() {
                Next::Given(most) => return self.poll_given(context, buffer, most),
                Next::Head(most) | Next::HeldBack(most) => most.min(DISCARD),
            };
            let mut part = ReadBuf::new(own.get_mut(..most).unwrap_or_default());
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
            if part.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.pass(part.filled())?;
            self.head = self
                .frames
                .take_head()
                .map_or_else(Bytes::new, |head| Bytes::copy_from_slice(&head));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_enough {
            return this.poll_rest(context, buffer);
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let passed = this.pass(buffer.filled().get(before..).unwrap_or_default());
        if passed.is_err() {
            buffer.set_filled(before);
        } else if this.frames.are_enough() {
            this.is_enough = true;
            this.frames.close();
            this.enough.notify_one();
        }
        Poll::Ready(passed)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
