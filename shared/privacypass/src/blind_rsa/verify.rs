//! Verifying tokens, which needs no secret (RFC 9578 section 6.4).

use std::fmt;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PSS_2048_8192_SHA384};

use super::{PublicKeyError, TokenPublicKey};
use crate::token::{Token, TokenKeyId, TokenType, TokenVerifyError, VerifiedToken};

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
    /// The caller must check that the challenge is the right one, since the caller knows
    /// which it was.
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
        Ok(VerifiedToken::vouched_for(token))
    }
}

impl fmt::Debug for TokenVerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenVerifyingKey").field(&self.id).finish()
    }
}
