//! The body of an answer on its way to the client: in pieces, counted, and with its
//! exchange open until it is gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::exchanges::Exchange;
use crate::in_hand::{BytesInHand, Held};

/// Most bytes of an answer that are handed to the HTTP stack at once: what it has,
/// it keeps until the client takes it, and a window of one byte is enough to get it.
const PIECE: usize = 16 * 1024;

/// The body of an answer, which keeps its exchange open and its bytes counted until
/// they are sent or given up.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    body: axum::body::Body,
    /// What `body` gave that is still to be handed over.
    rest: Bytes,
    _held: Held,
    _open: Exchange,
}

impl AnswerBody {
    pub(crate) fn new(body: axum::body::Body, open: Exchange, bytes: &Arc<BytesInHand>) -> Self {
        let size = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        Self {
            body,
            rest: Bytes::new(),
            _held: bytes.hold(size, open.of_connection()),
            _open: open,
        }
    }

    fn next_piece(&mut self) -> Bytes {
        self.rest.split_to(self.rest.len().min(PIECE))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end_or_error => return Poll::Ready(end_or_error),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(self.next_piece()))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut both = SizeHint::new();
        if let Some(upper) = body.upper() {
            both.set_upper(upper.saturating_add(rest));
        }
        both.set_lower(body.lower().saturating_add(rest));
        both
    }
}
