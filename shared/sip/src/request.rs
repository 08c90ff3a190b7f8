//! A request: what is called, who calls, and what came with the call.

use std::borrow::Cow;

use crate::grammar::{SyntaxError, is_token};
use crate::header::Headers;
use crate::header_name::{
    DIVERSION, FROM, HISTORY_INFO, IDENTITY, P_ASSERTED_IDENTITY, PRIVACY, TO,
};
use crate::message::{LineEnds, MessageError, RawMessage};
use crate::name_addr::NameAddr;
use crate::uri::Uri;

/// The method of a request. Methods are compared with regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// `INVITE`.
    Invite,
    /// `ACK`.
    Ack,
    /// `CANCEL`.
    Cancel,
    /// `OPTIONS`.
    Options,
    /// Any other token.
    Other(String),
}

impl Method {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "CANCEL" => Self::Cancel,
            "OPTIONS" => Self::Options,
            other if is_token(other) => Self::Other(other.to_owned()),
            _ => return None,
        })
    }
}

/// A request whose start line is good. Its headers are read when they are asked for; its
/// body is dropped, since nobody has a use for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    method: Method,
    uri: Uri,
    headers: Headers,
}

/// A message that is no request of this version of SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A response, which nobody asked for here.
    #[error("the message is a response, not a request")]
    IsResponse,
    /// Answered 505.
    #[error("the request is not of SIP/2.0")]
    Version,
    /// Answered 400.
    #[error(transparent)]
    Malformed(#[from] SyntaxError),
    /// A text that is no message.
    #[error(transparent)]
    Message(#[from] MessageError),
}

impl Request {
    /// Checks the start line and the length.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn from_raw(raw: RawMessage) -> Result<Self, RequestError> {
        raw.check_length()?;
        Self::of_any_length(raw)
    }

    /// Reads a request that is the content of another protocol, such as the body of an
    /// HTTP request: lines may end with LF alone, the length need not be right, and no
    /// header is required.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn from_text(text: &[u8]) -> Result<Self, RequestError> {
        Self::of_any_length(RawMessage::parse(text, LineEnds::Any)?)
    }

    fn of_any_length(raw: RawMessage) -> Result<Self, RequestError> {
        let malformed = SyntaxError::Malformed("the start line");
        if is_version(raw.start_line.split(' ').next().unwrap_or_default()) {
            return Err(RequestError::IsResponse);
        }
        let mut parts = raw.start_line.split(' ');
        let (Some(method), Some(uri), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed.into());
        };
        if !is_version(version) {
            return Err(malformed.into());
        }
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            return Err(RequestError::Version);
        }
        let method = Method::parse(method).ok_or(malformed)?;
        let uri: Uri = uri.parse()?;
        if uri.has_headers() {
            return Err(SyntaxError::Malformed("a Request-URI with headers").into());
        }
        Ok(Self {
            method,
            uri,
            headers: raw.headers,
        })
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI: where the call goes now.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The headers.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// `From`: who calls, by their own account.
    ///
    /// # Errors
    /// [`SyntaxError`] when it is missing, repeated or malformed.
    pub fn from(&self) -> Result<NameAddr, SyntaxError> {
        self.headers.one(FROM)?.text().parse()
    }

    /// `To`: who was called first.
    ///
    /// # Errors
    /// [`SyntaxError`] when it is missing, repeated or malformed.
    pub fn to(&self) -> Result<NameAddr, SyntaxError> {
        self.headers.one(TO)?.text().parse()
    }

    /// `P-Asserted-Identity`: who calls, by the account of the network. Believe it of
    /// trusted peers alone (RFC 3325).
    ///
    /// # Errors
    /// [`SyntaxError`] when one of them is malformed.
    pub fn asserted_identities(&self) -> Result<Vec<NameAddr>, SyntaxError> {
        self.addresses(P_ASSERTED_IDENTITY)
    }

    /// `Diversion` (RFC 5806): who forwarded the call, the last first.
    ///
    /// # Errors
    /// [`SyntaxError`] when one of them is malformed.
    pub fn diversions(&self) -> Result<Vec<NameAddr>, SyntaxError> {
        self.addresses(DIVERSION)
    }

    /// `History-Info` (RFC 7044): who was called before, the first first.
    ///
    /// # Errors
    /// [`SyntaxError`] when one of them is malformed.
    pub fn history(&self) -> Result<Vec<NameAddr>, SyntaxError> {
        self.addresses(HISTORY_INFO)
    }

    fn addresses(&self, name: &'static str) -> Result<Vec<NameAddr>, SyntaxError> {
        let values = self.headers.list(name)?;
        values.iter().map(|value| value.parse()).collect()
    }

    /// The values of `Identity`, one of each header (RFC 8224 section 4).
    pub fn identities(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.headers
            .all(IDENTITY)
            .map(crate::field::FieldValue::text)
    }

    /// Whether the caller asks that the network does not tell their number: `Privacy: id`,
    /// `user` or `header` (RFC 3323, RFC 3325).
    #[must_use]
    pub fn asks_privacy(&self) -> bool {
        let hides = |word: &str| {
            let word = word.trim();
            ["id", "user", "header"]
                .iter()
                .any(|hiding| word.eq_ignore_ascii_case(hiding))
        };
        let mut values = self.headers.all(PRIVACY);
        values.any(|value| value.text().split([';', ',']).any(hides))
    }
}

