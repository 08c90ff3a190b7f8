//! A message cut into its start line, its headers and its body (RFC 3261 section 7).
//! Whether they make sense together is for [`Request`](crate::request::Request) and
//! [`Response`](crate::response::Response).

use crate::grammar::{SyntaxError, is_forbidden_byte};
use crate::header::{HeaderError, Headers, MAX_FIELDS};

/// Most bytes of start line and headers. An INVITE with six PASSporTs has 10 kB.
pub const MAX_HEAD: usize = 24 * 1024;

/// Most bytes of a body. Session descriptions have 1 to 4 kB.
pub const MAX_BODY: usize = 64 * 1024;

/// How lines end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnds {
    /// CR LF alone, as SIP has it. A lone LF would be a line end for one reader and part
    /// of a value for another, and so a way to forge headers.
    CrLf,
    /// LF with or without CR, for messages that come as a text of another protocol.
    Any,
}

/// A message in its three parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawMessage {
    /// The first line. A byte that is not UTF-8 is U+FFFD.
    pub start_line: String,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// Bytes that are no message. No answer is possible, since it is not known to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Only line ends, which keep a path through a NAT open.
    #[error("the message is empty")]
    Empty,
    /// No empty line after the headers.
    #[error("the message ends before its headers do")]
    Truncated,
    /// More than [`MAX_HEAD`] or [`MAX_BODY`].
    #[error("the message is larger than {MAX_HEAD} bytes of headers and {MAX_BODY} of body")]
    TooLarge,
    /// A line that ends with LF alone.
    #[error("a line ends with LF without CR")]
    BareLineFeed,
    /// A control character in the start line, or a first line that is folded.
    #[error("the start line is malformed")]
    StartLine,
    /// A header line.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

impl RawMessage {
    /// Reads one message, such as a datagram. The body is all that follows the headers,
    /// up to `Content-Length` if there is one (RFC 3261 section 18.3).
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn parse(bytes: &[u8], line_ends: LineEnds) -> Result<Self, MessageError> {
        let mut lines = Lines::new(bytes, line_ends);
        let (start_line, headers) = lines.head()?;
        let body = lines.rest;
        // A length that is malformed or too long is an error in the request, see there.
        let length = headers.content_length().ok().flatten();
        let body = length.and_then(|length| body.get(..length)).unwrap_or(body);
        if body.len() > MAX_BODY {
            return Err(MessageError::TooLarge);
        }
        Ok(Self {
            start_line,
            headers,
            body: body.to_vec(),
        })
    }

    /// Bytes of start line and headers, roughly as they came.
    pub(crate) fn head_size(&self) -> usize {
        let fields = self.headers.iter();
        let lines = fields.map(|field| field.name().len() + field.value().as_bytes().len() + 4);
        self.start_line.len() + lines.sum::<usize>()
    }

    /// That `Content-Length` is a number, and not more than there is.
    ///
    /// # Errors
    /// [`SyntaxError`].
    pub fn check_length(&self) -> Result<(), SyntaxError> {
        match self.headers.content_length()? {
            Some(length) if length > self.body.len() => {
                Err(SyntaxError::Malformed("a body that ends before its length"))
            }
            _ => Ok(()),
        }
    }
}

/// The lines of a message, and what follows them.
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
    line_ends: LineEnds,
    /// Bytes that the head may still have.
    allowance: usize,
}

impl<'a> Lines<'a> {
    pub(crate) const fn new(bytes: &'a [u8], line_ends: LineEnds) -> Self {
        Self {
            rest: bytes,
            line_ends,
            allowance: MAX_HEAD,
        }
    }

    /// The start line and the headers, unfolded.
    pub(crate) fn head(&mut self) -> Result<(String, Headers), MessageError> {
        let start_line = self.start_line()?;
        let mut headers = Headers::default();
        let mut lines = 0;
        let mut open: Option<Vec<u8>> = None;
        while let Some(line) = self.next_line()? {
            lines += 1;
            if lines > 2 * MAX_FIELDS {
                return Err(HeaderError::TooMany.into());
            }
            let is_continuation = matches!(line.first(), Some(b' ' | b'\t'));
            match &mut open {
                Some(header) if is_continuation => {
                    header.push(b' ');
                    header.extend(line.iter().skip_while(|byte| matches!(byte, b' ' | b'\t')));
                }
                None if is_continuation => return Err(MessageError::StartLine),
                _ => {
                    if let Some(header) = open.replace(line.to_vec()) {
                        headers.push_line(&header)?;
                    }
                }
            }
        }
        if let Some(header) = open {
            headers.push_line(&header)?;
        }
        Ok((start_line, headers))
    }

    /// The first line that is not empty (RFC 3261 section 7.5).
    fn start_line(&mut self) -> Result<String, MessageError> {
        loop {
            if self.rest.is_empty() {
                return Err(MessageError::Empty);
            }
            let Some(line) = self.next_line()? else {
                continue;
            };
            if line.iter().copied().any(is_forbidden_byte) {
                return Err(MessageError::StartLine);
            }
            return Ok(String::from_utf8_lossy(line).into_owned());
        }
    }

