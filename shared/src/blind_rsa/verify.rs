//! Verifying tokens, which needs no secret (RFC 9578 section 6.4).

use std::fmt;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PSS_2048_8192_SHA384};

use super::{PublicKeyError, TokenPublicKey};
use crate::token::{Nonce, Token, TokenKeyId, TokenType};

/// A token that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenVerifyError {
    /// The key to verify with was refused.
    #[error("{0}")]
    Key(#[from] PublicKeyError),
    /// The token is of a type that this key does not sign.
    #[error("token type {0} is not verified with a blind RSA key")]
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

/// A token key parsed once, to verify many tokens.
pub struct TokenVerifyingKey {
    public: TokenPublicKey,
    id: TokenKeyId,
    parsed: ParsedPublicKey,
}

impl TokenVerifyingKey {
    /// Parses a checked key for verification.
    ///
    /// # Errors
    /// [`PublicKeyError::Modulus`] when the library refuses the modulus.
    pub fn new(public: TokenPublicKey) -> Result<Self, PublicKeyError> {
        let parsed = ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA384, public.rsa_public_key())
            .map_err(|_| PublicKeyError::Modulus)?;
        Ok(Self {
            id: public.id(),
            public,
            parsed,
        })
    }

    /// Checks and parses a key as the directory publishes it.
    ///
    /// # Errors
    /// [`PublicKeyError`].
    pub fn from_spki(spki: &[u8]) -> Result<Self, PublicKeyError> {
        Self::new(TokenPublicKey::parse(spki)?)
    }

    /// The key's id.
    #[must_use]
    pub const fn id(&self) -> TokenKeyId {
        self.id
    }

    /// The key itself.
    #[must_use]
    pub const fn public(&self) -> &TokenPublicKey {
        &self.public
    }

    /// Verifies a token: type, all of the key id, and the signature
    /// (RSASSA-PSS, SHA-384, salt length exactly 48).
    ///
    /// That its challenge is the right one is for the caller to check, who knows
    /// for whom it was to be.
    ///
    /// # Errors
    /// [`TokenVerifyError`].
    pub fn verify(&self, token: Token) -> Result<VerifiedToken, TokenVerifyError> {
        if token.token_type != TokenType::BLIND_RSA_2048 {
            return Err(TokenVerifyError::Type(token.token_type));
        }
        if token.token_key_id != self.id {
            return Err(TokenVerifyError::KeyId {
                expected: self.id,
                actual: token.token_key_id,
            });
        }
        self.parsed
            .verify_sig(&token.input(), &token.authenticator)
            .map_err(|_| TokenVerifyError::Authenticator)?;
        Ok(VerifiedToken(token))
    }
}

impl fmt::Debug for TokenVerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenVerifyingKey").field(&self.id).finish()
    }
}

/// A token that the issuer signed; only [`TokenVerifyingKey::verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken(Token);

impl VerifiedToken {
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