/// Whether text has the form of a version, `SIP/2.0`.
fn is_version(text: &str) -> bool {
    let name = text.get(..4);
    name.is_some_and(|name| name.eq_ignore_ascii_case("SIP/"))
}

/// `CSeq`: the number and method of a request (RFC 3261 section 20.16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CSeq {
    pub(crate) number: u32,
    pub(crate) method: Method,
}

impl CSeq {
    pub(crate) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let malformed = SyntaxError::Malformed("CSeq");
        let mut parts = text.split_ascii_whitespace();
        let (Some(number), Some(method), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed);
        };
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        match number.parse::<u32>() {
            Ok(number) if digits && number < 1 << 31 => Ok(Self {
                number,
                method: Method::parse(method).ok_or(malformed)?,
            }),
            _ => Err(malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::NumberCandidate;

    fn request(start_line: &str, headers: &str) -> Result<Request, RequestError> {
        Request::from_text(format!("{start_line}\n{headers}\n").as_bytes())
    }

    fn invite(headers: &str) -> Request {
        request("INVITE sip:+12155550100@h;user=phone SIP/2.0", headers).unwrap()
    }

    #[test]
    fn the_parties_of_a_call_are_read() {
        let invite = invite(
            "f: \"Bob <sip:911@x>\" <sip:anonymous@anonymous.invalid>;tag=a\n\
             t: <tel:+12155550100>\nPrivacy: id; critical\n\
             P-Asserted-Identity: \"A, B\" <sip:+17325551000@x;user=phone>, <tel:+17325551001>\n\
             Diversion: <sip:+1@x>;reason=unconditional\nDiversion: <sip:+2@x>\n\
             History-Info: <sip:+3@x?Reason=SIP%3Bcause%3D302>;index=1, <sip:+4@x>;index=1.1\n\
             y: a.b.c;info=<https://x>;alg=ES256\nIdentity: d.e.f\n",
        );
        let digits = |address: &NameAddr| NumberCandidate::of(address.uri()).unwrap().digits();
        let all = |addresses: Vec<NameAddr>| -> Vec<_> {
            addresses
                .iter()
                .map(|address| digits(address).unwrap())
                .collect()
        };
        assert_eq!(digits(&invite.from().unwrap()), None);
        assert_eq!(digits(&invite.to().unwrap()).unwrap(), "12155550100");
        let asserted = invite.asserted_identities().unwrap();
        assert_eq!(all(asserted), ["17325551000", "17325551001"]);
        assert_eq!(all(invite.diversions().unwrap()), ["1", "2"]);
        assert_eq!(all(invite.history().unwrap()), ["3", "4"]);
        let identities: Vec<_> = invite.identities().collect();
        assert_eq!(identities, ["a.b.c;info=<https://x>;alg=ES256", "d.e.f"]);
        assert!(invite.asks_privacy());
    }

    #[test]
    fn a_message_with_nothing_in_it_has_no_parties() {
        let invite = invite("Privacy: none\nP-Asserted-Identity: <sip:a\n");
        assert!(invite.from().is_err() && invite.to().is_err());
        assert!(invite.asserted_identities().is_err());
        assert_eq!(invite.diversions().unwrap(), []);
        assert!(!invite.asks_privacy());
    }

    #[test]
    fn two_callers_are_none() {
        let invite = invite("From: <sip:1@h>\nf: <sip:2@h>\n");
        assert_eq!(invite.from(), Err(SyntaxError::Repeated(FROM)));
    }

    #[test]
    fn start_lines_have_one_form() {
        for line in [
            "INVITE  sip:a@h SIP/2.0",
            "INVITE sip:a@h SIP/2.0 ",
            " INVITE sip:a@h SIP/2.0",
            "INVITE sip:a@h;x= y SIP/2.0",
            "INVITE <sip:a@h> SIP/2.0",
            "INVITE sip:a@h?X=1 SIP/2.0",
            "INVITE sip:a@h",
            "INVITE",
            "IN(VITE sip:a@h SIP/2.0",
            "INVITE sip:a@h HTTP/1.1",
            "INVITE sip:ä@h SIP/2.0",
        ] {
            let error = request(line, "").unwrap_err();
            let is_malformed = matches!(error, RequestError::Malformed(_));
            assert!(is_malformed || line.starts_with(' '), "{line}: {error}");
        }
        let version = request("INVITE sip:a@h SIP/7.0", "");
        assert_eq!(version, Err(RequestError::Version));
        let response = request("SIP/2.0 200 OK", "");
        assert_eq!(response, Err(RequestError::IsResponse));
        assert!(request("invite sip:a@h sip/2.0", "").unwrap().method() != &Method::Invite);
    }

    #[test]
    fn a_sequence_number_has_31_bits() {
        assert_eq!(CSeq::parse("0009\t INVITE").unwrap().number, 9);
        for bad in [
            "",
            "1",
            "INVITE 1",
            "2147483648 ACK",
            "-1 ACK",
            "1 A B",
            "1 A@",
        ] {
            assert!(CSeq::parse(bad).is_err(), "{bad}");
        }
    }
}
