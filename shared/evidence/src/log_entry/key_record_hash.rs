//! What a log says of a key record (docs/protocol.md section 7.2): its hash and nothing else.
//! A record names telephone numbers, and what is in a log stays there. Not here: the record.

use std::fmt;
use std::str::FromStr;

use pennyblack_base::encoding::{self, Base64Error};

/// SHA-256 of a key record as it was registered, a compact JWS. In text it is unpadded
/// base64url. **Nobody finds a number by it**: the signature in the text cannot be guessed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRecordHash(pub [u8; 32]);

/// Text that is no hash of a key record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRecordHashError {
    /// Not base64url.
    #[error("hash of a key record: {0}")]
    Text(#[from] Base64Error),
    /// Not as long as a SHA-256.
    #[error("hash of a key record of {0} bytes: it has 32")]
    Size(usize),
}

impl KeyRecordHash {
    /// That of a record, as it was registered.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(encoding::sha256(token.as_bytes()))
    }
}

impl fmt::Display for KeyRecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoding::base64url(&self.0))
    }
}

impl fmt::Debug for KeyRecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRecordHash({self})")
    }
}

impl FromStr for KeyRecordHash {
    type Err = KeyRecordHashError;

    fn from_str(text: &str) -> Result<Self, KeyRecordHashError> {
        let bytes = encoding::from_base64url(text)?;
        let hash = bytes.try_into();
        hash.map(Self)
            .map_err(|bytes: Vec<u8>| KeyRecordHashError::Size(bytes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_text() {
        let hash = KeyRecordHash::of("a.b.c");
        let text = hash.to_string();
        assert_eq!(text.len(), 43);
        assert_eq!(text.parse(), Ok(hash));
        for other in ["", "AAAA", &format!("{text}="), &format!(" {text}"), "a+b"] {
            assert!(other.parse::<KeyRecordHash>().is_err(), "{other}");
        }
    }
}
