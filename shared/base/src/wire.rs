//! Reading and writing the big-endian TLS presentation language (RFC 8446
//! section 3) that Privacy Pass structures and ours are written in.

/// Bytes that end too early or go on too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A field wanted more bytes than were left.
    #[error("truncated: {wanted} more bytes wanted, {left} left")]
    Truncated {
        /// Bytes the field takes.
        wanted: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// Bytes were left after the last field.
    #[error("{0} bytes after the end of the structure")]
    TrailingBytes(usize),
    /// A QUIC variable-length integer was not in its shortest form
    /// (draft-ietf-privacypass-batched-tokens; RFC 9000 section 16).
    #[error("length {0} is not in its shortest encoding")]
    NonMinimalVarint(u64),
}

/// Walks over a byte slice without ever reading past it.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `wanted` bytes, borrowed.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn take(&mut self, wanted: usize) -> Result<&'a [u8], WireError> {
        let (head, tail) = self
            .rest
            .split_at_checked(wanted)
            .ok_or(WireError::Truncated {
                wanted,
                left: self.rest.len(),
            })?;
        self.rest = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let left = self.rest.len();
        let (head, tail) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(WireError::Truncated { wanted: N, left })?;
        self.rest = tail;
        Ok(*head)
    }

    /// A `uint8`.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn u8(&mut self) -> Result<u8, WireError> {
        self.array().map(u8::from_be_bytes)
    }

    /// A `uint16`.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    /// A `uint32`.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A `uint64`.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A vector with a `uint16` length in front.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn vec_u16(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// A vector with a `uint8` length in front.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn vec_u8(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// A `<V>` vector: a minimal QUIC variable-length integer counts its bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`] or [`WireError::NonMinimalVarint`].
    pub fn vec_varint(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.varint()?;
        // A length past usize cannot be present in memory either.
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// A vector with a QUIC variable-length integer of any size in front, as binary HTTP
    /// has it (RFC 9292 section 3).
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn vec_any_varint(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.any_varint()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// A QUIC variable-length integer (RFC 9000 section 16), not necessarily in its
    /// shortest form.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn any_varint(&mut self) -> Result<u64, WireError> {
        self.sized_varint().map(|(value, _)| value)
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let (value, size) = self.sized_varint()?;
        if size == varint_size(value) {
            Ok(value)
        } else {
            Err(WireError::NonMinimalVarint(value))
        }
    }

    /// A variable-length integer and how many bytes it took.
    fn sized_varint(&mut self) -> Result<(u64, usize), WireError> {
        let first = self.u8()?;
        let size = 1usize << (first >> 6);
        let mut value = u64::from(first & 0x3f);
        for &byte in self.take(size - 1)? {
            value = value << 8 | u64::from(byte);
        }
        Ok((value, size))
    }

    /// Everything that is left.
    #[must_use]
    pub const fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// True when nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ends the structure.
    ///
    /// # Errors
    /// [`WireError::TrailingBytes`] when something is left.
    pub const fn finish(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(WireError::TrailingBytes(left)),
        }
    }
}

const fn varint_size(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}

/// Writes a vector with a `uint16` length in front.
///
/// # Panics
/// When there are more than 65,535 bytes. The types of what is written this way (names,
/// tokens, keys) are shorter; a length that lies would be signed and published.
#[allow(
    clippy::expect_used,
    reason = "a length that lies is worse than an end"
)]
pub fn put_vec_u16(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).expect("a vector with a uint16 length is short");
    out.extend(length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a `<V>` vector. Lengths of 2^62 bytes and more cannot occur.
pub fn put_vec_varint(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a QUIC variable-length integer below 2^62 in its shortest form.
pub fn put_varint(out: &mut Vec<u8>, value: u64) {
    let size = varint_size(value);
    let tag = (size.trailing_zeros() as u64) << (size * 8 - 2);
    let encoded = (value | tag).to_be_bytes();
    out.extend(encoded.iter().skip(8 - size));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_length_in_a_longer_form_than_needed_is_refused() {
        assert_eq!(
            Reader::new(&[0x40, 0x01, 0xff]).vec_varint(),
            Err(WireError::NonMinimalVarint(1))
        );
    }

    #[test]
    fn where_any_form_will_do_a_longer_one_is_the_same_number() {
        for form in [
            &[1][..],
            &[0x40, 1],
            &[0x80, 0, 0, 1],
            &[0xc0, 0, 0, 0, 0, 0, 0, 1],
        ] {
            assert_eq!(Reader::new(form).any_varint(), Ok(1));
            let vector = [form, &[0xff]].concat();
            assert_eq!(Reader::new(&vector).vec_any_varint(), Ok(&[0xff][..]));
        }
    }

    #[test]
    fn a_huge_announced_length_allocates_nothing() {
        let bytes = [0xff; 8];
        assert!(matches!(
            Reader::new(&bytes).vec_varint(),
            Err(WireError::Truncated { .. })
        ));
    }

    proptest! {
        #[test]
        fn a_vector_comes_back_as_it_went(bytes in proptest::collection::vec(any::<u8>(), 0..20_000)) {
            let mut out = Vec::new();
            put_vec_varint(&mut out, &bytes);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.vec_varint(), Ok(bytes.as_slice()));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while reader.vec_varint().is_ok() && !reader.is_empty() {}
        }
    }
}
