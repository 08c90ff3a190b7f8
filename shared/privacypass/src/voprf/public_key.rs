//! The public half of a VOPRF key, as an issuer's directory publishes it.

use super::{VoprfError, VoprfKind, suite};
use crate::token::TokenKeyId;

/// A key that tokens can be blinded for: a group element that is not the
/// identity, in its one encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoprfPublicKey {
    kind: VoprfKind,
    encoded: Box<[u8]>,
}

impl VoprfPublicKey {
    /// Reads [`VoprfKind::element_size`] bytes.
    ///
    /// # Errors
    /// [`VoprfError::Encoding`].
    pub fn parse(kind: VoprfKind, encoded: &[u8]) -> Result<Self, VoprfError> {
        suite::check_element(kind, encoded, "the token key")?;
        Ok(Self {
            kind,
            encoded: encoded.into(),
        })
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> VoprfKind {
        self.kind
    }

    /// The encoding.
    #[must_use]
    pub const fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// SHA-256 of the encoding (RFC 9578 section 5.5).
    #[must_use]
    pub fn id(&self) -> TokenKeyId {
        TokenKeyId::of(&self.encoded)
    }
}
