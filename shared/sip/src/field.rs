//! One header of a message: a name and a value that can never begin another line.

use std::borrow::Cow;
use std::fmt;

use crate::grammar::is_forbidden_byte;
use crate::header_name::expanded;

/// The value of a header: unfolded, trimmed, without CR, LF, NUL and other controls, so
/// that what is written into a message stays within its line.
///
/// The bytes are kept as they came, because answers repeat them. They need not be UTF-8:
/// old switches send display names in Latin-1.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldValue(Box<[u8]>);

/// Text with a byte that could end its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a header must not contain control characters such as line ends")]
pub struct ForbiddenByte;

impl FieldValue {
    /// A value from text.
    ///
    /// # Errors
    /// [`ForbiddenByte`] for controls other than the tab.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, ForbiddenByte> {
        let text = text.as_ref();
        if text.iter().copied().any(is_forbidden_byte) {
            return Err(ForbiddenByte);
        }
        let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
        let before = text.iter().take_while(is_blank).count();
        let after = text.iter().rev().take_while(is_blank).count();
        let trimmed = text.get(before..text.len() - after).unwrap_or_default();
        Ok(Self(trimmed.into()))
    }

    /// The bytes as they came.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as text. A byte that is not UTF-8 becomes U+FFFD, which no grammar but
    /// that of display names accepts.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

/// Shows only the size: values have telephone numbers in them.
impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldValue({} bytes)", self.0.len())
    }
}

/// A header. Its name is in the long form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    name: Box<str>,
    value: FieldValue,
}

impl Field {
    /// `name` is a token; a compact form becomes the long one.
    pub(crate) fn new(name: &str, value: FieldValue) -> Self {
        Self {
            name: expanded(name).into(),
            value,
        }
    }

    /// The name, in the long form.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> &FieldValue {
        &self.value
    }

    /// Writes the line.
    pub(crate) fn write(&self, message: &mut Vec<u8>) {
        write_line(message, &self.name, &self.value);
    }
}

/// Appends `name: value` and the line end.
pub(crate) fn write_line(message: &mut Vec<u8>, name: &str, value: &FieldValue) {
    for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
        message.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_begin_another_line() {
        for text in ["a\r\nVia: x", "a\nb", "a\rb", "a\0b", "\u{b}", "a\u{7f}"] {
            assert_eq!(FieldValue::new(text), Err(ForbiddenByte), "{text:?}");
        }
        assert_eq!(FieldValue::new(" \ta\tb ").unwrap().as_bytes(), b"a\tb");
        assert_eq!(FieldValue::new("  ").unwrap().as_bytes(), b"");
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_kept_as_it_came() {
        let value = FieldValue::new(b"M\xfcller <sip:1@x>").unwrap();
        assert_eq!(value.as_bytes(), b"M\xfcller <sip:1@x>");
        assert_eq!(value.text(), "M\u{fffd}ller <sip:1@x>");
        assert_eq!(format!("{value:?}"), "FieldValue(16 bytes)");
    }
}
