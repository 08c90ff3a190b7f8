//! The body of an answer on its way to the client: in pieces, counted, and with its
//! exchange open until it is gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::BoxError;
use axum::body::Body as AxumBody;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};

use crate::exchanges::Exchange;
use crate::held_bytes::{Held, NoRoom};
use crate::untaken::{Displaced, Untaken};

/// The body of an answer, which keeps its exchange open and its bytes counted until
/// they are sent or given up.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    untaken: Arc<Untaken>,
    /// What comes after that: nothing, when the answer was made as a whole.
    later: AxumBody,
    held: Arc<Held>,
    _open: Exchange,
}

impl AnswerBody {
    /// The answer, made with the bytes of `held`; `beside` it so many bytes are held from
    /// now on.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub(crate) fn of(
        response: Response,
        beside: usize,
        held: Arc<Held>,
        open: Exchange,
    ) -> Result<hyper::Response<Self>, NoRoom> {
        let (head, body) = response.into_parts();
        // A body that knows its size has all its bytes already.
        let (rest, later) = if body.size_hint().exact().is_some() {
            let whole = body.collect().now_or_never().and_then(Result::ok);
            (whole.ok_or(NoRoom)?.to_bytes(), AxumBody::empty())
        } else {
            (Bytes::new(), body)
        };
        let untaken = Arc::new(Untaken::new(rest));
        held.wait_for_client(beside, &untaken)?;
        let body = Self {
            untaken,
            later,
            held,
            _open: open,
        };
        Ok(hyper::Response::from_parts(head, body))
    }

    fn refill(&self, bytes: Bytes) -> Result<(), Displaced> {
        self.held.grow(bytes.len()).map_err(|NoRoom| Displaced)?;
        self.untaken.refill(bytes)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        loop {
            if let Some(piece) = self.untaken.next_piece()? {
                let piece = self.held.send(piece);
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match ready!(Pin::new(&mut self.later).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.refill(data)?,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end_or_error => return Poll::Ready(end_or_error.map(|e| e.map_err(Into::into))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.untaken.is_empty() && self.later.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (later, rest) = (self.later.size_hint(), self.untaken.len() as u64);
        let mut both = SizeHint::new();
        if let Some(upper) = later.upper() {
            both.set_upper(upper.saturating_add(rest));
        }
        both.set_lower(later.lower().saturating_add(rest));
        both
    }
}
