//! What an INVITE is answered: a redirect that carries headers, or a refusal that lets the
//! call go on or ends it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::field::{Field, FieldValue, ForbiddenByte};
use crate::header_name::{
    CONTACT, IDENTITY, P_ASSERTED_IDENTITY, P_ATTESTATION_INDICATOR, P_ORIGINATION_ID, REASON,
};
use crate::message::MAX_HEAD;
use crate::status::Status;
use crate::uri::{HostPort, Uri};

/// Most bytes of headers that an answer adds: seven PASSporTs.
pub const MAX_ADDED: usize = 8 * 1024;

/// By how many bytes an answer may be larger than the head of its request. Embedded in
/// `Contact`, a byte has three; what is repeated of the request is no longer than the
/// request; and there are the status, a tag, the next hop, and what is added to `Via`.
pub(crate) const MAX_GROWTH: usize = MAX_ADDED + 3 * MAX_ADDED + 1024;

/// Most bytes of a datagram over IPv4.
const MAX_DATAGRAM: usize = 65_507;

const _: () = assert!(MAX_HEAD + MAX_GROWTH <= MAX_DATAGRAM);

/// The redirects that switches expect: ClearIP's and TILTX's is 302, Ribbon's 300.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redirection {
    /// 300.
    MultipleChoices,
    /// 302.
    #[default]
    MovedTemporarily,
}

/// The answers that are no redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 404: there is nothing to add, the call goes on.
    NotFound,
    /// 503: the same, for switches that advance on it.
    ServiceUnavailable,
    /// 403: this peer may not ask.
    Forbidden,
    /// 603: the call ends.
    Decline,
}

/// Where a redirect carries its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Carry {
    /// As headers of the answer.
    Header,
    /// Embedded in the URI of `Contact`, with escapes.
    Contact,
    /// Both: some switches read only the one, some only the other.
    #[default]
    Both,
}

/// A header that a redirect adds to the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedHeader(Field);

/// The three verdicts of 3GPP TS 24.229.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verstat {
    /// `TN-Validation-Passed`.
    Passed,
    /// `TN-Validation-Failed`.
    Failed,
    /// `No-TN-Validation`.
    None,
}

impl Verstat {
    /// The word of the standard.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "TN-Validation-Passed",
            Self::Failed => "TN-Validation-Failed",
            Self::None => "No-TN-Validation",
        }
    }
}

/// The form of `P-Asserted-Identity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssertedForm {
    /// `<sip:+1…;verstat=…@host;user=phone>`.
    Sip(HostPort),
    /// `<tel:+1…;verstat=…>`.
    Tel,
}

/// The first value of `Reason` (RFC 3326, RFC 9410).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasonProtocol {
    /// `SIP`.
    Sip,
    /// `STIR`.
    Stir,
}

/// A header that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// A line end or the like in a value.
    #[error(transparent)]
    Forbidden(#[from] ForbiddenByte),
    /// A number that is not of 1 to 15 digits.
    #[error("a number in P-Asserted-Identity must have 1 to 15 digits and nothing else")]
    Number,
    /// More than [`MAX_ADDED`].
    #[error("the headers of an answer are larger than {MAX_ADDED} bytes")]
    TooLarge,
}

impl AddedHeader {
    fn new(name: &str, value: &str) -> Result<Self, AnswerError> {
        Ok(Self(Field::new(name, FieldValue::new(value)?)))
    }

    /// `Identity` with this value.
    ///
    /// # Errors
    /// [`AnswerError::Forbidden`].
    pub fn identity(value: &str) -> Result<Self, AnswerError> {
        Self::new(IDENTITY, value)
    }

    /// `P-Asserted-Identity` with the caller's number, in canonical digits without `+`, and
    /// the verdict about it.
    ///
    /// # Errors
    /// [`AnswerError::Number`].
    pub fn asserted_identity(
        digits: &str,
        verstat: Verstat,
        form: &AssertedForm,
    ) -> Result<Self, AnswerError> {
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || !(1..=15).contains(&digits.len()) {
            return Err(AnswerError::Number);
        }
        let verstat = verstat.as_str();
        let value = match form {
            AssertedForm::Sip(host) => {
                format!("<sip:+{digits};verstat={verstat}@{host};user=phone>")
            }
            AssertedForm::Tel => format!("<tel:+{digits};verstat={verstat}>"),
        };
        Self::new(P_ASSERTED_IDENTITY, &value)
    }

