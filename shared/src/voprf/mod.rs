//! Tokens of types 0x0001 and 0x0005: a verifiable oblivious PRF (RFC 9497) over
//! P-384 (RFC 9578 section 5) or ristretto255
//! (draft-ietf-privacypass-batched-tokens section 8.1), with keys, blinding,
//! evaluation and verification. Not here: the bytes of requests and responses
//! (`issuance`), and which key evaluates when.
//!
//! Such a token is verified by computing the PRF again, so that whoever verifies
//! can forge, too: these types are for an operator who runs issuer and CPS.

mod evaluation;
mod group;
mod pending;
mod private_key;
mod public_key;
#[cfg(test)]
mod tests;

pub use evaluation::{BlindedElement, Evaluation};
pub use pending::{PendingVoprfToken, VoprfDrawError, batch_request, finalize_batch};
pub use private_key::VoprfPrivateKey;
pub use public_key::VoprfPublicKey;

use crate::token::TokenType;

/// One of the two groups that tokens are computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// P384-SHA384, token type 0x0001.
    P384,
    /// ristretto255-SHA512, token type 0x0005: the faster one by far.
    Ristretto255,
}

impl Suite {
    /// The suite of a token type, if it is one of the two.
    #[must_use]
    pub const fn of(token_type: TokenType) -> Option<Self> {
        match token_type {
            TokenType::VOPRF_P384 => Some(Self::P384),
            TokenType::VOPRF_RISTRETTO255 => Some(Self::Ristretto255),
            _ => None,
        }
    }

    /// The type of its tokens.
    #[must_use]
    pub const fn token_type(self) -> TokenType {
        match self {
            Self::P384 => TokenType::VOPRF_P384,
            Self::Ristretto255 => TokenType::VOPRF_RISTRETTO255,
        }
    }

    /// Bytes of a group element (`Ne`): a public key, a blinded or an evaluated one.
    #[must_use]
    pub const fn element_size(self) -> usize {
        match self {
            Self::P384 => 49,
            Self::Ristretto255 => 32,
        }
    }

    /// Bytes of a scalar (`Ns`): a private key.
    #[must_use]
    pub const fn scalar_size(self) -> usize {
        match self {
            Self::P384 => 48,
            Self::Ristretto255 => 32,
        }
    }

    /// Bytes of a DLEQ proof, two scalars.
    #[must_use]
    pub const fn proof_size(self) -> usize {
        2 * self.scalar_size()
    }
}

/// Bytes that are not a key, an element or a proof, or a batch that cannot be
/// evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VoprfError {
    /// Another size, not canonical, not on the curve, or the identity.
    #[error("not the one encoding of a group element of token type {}", .0.token_type())]
    Element(Suite),
    /// Another size, zero, or not less than the group's order.
    #[error("not a private key of token type {}: restore it from a backup", .0.token_type())]
    PrivateKey(Suite),
    /// A batch of nothing, or of more than 65,535 elements.
    #[error("{0} elements cannot be evaluated together")]
    BatchSize(usize),
    /// Elements of another suite than the key's.
    #[error("an element of token type {} for a key of another type", .0.token_type())]
    OtherSuite(Suite),
    /// The proof of an evaluation does not hold: a fault in computation or
    /// memory, or an issuer that evaluates with another key than it publishes.
    #[error("the proof of the evaluation does not hold; what it came with was withheld")]
    Proof,
    /// The message cannot be mapped to the group, which happens to nobody by chance.
    #[error("the token cannot be blinded")]
    Input,
}
