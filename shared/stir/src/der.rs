//! Strict DER (X.690 section 10): definite lengths in their shortest form, and
//! no byte unaccounted for. Only what STIR's own extensions and the entries of revocation
//! lists need; the rest is read by a library.

/// Universal and context tags as they stand in the identifier octet.
pub(super) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const SEQUENCE: u8 = 0x30;

    /// `[n] EXPLICIT`.
    pub(crate) const fn explicit(n: u8) -> u8 {
        0xa0 | n
    }
}

/// The bit of an identifier octet that says that elements are inside.
const CONSTRUCTED: u8 = 0x20;

/// Bytes that are not strict DER, or not what was expected there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DerError {
    /// No identifier octet where an element was expected.
    #[error("an element is missing")]
    Missing,
    /// Another element than expected.
    #[error("tag {actual:#04x} where {expected:#04x} was expected")]
    Tag {
        /// The identifier octet that should be there.
        expected: u8,
        /// The one that is.
        actual: u8,
    },
    /// An indefinite length, or one not in its shortest form.
    #[error("a length that is not in its shortest definite form")]
    Length,
    /// A length that runs past the end of what it is in.
    #[error("a length of {said} where only {left} bytes are left: a length octet may be missing")]
    Truncated {
        /// The length octets' value.
        said: usize,
        /// Bytes that follow.
        left: usize,
    },
    /// Bytes after the last element.
    #[error("{0} bytes too many")]
    TrailingBytes(usize),
    /// An integer that is negative, padded, or larger than 64 bits.
    #[error("not a positive integer in its shortest form")]
    Integer,
    /// A string with characters that its type does not allow.
    #[error("a string with characters that its type does not allow")]
    Text,
}

/// Elements that are not counted to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CountError {
    Der(DerError),
    /// More than were left.
    TooMany,
}

impl From<DerError> for CountError {
    fn from(error: DerError) -> Self {
        Self::Der(error)
    }
}

/// Walks over the elements of some DER.
#[derive(Debug, Clone, Copy)]
pub(super) struct DerReader<'a>(&'a [u8]);

impl<'a> DerReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element's identifier octet, without moving.
    pub(super) fn peek(&self) -> Result<u8, DerError> {
        self.0.first().copied().ok_or(DerError::Missing)
    }

    /// Passes over the next element, whatever it is.
    pub(super) fn skip(&mut self) -> Result<(), DerError> {
        self.element(self.peek()?).map(|_| ())
    }

    /// Takes one from `left` for each element, those inside of others counted. What a
    /// primitive element holds is counted as far as it looks like elements: a lenient reader
    /// may take it for some.
    pub(super) fn count(mut self, left: &mut usize) -> Result<(), CountError> {
        while !self.is_empty() {
            *left = left.checked_sub(1).ok_or(CountError::TooMany)?;
            let own = self.peek()?;
            let inside = Self(self.element(own)?).count(left);
            match inside {
                Err(CountError::Der(_)) if own & CONSTRUCTED == 0 => {}
                counted => counted?,
            }
        }
        Ok(())
    }

    /// The contents of the next element, which must have this tag.
    pub(super) fn element(&mut self, expected: u8) -> Result<&'a [u8], DerError> {
        let actual = self.peek()?;
        if actual != expected {
            return Err(DerError::Tag { expected, actual });
        }
        let (length, rest) = length(self.0.get(1..).unwrap_or_default())?;
        let (contents, rest) = rest.split_at_checked(length).ok_or(DerError::Truncated {
            said: length,
            left: rest.len(),
        })?;
        self.0 = rest;
        Ok(contents)
    }

    /// A reader over the contents of the next element, which must have this tag.
    pub(super) fn inside(&mut self, expected: u8) -> Result<Self, DerError> {
        self.element(expected).map(Self)
    }

    /// Like [`Self::inside`], when the next element has this tag.
    pub(super) fn optional(&mut self, expected: u8) -> Result<Option<Self>, DerError> {
        if self.0.first() == Some(&expected) {
            self.inside(expected).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(super) fn ia5_string(&mut self) -> Result<&'a str, DerError> {
        let bytes = self.element(tag::IA5_STRING)?;
        match str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => Ok(text),
            _ => Err(DerError::Text),
        }
    }

    pub(super) fn utf8_string(&mut self) -> Result<&'a str, DerError> {
        str::from_utf8(self.element(tag::UTF8_STRING)?).map_err(|_| DerError::Text)
    }

    /// A positive INTEGER of at most 64 bits.
    pub(super) fn unsigned(&mut self) -> Result<u64, DerError> {
        let bytes = match self.element(tag::INTEGER)? {
            [0, rest @ ..] if matches!(rest, [0x80..=0xff, ..]) => rest,
            [0] => return Ok(0),
            [0, ..] | [0x80..=0xff, ..] | [] => return Err(DerError::Integer),
            bytes => bytes,
        };
        if bytes.len() > 8 {
            return Err(DerError::Integer);
        }
        Ok(bytes
            .iter()
            .fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    pub(super) const fn finish(self) -> Result<(), DerError> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(DerError::TrailingBytes(left)),
        }
    }
}

fn length(bytes: &[u8]) -> Result<(usize, &[u8]), DerError> {
    match bytes {
        [] => Err(DerError::Missing),
        [short @ 0..=0x7f, rest @ ..] => Ok((usize::from(*short), rest)),
        [0x81, long @ 0x80..=0xff, rest @ ..] => Ok((usize::from(*long), rest)),
        [0x82, high @ 1..=0xff, low, rest @ ..] => {
            Ok((usize::from(u16::from_be_bytes([*high, *low])), rest))
        }
        // As long as a revocation list.
        [0x83, high @ 1..=0xff, middle, low, rest @ ..] => {
            let length = u32::from_be_bytes([0, *high, *middle, *low]);
            let length = usize::try_from(length).map_err(|_| DerError::Length)?;
            Ok((length, rest))
        }
        // Longer ones do not occur, and are refused with the rest.
        _ => Err(DerError::Length),
    }
}
