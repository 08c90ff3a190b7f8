//! An issuer's VOPRF public key, in the encoding of its directory.

use super::{Suite, VoprfError};
use crate::token::TokenKeyId;

/// A public key: an element of its suite's group, checked to be canonical and not
/// the identity (RFC 9578 section 5.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoprfPublicKey {
    suite: Suite,
    encoded: Box<[u8]>,
}

impl VoprfPublicKey {
    /// Parses the encoding of a directory.
    ///
    /// # Errors
    /// [`VoprfError::Element`].
    pub fn parse(suite: Suite, encoded: &[u8]) -> Result<Self, VoprfError> {
        if suite.operations().is_element(encoded) {
            Ok(Self {
                suite,
                encoded: encoded.into(),
            })
        } else {
            Err(VoprfError::Element(suite))
        }
    }

    /// The group it belongs to.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The encoding, [`Suite::element_size`] bytes.
    #[must_use]
    pub const fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// `token_key_id`: SHA-256 of the encoding.
    #[must_use]
    pub fn id(&self) -> TokenKeyId {
        TokenKeyId::of(&self.encoded)
    }
}
