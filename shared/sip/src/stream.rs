//! Messages on a connection, one behind the other, each with a `Content-Length`
//! (RFC 3261 section 18.3), and the keep-alives between them (RFC 5626 section 4.4.1).

use crate::header::Headers;
use crate::message::{LineEnds, Lines, MAX_BODY, MAX_HEAD, MessageError, RawMessage};

/// The answer to a ping.
pub const PONG: &[u8] = b"\r\n";

const PING: &[u8] = b"\r\n\r\n";

/// Cuts a connection's bytes into messages.
///
/// It holds one unfinished message ([`MAX_HEAD`] and [`MAX_BODY`]), and what was pushed
/// last.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    buffer: Vec<u8>,
    /// Where the next frame begins.
    start: usize,
    /// Up to where there is no end of headers, from `start`.
    searched: usize,
    /// The headers of a message whose body has not arrived.
    head: Option<Head>,
}

/// What a connection brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A message.
    Message(RawMessage),
    /// Answer with [`PONG`].
    Ping,
}

/// Why a connection must be closed: where its next message begins is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Headers that cannot be read, or are too long.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// No length, two of them, or one that is no number.
    #[error("a message on a connection must have one Content-Length")]
    Length,
}

#[derive(Debug)]
struct Head {
    start_line: String,
    headers: Headers,
    length: usize,
}

impl StreamDecoder {
    /// Adds what was received. Take all frames before the next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start.min(self.buffer.len()));
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame; `None` until more was received.
    ///
    /// # Errors
    /// [`StreamError`]; then nothing that follows means anything.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, StreamError> {
        if self.head.is_none() {
            if self.take_line_ends() {
                return Ok(Some(Frame::Ping));
            }
            self.head = self.take_head()?;
        }
        let length = self.head.as_ref().map(|head| head.length);
        let body = length.and_then(|length| self.unread().get(..length));
        let Some(body) = body.map(<[u8]>::to_vec) else {
            return Ok(None);
        };
        let Some(head) = self.head.take() else {
            return Ok(None);
        };
        self.start += body.len();
        Ok(Some(Frame::Message(RawMessage {
            start_line: head.start_line,
            headers: head.headers,
            body,
        })))
    }

    /// Whether a message has begun and is not whole.
    #[must_use]
    pub fn has_unfinished(&self) -> bool {
        self.head.is_some() || !PING.starts_with(self.unread())
    }

    /// Passes over line ends between messages. Two of them are a ping.
    fn take_line_ends(&mut self) -> bool {
        loop {
            let unread = self.unread();
            if unread.starts_with(PING) {
                self.start += PING.len();
                return true;
            }
            // The beginning of what may become a ping waits.
            if PING.starts_with(unread) || !unread.starts_with(PONG) {
                return false;
            }
            self.start += PONG.len();
        }
    }

    /// The headers, once they are whole.
    fn take_head(&mut self) -> Result<Option<Head>, StreamError> {
        let unread = self.unread();
        let unsearched = unread.get(self.searched..).unwrap_or_default();
        let end = unsearched.windows(PING.len()).position(|end| end == PING);
        let end = end.map(|at| self.searched + at + PING.len());
        if end.unwrap_or(unread.len()) > MAX_HEAD {
            return Err(MessageError::TooLarge.into());
        }
        let Some(bytes) = end.and_then(|end| unread.get(..end)) else {
            self.searched = unread.len().saturating_sub(PING.len() - 1);
            return Ok(None);
        };
        let (start_line, headers) = Lines::new(bytes, LineEnds::CrLf).head()?;
        let length = headers.content_length().ok().flatten();
        let length = length.ok_or(StreamError::Length)?;
        if length > MAX_BODY {
            return Err(MessageError::TooLarge.into());
        }
        self.start += bytes.len();
        self.searched = 0;
        Ok(Some(Head {
            start_line,
            headers,
            length,
        }))
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPTIONS: &str = "OPTIONS sip:h SIP/2.0\r\nVia: x\r\nl: 4\r\n\r\na\r\nb";

    /// All frames of a connection that receives these pieces.
    fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Frame>, StreamError> {
        let mut decoder = StreamDecoder::default();
        let mut frames = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            while let Some(frame) = decoder.next_frame()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    fn whole(text: &str) -> Result<Vec<Frame>, StreamError> {
        frames(std::iter::once(text.as_bytes()))
    }

    #[test]
    fn messages_and_keep_alives_are_told_apart() {
        let text = format!("\r\n\r\n{OPTIONS}\r\n{OPTIONS}\r\n\r\n\r\n{OPTIONS}\r\n");
        let frames = whole(&text).unwrap();
        let pings: Vec<_> = frames.iter().map(|frame| *frame == Frame::Ping).collect();
        assert_eq!(pings, [true, false, false, true, false]);
        let Frame::Message(message) = &frames[1] else {
            panic!("{frames:?}");
        };
        assert_eq!(message.body, b"a\r\nb");
        assert_eq!(message.start_line, "OPTIONS sip:h SIP/2.0");
    }

    #[test]
    fn a_connection_without_a_clear_length_is_closed() {
        let with = |header: &str| whole(&format!("OPTIONS sip:h SIP/2.0\r\n{header}\r\n\r\n"));
        for header in [
            "a: b",
            "l: x",
            "l: 1\r\nl: 1",
            "l: -1",
            "l: 1, 1",
            "l: 9999999999999999999999",
        ] {
            assert_eq!(with(header), Err(StreamError::Length), "{header}");
        }
        let too_large = Err(MessageError::TooLarge.into());
        assert_eq!(with(&format!("l: {}", MAX_BODY + 1)), too_large);
        assert_eq!(whole(&"a".repeat(MAX_HEAD + 1)), too_large);
        assert_eq!(with(&format!("a: {}", "b".repeat(MAX_HEAD))), too_large);
        assert_eq!(with("l: 0\nb: c"), Err(MessageError::BareLineFeed.into()));
    }

    #[test]
    fn a_decoder_holds_one_message_however_much_comes() {
        let mut decoder = StreamDecoder::default();
        for _ in 0..10_000 {
            decoder.push(OPTIONS.as_bytes());
            while decoder.next_frame().unwrap().is_some() {}
            assert!(decoder.buffer.len() <= OPTIONS.len());
        }
    }

    #[test]
    fn a_message_that_has_begun_is_told_from_a_keep_alive() {
        for (text, is_unfinished) in [
            ("", false),
            ("\r\n", false),
            ("\r\n\r", false),
            ("O", true),
            ("\r\nO", true),
            (OPTIONS, false),
            (OPTIONS.trim_end_matches('b'), true),
        ] {
            let mut decoder = StreamDecoder::default();
            decoder.push(text.as_bytes());
            while decoder.next_frame().unwrap().is_some() {}
            assert_eq!(decoder.has_unfinished(), is_unfinished, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn how_bytes_are_cut_into_pieces_does_not_matter(
            parts in proptest::collection::vec(prop_oneof![
                Just("\r\n"), Just("\r\n\r\n"), Just(OPTIONS), Just("x"), Just("l: 3\r\n\r\n"),
            ], 0..8),
            size in 1_usize..40,
        ) {
            let text = parts.concat();
            let cut = frames(text.as_bytes().chunks(size));
            prop_assert_eq!(cut, whole(&text));
        }
    }
}
