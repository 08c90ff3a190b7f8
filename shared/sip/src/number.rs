//! What a URI has where a telephone number is. It is only read here: which number it is
//! depends on the trunk that a call came by.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::parameters::Parameters;
use crate::uri::Uri;

/// Longest text that is read as a number: 15 digits (ITU-T E.164), an international
/// prefix, and signs between them.
const MAX_TEXT: usize = 48;

/// Signs that only make a number easier to read (RFC 3966 section 5.1.1), and blanks.
const VISUAL: [char; 5] = ['-', '.', '(', ')', ' '];

/// The text in the place of a number, and what its parameters say.
///
/// There is no way to ask for `verstat`: a verdict from outside is never believed.
#[derive(Clone, PartialEq, Eq)]
pub struct NumberCandidate {
    text: String,
    context: Option<String>,
    is_ported: bool,
    routing_number: Option<String>,
    carrier_code: Option<String>,
}

impl NumberCandidate {
    /// What a `tel` URI or the user part of a `sip` URI says. `None` when there is no such
    /// part, or it can be no number: too long, not ASCII, malformed parameters.
    #[must_use]
    pub fn of(uri: &Uri) -> Option<Self> {
        match uri {
            Uri::Tel(uri) => Self::new(uri.number(), uri.parameters()),
            Uri::Sip(uri) => {
                let user = uri.user()?;
                let user = user.split(':').next().unwrap_or(user);
                match user.split_once(';') {
                    None => Self::new(user, &Parameters::default()),
                    Some((number, parameters)) => {
                        let parameters = Parameters::of_uri(parameters, "a number").ok()?;
                        Self::new(number, &parameters)
                    }
                }
            }
            Uri::Other(_) => None,
        }
    }

    fn new(number: &str, parameters: &Parameters) -> Option<Self> {
        let decoded = |name| {
            parameters
                .get(name)
                .map_or(Some(None), |value| decode(value).map(Some))
        };
        let text = decode(number)?;
        let context = decoded("phone-context")?;
        Some(Self {
            // The context is for local numbers alone (RFC 3966 section 5.1.5).
            context: context.filter(|_| !text.starts_with('+')),
            text,
            is_ported: parameters.contains("npdi"),
            routing_number: decoded("rn")?,
            carrier_code: decoded("cic")?,
        })
    }

    /// The text as dialled, without escapes: `+1-732-555-1000`, `0301234567`, `anonymous`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The digits alone, without `+` and the signs between them. `None` when there is
    /// anything else, such as letters, `*` and `#`, or no digit.
    #[must_use]
    pub fn digits(&self) -> Option<String> {
        let text = self.text.strip_prefix('+').unwrap_or(&self.text);
        let digits: String = text.chars().filter(|c| !VISUAL.contains(c)).collect();
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(digits)
    }

    /// Whether it begins with `+`, and so with a country code.
    #[must_use]
    pub fn is_global(&self) -> bool {
        self.text.starts_with('+')
    }

    /// `phone-context` of a number that is not global: a prefix such as `+1`, or a domain.
    #[must_use]
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// `npdi`: the number-portability database was asked already (RFC 4694).
    #[must_use]
    pub const fn is_ported(&self) -> bool {
        self.is_ported
    }

    /// `rn`: where the call is routed to. It is never the called number.
    #[must_use]
    pub fn routing_number(&self) -> Option<&str> {
        self.routing_number.as_deref()
    }

    /// `cic`: the carrier that was chosen for the call (RFC 4694).
    #[must_use]
    pub fn carrier_code(&self) -> Option<&str> {
        self.carrier_code.as_deref()
    }
}

/// The text without escapes, if it is short and printable ASCII.
fn decode(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    let is_plain = decoded
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let fits = (1..=MAX_TEXT).contains(&decoded.len());
    (is_plain && fits).then(|| decoded.into_owned())
}

/// Shows no number: log lines have none.
impl fmt::Debug for NumberCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NumberCandidate({} characters)", self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(uri: &str) -> Option<NumberCandidate> {
        NumberCandidate::of(&uri.parse().unwrap())
    }

    #[test]
    fn numbers_are_read_as_they_were_dialled() {
        for (uri, text, digits, is_global) in [
            (
                "sip:+17325551000@h;user=phone",
                "+17325551000",
                Some("17325551000"),
                true,
            ),
            (
                "tel:+1-732-555-1000",
                "+1-732-555-1000",
                Some("17325551000"),
                true,
            ),
            (
                "sip:%2B1732%35551000@h",
                "+17325551000",
                Some("17325551000"),
                true,
            ),
            (
                "sips:+1%20(732).555-1000:pw@h",
                "+1 (732).555-1000",
                Some("17325551000"),
                true,
            ),
            (
                "sip:0044301234567@h",
                "0044301234567",
                Some("0044301234567"),
                false,
            ),
            ("sip:*67%2312155550100@h", "*67#12155550100", None, false),
            ("sip:anonymous@anonymous.invalid", "anonymous", None, false),
            ("sip:911@h", "911", Some("911"), false),
            ("tel:1800FLOWERS", "1800FLOWERS", None, false),
            ("sip:+@h", "+", None, true),
            ("sip:++1@h", "++1", None, true),
        ] {
            let number = read(uri).unwrap();
            assert_eq!(number.text(), text);
            assert_eq!(number.digits().as_deref(), digits, "{uri}");
            assert_eq!(number.is_global(), is_global);
        }
    }

    #[test]
    fn what_follows_a_number_is_not_the_number() {
        let number = read("sip:+12155550100;npdi;rn=+12155559999;cic=+10288;verstat=x@h").unwrap();
        assert_eq!(number.digits().as_deref(), Some("12155550100"));
        assert!(number.is_ported());
        assert_eq!(number.routing_number(), Some("+12155559999"));
        assert_eq!(number.carrier_code(), Some("+10288"));
        for uri in [
            "tel:7325551000;phone-context=+1",
            "sip:7325551000;phone-context=%2b1@h",
        ] {
            let number = read(uri).unwrap();
            assert_eq!(number.text(), "7325551000");
            assert_eq!(number.context(), Some("+1"));
        }
        let global = read("tel:+17325551000;phone-context=+44").unwrap();
        assert_eq!(global.context(), None);
    }

    #[test]
    fn what_can_be_no_number_is_none() {
        let long = format!("sip:{}@h", "1".repeat(MAX_TEXT + 1));
        for uri in [
            "sip:h",
            "urn:service:sos",
            "sip:1;rn=2;rn=3@h",
            "sip:1;;@h",
            "sip:%0d%0aVia@h",
            "sip:1%00@h",
            "sip:%ff@h",
            "sip:%C3%A4@h",
            "sip:1;rn=%0a@h",
            "sip:;rn=1@h",
            &long,
        ] {
            assert!(read(uri).is_none(), "{uri}");
        }
    }
}
