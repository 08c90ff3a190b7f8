//! What it means that a token holds, for every type. The key of the type verifies it:
//! `blind_rsa` and `voprf`.

use super::{Nonce, Token, TokenKeyId, TokenType};

/// A token that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenVerifyError {
    /// The token is of a type that this key does not sign.
    #[error("token type {0} is not verified with this key")]
    Type(TokenType),
    /// All 32 bytes of the key id are compared.
    #[error("the token is signed with key {actual}, not {expected}")]
    KeyId {
        /// The id of the key at hand.
        expected: TokenKeyId,
        /// The id in the token.
        actual: TokenKeyId,
    },
    /// The authenticator is not a signature over the token with salt length 48.
    #[error(
        "the token's authenticator does not verify: it was not signed by the issuer, or was altered"
    )]
    Authenticator,
}

/// A token that the issuer signed; only the `verify` of a key of its type makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken(Token);

impl VerifiedToken {
    /// The caller has just verified it.
    pub(crate) const fn vouched_for(token: Token) -> Self {
        Self(token)
    }

    /// The token.
    #[must_use]
    pub const fn token(&self) -> &Token {
        &self.0
    }

    /// `K_temp`.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        self.0.nonce
    }

    /// The key it was signed with.
    #[must_use]
    pub const fn token_key_id(&self) -> TokenKeyId {
        self.0.token_key_id
    }
}
