//! Parameters after a semicolon: `;name=value`, of headers and of URIs.

use crate::grammar::{BLANKS, MAX_PARTS, SyntaxError, is_token, split_outside, unquoted};

/// Parameters in their order, each name once (RFC 3261 section 7.3.1 and 19.1.1).
/// Names are compared without regard to case, values are as they came.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Parameters(Vec<(String, Option<String>)>);

impl Parameters {
    /// Of a header: the text between the first semicolon and the end, with blanks around
    /// the signs allowed and values that may be in quotes.
    pub(crate) fn of_header(text: &str, what: &'static str) -> Result<Self, SyntaxError> {
        let mut parameters = Self::default();
        for part in split_outside(text, ';', what)? {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => {
                    (name.trim_matches(BLANKS), Some(value.trim_matches(BLANKS)))
                }
                None => (part, None),
            };
            if !is_token(name) || !value.is_none_or(is_header_value) {
                return Err(SyntaxError::Malformed(what));
            }
            parameters.push(name, value, what)?;
        }
        Ok(parameters)
    }

    /// Of a URI: no blanks, no quotes. `text` has no character that a URI has not.
    pub(crate) fn of_uri(text: &str, what: &'static str) -> Result<Self, SyntaxError> {
        let mut parameters = Self::default();
        for part in text.split(';') {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (part, None),
            };
            if name.is_empty() {
                return Err(SyntaxError::Malformed(what));
            }
            parameters.push(name, value, what)?;
        }
        Ok(parameters)
    }

    /// `;user=phone`.
    pub(crate) fn user_is_phone() -> Self {
        Self(vec![("user".to_owned(), Some("phone".to_owned()))])
    }

    fn push(
        &mut self,
        name: &str,
        value: Option<&str>,
        what: &'static str,
    ) -> Result<(), SyntaxError> {
        if self.contains(name) {
            return Err(SyntaxError::RepeatedParameter(what));
        }
        if self.0.len() >= MAX_PARTS {
            return Err(SyntaxError::TooManyParts(what));
        }
        self.0.push((name.to_owned(), value.map(str::to_owned)));
        Ok(())
    }

    /// Whether there is one with this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The value of a parameter that has one, as it came.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter();
        let (_, value) = named.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        value.as_deref()
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Appends `;name=value` for each that `keep` lets through.
    pub(crate) fn write(&self, text: &mut String, keep: impl Fn(&str) -> bool) {
        for (name, value) in self.iter().filter(|(name, _)| keep(name)) {
            text.push(';');
            text.push_str(name);
            if let Some(value) = value {
                text.push('=');
                text.push_str(value);
            }
        }
    }
}

/// A quoted string, or what ends at the next sign that separates. A token or a host says
/// the standard, but tags in base64 and the like are in use, and do no harm.
fn is_header_value(value: &str) -> bool {
    if value.starts_with('"') {
        return unquoted(value).is_some();
    }
    let separates = |byte: u8| matches!(byte, b'"' | b'<' | b'>' | b',' | b';');
    let is_value_byte = |byte: u8| byte.is_ascii_graphic() && !separates(byte);
    !value.is_empty() && value.bytes().all(is_value_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_quotes_are_for_headers() {
        let read = Parameters::of_header(r#"tag = 98asjd8 ; lr; q="a;\"b" ;r=[::1]:5060"#, "x");
        let read = read.unwrap();
        assert_eq!(read.get("TAG"), Some("98asjd8"));
        assert!(read.contains("lr") && read.get("lr").is_none());
        assert_eq!(read.get("q"), Some(r#""a;\"b""#));
        let mut written = String::new();
        read.write(&mut written, |name| name != "q");
        assert_eq!(written, ";tag=98asjd8;lr;r=[::1]:5060");
    }

    #[test]
    fn malformed_and_repeated_parameters_are_refused() {
        for bad in [
            "", "a=", "=b", ";;", "a=b;A=c", "a b", "a=b c", "a=\"b", "a=<b", "a=ü",
        ] {
            assert!(Parameters::of_header(bad, "x").is_err(), "{bad}");
        }
        for bad in ["", "=b", "a;;b", "a;A"] {
            assert!(Parameters::of_uri(bad, "x").is_err(), "{bad}");
        }
        let many: Vec<_> = (0..=MAX_PARTS).map(|n| format!("p{n}")).collect();
        let many = many.join(";");
        assert!(Parameters::of_header(&many, "x").is_err());
        assert!(Parameters::of_uri(&many, "x").is_err());
    }
}
