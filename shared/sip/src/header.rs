//! The headers of a message, in their order.

use crate::field::{Field, FieldValue};
use crate::grammar::{MAX_PARTS, SyntaxError, is_token, split_outside};
use crate::header_name::CONTENT_LENGTH;

/// Most headers of a message, counted as lines before folding.
pub const MAX_FIELDS: usize = 128;

/// The headers of a message: at most [`MAX_FIELDS`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<Field>);

/// A header line that cannot be read. What it means for the message is not known, so the
/// message is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// No colon, or a name that is no token.
    #[error("a header has no name")]
    NoName,
    /// More headers than any honest message has.
    #[error("a message has more than {MAX_FIELDS} headers")]
    TooMany,
    /// A control character within a line.
    #[error("a header has a control character within its line")]
    Control,
}

impl Headers {
    /// Adds an unfolded line.
    pub(crate) fn push_line(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = colon
            .and_then(|at| line.split_at_checked(at))
            .ok_or(HeaderError::NoName)?;
        let name = std::str::from_utf8(name).map_err(|_| HeaderError::NoName)?;
        let name = name.trim_end_matches([' ', '\t']);
        if !is_token(name) {
            return Err(HeaderError::NoName);
        }
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = FieldValue::new(value).map_err(|_| HeaderError::Control)?;
        if self.0.len() >= MAX_FIELDS {
            return Err(HeaderError::TooMany);
        }
        self.0.push(Field::new(name, value));
        Ok(())
    }

    /// Every header.
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.0.iter()
    }

    /// The values of all headers with this name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a FieldValue> {
        let named = |field: &&Field| field.name().eq_ignore_ascii_case(name);
        self.0.iter().filter(named).map(Field::value)
    }

    /// The value of a header that a message has at most once.
    ///
    /// # Errors
    /// [`SyntaxError::Repeated`].
    pub fn at_most_one(&self, name: &'static str) -> Result<Option<&FieldValue>, SyntaxError> {
        let mut values = self.all(name);
        let first = values.next();
        match values.next() {
            None => Ok(first),
            Some(_) => Err(SyntaxError::Repeated(name)),
        }
    }

    /// The value of a header that a message has exactly once.
    ///
    /// # Errors
    /// [`SyntaxError::Missing`] and [`SyntaxError::Repeated`].
    pub fn one(&self, name: &'static str) -> Result<&FieldValue, SyntaxError> {
        self.at_most_one(name)?.ok_or(SyntaxError::Missing(name))
    }

    /// The values of a header that may have several in one line, separated by commas.
    ///
    /// # Errors
    /// [`SyntaxError`] when quotes or brackets stay open, or there are too many.
    pub fn list(&self, name: &'static str) -> Result<Vec<String>, SyntaxError> {
        let mut values = Vec::new();
        for line in self.all(name) {
            for value in split_outside(&line.text(), ',', name)? {
                if values.len() >= MAX_PARTS {
                    return Err(SyntaxError::TooManyParts(name));
                }
                values.push(value.to_owned());
            }
        }
        Ok(values)
    }

    /// `Content-Length`, which is as many digits as a number of bytes needs.
    ///
    /// # Errors
    /// [`SyntaxError`] when it is there twice or no number.
    pub fn content_length(&self) -> Result<Option<usize>, SyntaxError> {
        let Some(value) = self.at_most_one(CONTENT_LENGTH)? else {
            return Ok(None);
        };
        let text = value.text();
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(length) if digits => Ok(Some(length)),
            _ => Err(SyntaxError::Malformed(CONTENT_LENGTH)),
        }
    }
}