    /// The next line without its end, or `None` when it is empty.
    fn next_line(&mut self) -> Result<Option<&'a [u8]>, MessageError> {
        let end = self.rest.iter().take(self.allowance);
        let end = end.copied().position(|byte| byte == b'\n');
        let (line, rest) = match end.map(|at| self.rest.split_at(at)) {
            Some((line, rest)) => (line, rest.strip_prefix(b"\n").unwrap_or(rest)),
            None if self.rest.len() > self.allowance => return Err(MessageError::TooLarge),
            None if self.line_ends == LineEnds::CrLf => return Err(MessageError::Truncated),
            None => (self.rest, &[][..]),
        };
        self.allowance = self.allowance.saturating_sub(self.rest.len() - rest.len());
        self.rest = rest;
        let line = match (line.strip_suffix(b"\r"), self.line_ends) {
            (Some(line), _) => line,
            (None, LineEnds::Any) => line,
            (None, LineEnds::CrLf) => return Err(MessageError::BareLineFeed),
        };
        Ok(Some(line).filter(|line| !line.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header_name::{CALL_ID, FROM, IDENTITY};

    fn parse(text: &str) -> Result<RawMessage, MessageError> {
        RawMessage::parse(text.as_bytes(), LineEnds::CrLf)
    }

    #[test]
    fn headers_are_found_by_either_name_in_any_case_and_unfolded() {
        let message = parse(
            "\r\nINVITE x SIP/2.0\r\nf  : a\r\n  b\r\n\tc\r\nI:1\r\ny: p, q\r\nidentity: r\r\n\r\nbody",
        );
        let message = message.unwrap();
        assert_eq!(message.start_line, "INVITE x SIP/2.0");
        assert_eq!(message.headers.one(FROM).unwrap().text(), "a b c");
        assert_eq!(message.headers.one("call-id").unwrap().text(), "1");
        assert_eq!(message.headers.list(IDENTITY).unwrap(), ["p", "q", "r"]);
        assert_eq!(message.body, b"body");
        assert!(message.headers.one(IDENTITY).is_err());
    }

    #[test]
    fn a_lone_line_feed_ends_a_line_in_texts_only() {
        let text = "INVITE x SIP/2.0\nFrom: a\nCall-ID: 1\n\nbody";
        assert_eq!(parse(text), Err(MessageError::BareLineFeed));
        let message = RawMessage::parse(text.as_bytes(), LineEnds::Any).unwrap();
        assert_eq!(message.headers.one(CALL_ID).unwrap().text(), "1");
        assert_eq!(message.body, b"body");
        // A text may end without an empty line.
        let text = text.replace("\n\nbody", "");
        assert!(RawMessage::parse(text.as_bytes(), LineEnds::Any).is_ok());
        let forged = "INVITE x SIP/2.0\r\nFrom: a\nP-Asserted-Identity: <tel:+1>\r\n\r\n";
        assert_eq!(parse(forged), Err(MessageError::BareLineFeed));
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_reason() {
        let many = "a: b\r\n".repeat(MAX_FIELDS + 1);
        let folded = "a: b\r\n".to_owned() + &" c\r\n".repeat(2 * MAX_FIELDS);
        let long = "b".repeat(MAX_HEAD);
        for (headers, error) in [
            ("a b\r\n\r\n", HeaderError::NoName.into()),
            (": b\r\n\r\n", HeaderError::NoName.into()),
            ("a b: c\r\n\r\n", HeaderError::NoName.into()),
            ("a: \0\r\n\r\n", HeaderError::Control.into()),
            ("a: b\rc: d\r\n\r\n", HeaderError::Control.into()),
            ("a: b\r\n", MessageError::Truncated),
            (" b\r\n\r\n", MessageError::StartLine),
            (&format!("{many}\r\n"), HeaderError::TooMany.into()),
            (&format!("{folded}\r\n"), HeaderError::TooMany.into()),
            (&format!("a: {long}\r\n\r\n"), MessageError::TooLarge),
        ] {
            assert_eq!(
                parse(&format!("A b C\r\n{headers}")),
                Err(error),
                "{headers}"
            );
        }
        assert_eq!(parse("\r\n\r\n"), Err(MessageError::Empty));
        assert_eq!(parse("A\0\r\n\r\n"), Err(MessageError::StartLine));
        let body = "b".repeat(MAX_BODY + 1);
        assert_eq!(
            parse(&format!("A b C\r\n\r\n{body}")),
            Err(MessageError::TooLarge)
        );
    }

    #[test]
    fn a_body_ends_at_its_length() {
        let of_length =
            |length: &str| parse(&format!("A b C\r\nl: {length}\r\n\r\n12345")).unwrap();
        assert_eq!(of_length("3").body, b"123");
        assert_eq!(of_length("3").check_length(), Ok(()));
        for bad in [
            "6",
            "-1",
            "+5",
            "5, 5",
            "",
            "99999999999999999999999",
            "0x1",
        ] {
            assert!(of_length(bad).check_length().is_err(), "{bad}");
        }
        let twice = parse("A b C\r\nl: 5\r\nContent-Length: 5\r\n\r\n12345").unwrap();
        assert!(twice.check_length().is_err());
    }
}
