//! A URI with a display name and parameters, as `From`, `To`, `Contact`,
//! `P-Asserted-Identity`, `Diversion` and `History-Info` have it (RFC 3261 section 20.10).

use std::str::FromStr;

use crate::grammar::{BLANKS, SyntaxError, find_outside, unquoted};
use crate::parameters::Parameters;
use crate::uri::Uri;

const NAME_ADDR: &str = "an address";

/// `"Name" <uri>;parameters`, or `uri;parameters` without brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    display_name: String,
    uri: Uri,
    parameters: Parameters,
}

impl NameAddr {
    /// The display name without quotes; empty if there is none. Whatever it says, it says
    /// nothing of the caller's number.
    #[must_use]
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// The URI.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The parameters after the URI. Without brackets, all parameters are these.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

impl FromStr for NameAddr {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let malformed = SyntaxError::Malformed(NAME_ADDR);
        let Some(open) = find_outside(text, '<') else {
            return Self::without_brackets(text);
        };
        let (name, rest) = text.split_at_checked(open).ok_or(malformed)?;
        let rest = rest.strip_prefix('<').ok_or(malformed)?;
        let (uri, after) = rest.split_once('>').ok_or(malformed)?;
        Ok(Self {
            display_name: display_name(name.trim_matches(BLANKS)).ok_or(malformed)?,
            uri: uri.parse()?,
            parameters: parameters(after.trim_matches(BLANKS))?,
        })
    }
}

impl NameAddr {
    /// The form without brackets, in which a URI has no parameters and no headers.
    fn without_brackets(text: &str) -> Result<Self, SyntaxError> {
        let end = text.find(';').unwrap_or(text.len());
        let malformed = SyntaxError::Malformed(NAME_ADDR);
        let (uri, after) = text.split_at_checked(end).ok_or(malformed)?;
        if uri.contains([',', '?']) {
            return Err(malformed);
        }
        Ok(Self {
            display_name: String::new(),
            uri: uri.trim_matches(BLANKS).parse()?,
            parameters: parameters(after)?,
        })
    }
}

/// What is between the URI and the end: nothing, or parameters.
fn parameters(after: &str) -> Result<Parameters, SyntaxError> {
    match after.strip_prefix(';') {
        Some(parameters) => Parameters::of_header(parameters, NAME_ADDR),
        None if after.is_empty() => Ok(Parameters::default()),
        None => Err(SyntaxError::Malformed(NAME_ADDR)),
    }
}

/// A quoted string, or words. A sign that could begin or end another address is refused:
/// two readers must not find two different callers.
fn display_name(text: &str) -> Option<String> {
    if text.starts_with('"') {
        return unquoted(text);
    }
    let is_ambiguous = |c: char| matches!(c, '"' | '<' | '>' | ',' | ';' | ':' | '@' | '\\');
    (!text.contains(is_ambiguous)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, String, Option<String>) {
        let address: NameAddr = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        let tag = address.parameters().get("tag").map(str::to_owned);
        (address.display_name, address.uri.to_string(), tag)
    }

    #[test]
    fn every_form_of_an_address_is_read() {
        for (text, name, uri, tag) in [
            ("sip:a@h", "", "sip:a@h", None),
            ("sip:a@h ; tag = x", "", "sip:a@h", Some("x")),
            (
                "<sip:a@h;user=phone>;tag=x",
                "",
                "sip:a@h;user=phone",
                Some("x"),
            ),
            ("\"A \\\"B\\\"\"<tel:+1>", "A \"B\"", "tel:+1", None),
            (
                "Alice B. O'Neil <sip:a@h?X=1>",
                "Alice B. O'Neil",
                "sip:a@h?X=1",
                None,
            ),
            ("M\u{fffd}ller <sip:a@h>", "M\u{fffd}ller", "sip:a@h", None),
            ("tel:+1;tag=x", "", "tel:+1", Some("x")),
        ] {
            let read = read(text);
            assert_eq!(
                (read.0.as_str(), read.1.as_str(), read.2.as_deref()),
                (name, uri, tag)
            );
        }
    }

    #[test]
    fn a_uri_in_a_display_name_is_no_caller() {
        let (name, uri, _) = read(r#""+1 202 <sip:+12025550000@h>;tag=y" <sip:+1@real>;tag=x"#);
        assert_eq!(
            (name.as_str(), uri.as_str()),
            ("+1 202 <sip:+12025550000@h>;tag=y", "sip:+1@real")
        );
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for text in [
            "",
            "<sip:a@h",
            "sip:a@h>",
            "\"A <sip:a@h>",
            "\"A\" \"B\" <sip:a@h>",
            "sip:a@h, <sip:b@h>",
            "sip:a@h <sip:b@h>",
            "Bell, Alexander <sip:a@h>",
            "<sip:a@h> <sip:b@h>",
            "<sip:a@h> x",
            "<sip:a@h>;tag=1;tag=2",
            "<sip:a@h>;",
            "< sip:a@h >",
            "sip:a@h?X=1",
            "A",
            "\"A\"",
        ] {
            assert!(text.parse::<NameAddr>().is_err(), "{text}");
        }
    }
}
