//! What an answer repeats of its request (RFC 3261 section 8.2.6.2), and where it goes.

use std::fmt;
use std::net::SocketAddr;

use pennyblack_base::encoding::sha256;

use crate::field::{Field, FieldValue, write_line};
use crate::grammar::{SyntaxError, split_outside};
use crate::header::Headers;
use crate::header_name::{CALL_ID, CONTENT_LENGTH, CSEQ, FROM, TIMESTAMP, TO, VIA};
use crate::name_addr::NameAddr;
use crate::request::CSeq;
use crate::status::Status;
use crate::via::Via;

/// The headers that an answer repeats, as they came.
#[derive(Debug, Clone)]
pub(crate) struct AnswerHeaders {
    /// The first value of `Via`.
    top: Via,
    /// What follows it in its line, then the other lines.
    other_vias: Vec<FieldValue>,
    from: FieldValue,
    to: FieldValue,
    call_id: FieldValue,
    cseq: FieldValue,
    timestamp: Option<FieldValue>,
}

/// What a server needs to know of a request before it acts on it.
pub(crate) struct Identification {
    pub(crate) cseq: CSeq,
    pub(crate) from_tag: Option<String>,
    pub(crate) to_tag: Option<String>,
}

impl AnswerHeaders {
    /// The first of each header: enough for an answer that says what is wrong with them.
    ///
    /// # Errors
    /// [`SyntaxError`] when one is missing or nobody knows where the answer should go.
    pub(crate) fn read(headers: &Headers) -> Result<Self, SyntaxError> {
        let first = |name| headers.all(name).next().cloned();
        let one = |name| first(name).ok_or(SyntaxError::Missing(name));
        let mut vias = headers.all(VIA);
        let first_line = vias.next().ok_or(SyntaxError::Missing(VIA))?.text();
        let values = split_outside(&first_line, ',', VIA)?;
        let (top, rest) = values.split_first().ok_or(SyntaxError::Missing(VIA))?;
        let rest = (!rest.is_empty()).then(|| FieldValue::new(rest.join(", ")));
        let rest = rest.transpose().map_err(|_| SyntaxError::Malformed(VIA))?;
        Ok(Self {
            top: top.parse()?,
            other_vias: rest.into_iter().chain(vias.cloned()).collect(),
            from: one(FROM)?,
            to: one(TO)?,
            call_id: one(CALL_ID)?,
            cseq: one(CSEQ)?,
            timestamp: first(TIMESTAMP),
        })
    }

    /// Checks what [`read`](Self::read) did not.
    ///
    /// A `From` that cannot be read is no error: the call goes on, and has no number.
    ///
    /// # Errors
    /// [`SyntaxError`] when a header is there twice, or `To` or `CSeq` is malformed.
    pub(crate) fn identify(&self, headers: &Headers) -> Result<Identification, SyntaxError> {
        for name in [FROM, TO, CALL_ID, CSEQ] {
            headers.one(name)?;
        }
        let tag = |address: &NameAddr| address.parameters().get("tag").map(str::to_owned);
        let from = self.from.text().parse::<NameAddr>().ok();
        Ok(Identification {
            cseq: CSeq::parse(&self.cseq.text())?,
            from_tag: from.as_ref().and_then(tag),
            to_tag: tag(&self.to.text().parse()?),
        })
    }

    pub(crate) const fn top(&self) -> &Via {
        &self.top
    }

    pub(crate) const fn call_id(&self) -> &FieldValue {
        &self.call_id
    }

    /// Writes an answer with these headers, a tag in `To` unless it has one, and `more`.
    pub(crate) fn answer(
        &self,
        status: Status,
        source: SocketAddr,
        tag: Option<&str>,
        more: &[Field],
    ) -> Vec<u8> {
        let start_line = format!("SIP/2.0 {} {}\r\n", status.code(), status.reason());
        let mut message = start_line.into_bytes();
        message
            .extend_from_slice(format!("{VIA}: {}\r\n", self.top.with_source(source)).as_bytes());
        for via in &self.other_vias {
            write_line(&mut message, VIA, via);
        }
        write_line(&mut message, FROM, &self.from);
        write_line(&mut message, TO, &self.to);
        if let Some(tag) = tag.filter(|_| !self.has_to_tag()) {
            let end = message.len().saturating_sub(2);
            message.truncate(end);
            message.extend_from_slice(format!(";tag={tag}\r\n").as_bytes());
        }
        write_line(&mut message, CALL_ID, &self.call_id);
        write_line(&mut message, CSEQ, &self.cseq);
        if let Some(timestamp) = self.timestamp.as_ref().filter(|_| status == Status::Trying) {
            write_line(&mut message, TIMESTAMP, timestamp);
        }
        for field in more {
            field.write(&mut message);
        }
        message.extend_from_slice(format!("{CONTENT_LENGTH}: 0\r\n\r\n").as_bytes());
        message
    }

    /// Whether `To` has a tag, or cannot be read, so that none may be added.
    fn has_to_tag(&self) -> bool {
        let to = self.to.text().parse::<NameAddr>();
        to.map_or(true, |to| to.parameters().contains("tag"))
    }
}

/// The secret by which tags cannot be guessed.
pub(crate) struct TagSecret(pub(crate) [u8; 16]);

impl TagSecret {
    /// The tag for `To`: the same for all answers to a request, its retransmissions and its
    /// CANCEL
    /// (RFC 3261 sections 8.2.7 and 9.2).
    pub(crate) fn tag(&self, headers: &AnswerHeaders) -> String {
        let branch = headers.top.branch().unwrap_or_default().as_bytes();
        let call_id = sha256(headers.call_id.as_bytes());
        let [a, b, c, d, e, f, g, h, ..] = sha256(&[&self.0, &call_id[..], branch].concat());
        format!("{:016x}", u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl fmt::Debug for TagSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TagSecret(..)")
    }
}
