//! A response, as far as the calling side reads it.

use crate::grammar::SyntaxError;
use crate::header::Headers;
use crate::header_name::{CONTACT, CSEQ, TO, VIA};
use crate::message::RawMessage;
use crate::name_addr::NameAddr;
use crate::request::CSeq;
use crate::uri::Uri;
use crate::via::Via;

/// A response whose start line is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    code: u16,
    reason: String,
    headers: Headers,
}

impl Response {
    /// Checks the start line.
    ///
    /// # Errors
    /// [`SyntaxError`] when it is that of no response.
    pub fn from_raw(raw: RawMessage) -> Result<Self, SyntaxError> {
        let malformed = SyntaxError::Malformed("the status line");
        raw.check_length()?;
        let mut parts = raw.start_line.splitn(3, ' ');
        let (Some(version), Some(code), Some(reason)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed);
        };
        let digits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
        match code.parse() {
            Ok(code @ 100..700) if digits && version.eq_ignore_ascii_case("SIP/2.0") => Ok(Self {
                code,
                reason: reason.to_owned(),
                headers: raw.headers,
            }),
            _ => Err(malformed),
        }
    }

    /// The status code, 100 to 699.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The reason phrase.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether another response follows: 100 to 199.
    #[must_use]
    pub const fn is_provisional(&self) -> bool {
        self.code < 200
    }

    /// The headers.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The headers that a redirect embeds in the URI of its first `Contact`, without
    /// escapes.
    ///
    /// # Errors
    /// [`SyntaxError`] when `Contact` is malformed.
    pub fn embedded_headers(&self) -> Result<Vec<(String, String)>, SyntaxError> {
        let contacts = self.headers.list(CONTACT)?;
        let Some(contact) = contacts.first() else {
            return Ok(Vec::new());
        };
        let contact: NameAddr = contact.parse()?;
        Ok(match contact.uri() {
            Uri::Sip(uri) => uri.headers().collect(),
            Uri::Tel(_) | Uri::Other(_) => Vec::new(),
        })
    }

    /// The transaction that it answers.
    pub(crate) fn branch_and_cseq(&self) -> Result<(Option<String>, CSeq), SyntaxError> {
        let vias = self.headers.list(VIA)?;
        let top: Via = vias.first().ok_or(SyntaxError::Missing(VIA))?.parse()?;
        let cseq = CSeq::parse(&self.headers.one(CSEQ)?.text())?;
        Ok((top.branch().map(str::to_owned), cseq))
    }

    /// `To`, which has the tag of who answered.
    pub(crate) fn to(&self) -> Result<&crate::field::FieldValue, SyntaxError> {
        self.headers.one(TO)
    }
}
