//! What an issuer is asked to evaluate, and what leaves it afterwards.

use super::{Suite, VoprfError};

/// An element that a client blinded, checked to be canonical and not the identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlindedElement {
    suite: Suite,
    pub(super) encoded: Box<[u8]>,
}

impl BlindedElement {
    /// Checks an element of a request.
    ///
    /// # Errors
    /// [`VoprfError::Element`] (422, RFC 9578 section 5.2).
    pub fn parse(suite: Suite, encoded: Box<[u8]>) -> Result<Self, VoprfError> {
        if suite.operations().is_element(&encoded) {
            Ok(Self { suite, encoded })
        } else {
            Err(VoprfError::Element(suite))
        }
    }

    /// The group it belongs to.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }
}

/// Evaluated elements and the one proof for all of them, which was found to hold:
/// only [`super::VoprfPrivateKey::evaluate`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    pub(super) elements: Vec<Box<[u8]>>,
    pub(super) proof: Box<[u8]>,
}

impl Evaluation {
    /// The elements, in the order of the blinded ones.
    #[must_use]
    pub fn elements(&self) -> &[Box<[u8]>] {
        &self.elements
    }

    /// The DLEQ proof (RFC 9497 section 2.2.1), [`Suite::proof_size`] bytes.
    #[must_use]
    pub const fn proof(&self) -> &[u8] {
        &self.proof
    }
}
