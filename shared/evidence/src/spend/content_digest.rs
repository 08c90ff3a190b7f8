//! The digest of a store request's content and the `Content-Digest` field that
//! carries it (RFC 9530). Not here: what is signed together with it.

use std::fmt;

use sfv::{BareItem, Dictionary, ListEntry, Parser};

use super::MAX_FIELD_SIZE;
use pennyblack_base::encoding;

const ALGORITHM: &str = "sha-256";

/// SHA-256 of a store request's whole body, `mailbox || sealed`.
///
/// Two requests with one digest are the same request; an auditor who sees the
/// digest learns neither the mailbox nor the ciphertext.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestDigest(pub [u8; 32]);

/// A `Content-Digest` that is not exactly one SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentDigestError {
    /// Longer than any digest.
    #[error("Content-Digest has {0} bytes, at most {MAX_FIELD_SIZE} are read")]
    TooLong(usize),
    /// Not a structured field dictionary (RFC 9651).
    #[error("Content-Digest is not a dictionary: {0}")]
    Syntax(String),
    /// Another algorithm, more than one, or parameters.
    #[error("Content-Digest must hold one member, sha-256, without parameters")]
    Members,
    /// Not a byte sequence of 32 bytes.
    #[error("the sha-256 digest must be 32 bytes between colons")]
    Size,
    /// The same value, spelled otherwise than RFC 9651 section 4.1 spells it.
    #[error("Content-Digest must be spelled {0}")]
    Spelling(String),
}

impl RequestDigest {
    /// The digest of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(encoding::sha256(content))
    }

    /// The field value, `sha-256=:…:`.
    #[must_use]
    pub fn to_field(self) -> String {
        format!("{ALGORITHM}=:{}:", encoding::base64_standard(&self.0))
    }

    /// Parses a field value. Only [`Self::to_field`]'s spelling is taken: the
    /// value enters the signature as it was sent, and the spend record that is
    /// later evidence keeps the digest but not the spelling.
    ///
    /// # Errors
    /// [`ContentDigestError`].
    pub fn from_field(value: &str) -> Result<Self, ContentDigestError> {
        if value.len() > MAX_FIELD_SIZE {
            return Err(ContentDigestError::TooLong(value.len()));
        }
        let members: Dictionary = Parser::new(value)
            .parse()
            .map_err(|error| ContentDigestError::Syntax(error.to_string()))?;
        let mut members = members.into_iter();
        let (Some((name, ListEntry::Item(item))), None) = (members.next(), members.next()) else {
            return Err(ContentDigestError::Members);
        };
        if name.as_str() != ALGORITHM || !item.params.is_empty() {
            return Err(ContentDigestError::Members);
        }
        let BareItem::ByteSequence(bytes) = item.bare_item else {
            return Err(ContentDigestError::Size);
        };
        let digest = Self(bytes.try_into().map_err(|_| ContentDigestError::Size)?);
        let canonical = digest.to_field();
        if canonical != value {
            return Err(ContentDigestError::Spelling(canonical));
        }
        Ok(digest)
    }
}

impl fmt::Display for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoding::base64url(&self.0))
    }
}

impl fmt::Debug for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestDigest({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_rfc_9530_is_parsed() {
        // RFC 9530 appendix B.1: the content is {"hello": "world"} and a line feed.
        let field = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
        let digest = RequestDigest::of(b"{\"hello\": \"world\"}\n");
        assert_eq!(RequestDigest::from_field(field), Ok(digest));
        assert_eq!(digest.to_field(), field);
    }

    #[test]
    fn any_other_spelling_or_member_is_refused() {
        let good = RequestDigest([7; 32]).to_field();
        let unpadded = good.replace("=:", ":").replacen(':', "=:", 1);
        for field in [
            String::new(),
            "sha-256".to_owned(),
            "sha-256=:AAAA:".to_owned(),
            "sha-256=\"x\"".to_owned(),
            "sha-256=()".to_owned(),
            format!("{good};a"),
            format!("{good}, sha-512=:AAAA:"),
            format!("{good} "),
            good.replace("sha-256", "sha-512"),
            unpadded,
        ] {
            assert!(RequestDigest::from_field(&field).is_err(), "{field}");
        }
    }

    #[test]
    fn a_long_field_is_not_even_parsed() {
        let list = format!("sha-256=({})", "a ".repeat(200));
        assert_eq!(
            RequestDigest::from_field(&list),
            Err(ContentDigestError::TooLong(list.len()))
        );
    }

    #[test]
    fn parameters_and_further_digests_are_refused_as_such() {
        let good = RequestDigest([7; 32]).to_field();
        for field in [format!("{good};a=1"), format!("{good}, sha-512=:AAAA:")] {
            assert_eq!(
                RequestDigest::from_field(&field),
                Err(ContentDigestError::Members)
            );
        }
    }

    proptest! {
        #[test]
        fn a_digest_comes_back_as_it_went(bytes in any::<[u8; 32]>()) {
            let digest = RequestDigest(bytes);
            prop_assert_eq!(RequestDigest::from_field(&digest.to_field()), Ok(digest));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(sha-256=)?:?\\PC{0,60}") {
            let _ = RequestDigest::from_field(&text);
        }
    }
}
