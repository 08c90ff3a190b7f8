//! A stream that reads as much at once as TLS has need of soon. TLS alone asks for 4 KiB at a
//! time, three times for a message of the sizes of Oblivious HTTP.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read from the socket at once: a few messages.
const AT_ONCE: usize = 32 * 1024;

/// A stream with what was read ahead of it. **It holds memory only while there is such**: a
/// connection that waits for its client has none.
#[derive(Debug)]
pub struct ReadAhead<S> {
    stream: S,
    ahead: Bytes,
}

impl<S> ReadAhead<S> {
    /// Reads this stream.
    pub const fn new(stream: S) -> Self {
        Self {
            stream,
            ahead: Bytes::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, ahead } = self.get_mut();
        if ahead.is_empty() {
            let mut memory = [MaybeUninit::uninit(); AT_ONCE];
            let mut read = ReadBuf::uninit(&mut memory);
            ready!(Pin::new(stream).poll_read(context, &mut read))?;
            let read = read.filled();
            let (now, later) = read.split_at(read.len().min(buffer.remaining()));
            buffer.put_slice(now);
            *ahead = Bytes::copy_from_slice(later);
        } else {
            buffer.put_slice(&ahead.split_to(ahead.len().min(buffer.remaining())));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
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
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn all_arrives_in_its_order_whatever_is_asked_for() {
        let sent: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        for piece in [1, 4_096, 3 * AT_ONCE] {
            let (mut near, far) = duplex(70_000);
            let mut ahead = ReadAhead::new(far);
            let written = sent.clone();
            let writer = tokio::spawn(async move { near.write_all(&written).await });
            let (mut read, mut buffer) = (Vec::new(), vec![0; piece]);
            loop {
                match ahead.read(&mut buffer).await.unwrap() {
                    0 => break,
                    size => read.extend_from_slice(&buffer[..size]),
                }
            }
            writer.await.unwrap().unwrap();
            assert!(read == sent, "{piece}");
            assert!(ahead.ahead.is_empty());
        }
    }
}
