//! URIs of SIP (RFC 3261 section 19.1), `tel` (RFC 3966) and, unread, every other scheme.

mod host;
mod sip;

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

pub use host::{Host, HostPort};
pub use sip::SipUri;

use crate::grammar::SyntaxError;
use crate::parameters::Parameters;

/// How errors name what is read here.
const URI: &str = "a URI";

/// The parameter by which a verification service tells its verdict (3GPP TS 24.229). What
/// comes from outside is never believed and never passed on.
const VERSTAT: &str = "verstat";

/// A URI. Its parts are as they came, with their escapes; it is written without `verstat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uri {
    /// `sip:` and `sips:`.
    Sip(SipUri),
    /// `tel:`.
    Tel(TelUri),
    /// Any other, such as `urn:service:sos`.
    Other(OtherUri),
}

/// A `tel` URI.
#[derive(Clone, PartialEq, Eq)]
pub struct TelUri {
    number: String,
    parameters: Parameters,
}

/// A URI of another scheme.
#[derive(Clone, PartialEq, Eq)]
pub struct OtherUri(String);

impl FromStr for Uri {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let malformed = SyntaxError::Malformed(URI);
        if !text.bytes().all(is_uri_byte) || !escapes_are_whole(text) {
            return Err(malformed);
        }
        let (scheme, rest) = text.split_once(':').ok_or(malformed)?;
        match scheme.to_ascii_lowercase().as_str() {
            "sip" => SipUri::parse(false, rest).map(Self::Sip),
            "sips" => SipUri::parse(true, rest).map(Self::Sip),
            "tel" => TelUri::parse(rest).map(Self::Tel),
            other if is_scheme(other) && !rest.is_empty() => {
                Ok(Self::Other(OtherUri(text.to_owned())))
            }
            _ => Err(malformed),
        }
    }
}

impl Uri {
    /// A URI parameter that has a value.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        match self {
            Self::Sip(uri) => uri.parameters().get(name),
            Self::Tel(uri) => uri.parameters.get(name),
            Self::Other(_) => None,
        }
    }

    /// Whether this is the service URN for emergency calls (RFC 5031): `urn:service:sos`
    /// and what is below it.
    #[must_use]
    pub fn is_emergency_service(&self) -> bool {
        let Self::Other(OtherUri(text)) = self else {
            return false;
        };
        let text = text.to_ascii_lowercase();
        let below = text.strip_prefix("urn:service:sos");
        below.is_some_and(|below| below.is_empty() || below.starts_with('.'))
    }

    /// The same user or number at another host (RFC 3261 section 19.1.6 for `tel`).
    /// Other URIs have no host.
    #[must_use]
    pub fn at_host(&self, host_port: &HostPort) -> Self {
        match self {
            Self::Sip(uri) => Self::Sip(uri.at_host(host_port.clone())),
            Self::Tel(uri) => Self::Sip(SipUri::for_phone(uri, host_port.clone())),
            Self::Other(_) => self.clone(),
        }
    }

    /// Whether headers are embedded in it, as in a redirect's `Contact`.
    #[must_use]
    pub const fn has_headers(&self) -> bool {
        matches!(self, Self::Sip(uri) if uri.has_headers())
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => uri.fmt(f),
            Self::Tel(uri) => uri.fmt(f),
            Self::Other(OtherUri(text)) => f.write_str(text),
        }
    }
}

impl TelUri {
    fn parse(rest: &str) -> Result<Self, SyntaxError> {
        let (number, parameters) = match rest.split_once(';') {
            Some((number, parameters)) => (number, Parameters::of_uri(parameters, URI)?),
            None => (rest, Parameters::default()),
        };
        if number.is_empty() || number.contains(['@', '?', '/', ',', '[', ']', ':']) {
            return Err(SyntaxError::Malformed(URI));
        }
        Ok(Self {
            number: number.to_owned(),
            parameters,
        })
    }

    /// The number as it came.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The parameters.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

impl TelUri {
    /// The number with its parameters, without `verstat`.
    fn subscriber(&self) -> String {
        let mut text = self.number.clone();
        self.parameters.write(&mut text, |name| !is_verstat(name));
        text
    }
}

impl fmt::Display for TelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tel:{}", self.subscriber())
    }
}

/// Shows no number: errors and log lines have none.
impl fmt::Debug for TelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TelUri(..)")
    }
}

/// Shows no text of others.
impl fmt::Debug for OtherUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtherUri(..)")
    }
}

/// Whether a name is `verstat`, also when it is escaped.
fn is_verstat(name: &str) -> bool {
    let decoded = percent_decode_str(name).collect::<Vec<_>>();
    decoded.eq_ignore_ascii_case(VERSTAT.as_bytes())
}

/// A byte that may be in some URI. `#` should be escaped, but switches send it.
const fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
        )
}

fn is_scheme(text: &str) -> bool {
    let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(is_byte)
}

/// Whether two hexadecimal digits follow each percent sign.
fn escapes_are_whole(text: &str) -> bool {
    let is_whole = |after: &str| {
        let mut digits = after.bytes().take(2);
        let both = [digits.next(), digits.next()];
        both.iter()
            .all(|digit| digit.is_some_and(|byte| byte.is_ascii_hexdigit()))
    };
    text.split('%').skip(1).all(is_whole)
}

#[cfg(test)]
mod tests;