    /// `P-Attestation-Indicator`: A, B or C.
    ///
    /// # Errors
    /// [`AnswerError::Forbidden`].
    pub fn attestation_level(level: &str) -> Result<Self, AnswerError> {
        Self::new(P_ATTESTATION_INDICATOR, level)
    }

    /// `P-Origination-ID`: the PASSporT's `origid`.
    ///
    /// # Errors
    /// [`AnswerError::Forbidden`].
    pub fn origination_id(id: &str) -> Result<Self, AnswerError> {
        Self::new(P_ORIGINATION_ID, id)
    }

    /// `Reason` with the code of RFC 8224 and a text.
    ///
    /// # Errors
    /// [`AnswerError::Forbidden`].
    pub fn reason(protocol: ReasonProtocol, cause: u16, text: &str) -> Result<Self, AnswerError> {
        let protocol = match protocol {
            ReasonProtocol::Sip => "SIP",
            ReasonProtocol::Stir => "STIR",
        };
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        Self::new(REASON, &format!("{protocol};cause={cause};text=\"{text}\""))
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &str {
        self.0.name()
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> &FieldValue {
        self.0.value()
    }

    /// Bytes of the line.
    fn size(&self) -> usize {
        self.name().len() + self.value().as_bytes().len() + 4
    }
}

/// The answer to an INVITE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: Status,
    added: Vec<AddedHeader>,
    redirect: Option<Redirect>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Redirect {
    carry: Carry,
    next_hop: Option<HostPort>,
}

impl Answer {
    /// A redirect, so far without headers. `Contact` is the Request-URI as it came, except
    /// `verstat`; with a next hop, at that host.
    #[must_use]
    pub const fn redirect(kind: Redirection, carry: Carry, next_hop: Option<HostPort>) -> Self {
        Self {
            status: match kind {
                Redirection::MultipleChoices => Status::MultipleChoices,
                Redirection::MovedTemporarily => Status::MovedTemporarily,
            },
            added: Vec::new(),
            redirect: Some(Redirect { carry, next_hop }),
        }
    }

    /// An answer without a redirect.
    #[must_use]
    pub const fn refuse(kind: Refusal) -> Self {
        Self::of_status(match kind {
            Refusal::NotFound => Status::NotFound,
            Refusal::ServiceUnavailable => Status::ServiceUnavailable,
            Refusal::Forbidden => Status::Forbidden,
            Refusal::Decline => Status::Decline,
        })
    }

    pub(crate) const fn of_status(status: Status) -> Self {
        Self {
            status,
            added: Vec::new(),
            redirect: None,
        }
    }

    /// Adds a header. A refusal carries it as a header.
    ///
    /// # Errors
    /// [`AnswerError::TooLarge`].
    pub fn with(mut self, header: AddedHeader) -> Result<Self, AnswerError> {
        let size: usize = self.added.iter().map(AddedHeader::size).sum();
        if size + header.size() > MAX_ADDED {
            return Err(AnswerError::TooLarge);
        }
        self.added.push(header);
        Ok(self)
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The headers of the answer to a request for `uri`.
    pub(crate) fn fields(&self, uri: &Uri) -> Vec<Field> {
        let mut fields = Vec::new();
        let mut as_headers = true;
        if let Some(redirect) = &self.redirect {
            let uri = match &redirect.next_hop {
                Some(next_hop) => uri.at_host(next_hop),
                None => uri.clone(),
            };
            // Only sip URIs have headers in them.
            let embeds = redirect.carry != Carry::Header && matches!(uri, Uri::Sip(_));
            as_headers = redirect.carry != Carry::Contact || !embeds;
            let embedded = if embeds {
                self.embedded()
            } else {
                String::new()
            };
            // A URI that was read has no byte that a value must not have.
            let contact = FieldValue::new(format!("<{uri}{embedded}>"));
            fields.extend(contact.ok().map(|contact| Field::new(CONTACT, contact)));
        }
        if as_headers {
            fields.extend(self.added.iter().map(|AddedHeader(field)| field.clone()));
        }
        fields
    }

    /// The headers in the form of a URI (RFC 3261 section 19.1.1).
    fn embedded(&self) -> String {
        let mut text = String::new();
        for header in &self.added {
            text.push(if text.is_empty() { '?' } else { '&' });
            text.push_str(header.name());
            text.push('=');
            text.extend(utf8_percent_encode(&header.value().text(), ESCAPED));
        }
        text
    }
}

/// All but letters, digits and four signs: some switches do not expect all that RFC 3261
/// lets stand.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests;
