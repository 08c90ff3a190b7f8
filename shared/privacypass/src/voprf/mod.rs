//! VOPRF tokens (RFC 9578 section 5, RFC 9497 mode VOPRF): types 0x0001 over P-384
//! and 0x0005 over ristretto255. They are cheaper to issue than blind RSA tokens,
//! and only who holds the issuer's private key can verify them. Not here: the
//! wire forms that all token types share (`issuance`, `token`).

mod amortized;
mod evaluation;
mod pending;
mod public_key;
mod secret_key;
mod suite;
#[cfg(test)]
mod tests;

pub use amortized::{
    AMORTIZED_REQUEST_TYPE, AMORTIZED_RESPONSE_TYPE, AmortizedRequest, AmortizedResponse,
};
pub use pending::{PendingVoprfToken, finalize_amortized};
pub use public_key::VoprfPublicKey;
pub use secret_key::{VOPRF_SCALAR_MAX, VoprfSecretKey};

use crate::token::TokenType;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VoprfKind {
    /// OPRF(P-384, SHA-384), type 0x0001.
    P384,
    /// OPRF(ristretto255, SHA-512), type 0x0005.
    Ristretto255,
}

impl VoprfKind {
    /// The kind that issues tokens of this type.
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

    /// Bytes of a group element: a blinded message, an evaluated one, a public key.
    #[must_use]
    pub const fn element_size(self) -> usize {
        match self {
            Self::P384 => 49,
            Self::Ristretto255 => 32,
        }
    }

    /// Bytes of a scalar: a private key, and half of a proof.
    #[must_use]
    pub const fn scalar_size(self) -> usize {
        match self {
            Self::P384 => 48,
            Self::Ristretto255 => 32,
        }
    }

    /// Bytes of a DLEQ proof.
    #[must_use]
    pub const fn proof_size(self) -> usize {
        2 * self.scalar_size()
    }
}

/// Bytes that are not what a VOPRF needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VoprfError {
    /// Not the canonical encoding of a group element other than the identity, or
    /// not of a scalar other than zero.
    #[error("{what} is not in the canonical form of RFC 9497, or is the identity")]
    Encoding {
        /// What was read.
        what: &'static str,
    },
    /// The proof does not hold: an evaluation is under another key than the one
    /// that was asked. What was computed here itself was computed wrongly.
    #[error("the proof that the answer is under the published key does not hold")]
    Proof,
    /// Not as many as were asked for.
    #[error("{evaluated} evaluations for {asked} blinded messages")]
    Count {
        /// Blinded messages.
        asked: usize,
        /// Evaluations.
        evaluated: usize,
    },
    /// More than RFC 9497 has a proof for, or nothing.
    #[error("a batch holds between 1 and 65535 messages")]
    Batch,
}
