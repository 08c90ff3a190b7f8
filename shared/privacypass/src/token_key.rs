//! Token keys and future tokens, of any type: other modules use these and need not
//! know how a type works. The types themselves are `blind_rsa` and `voprf`.

use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::blind_rsa::{
    DrawError, PendingToken, PublicKeyError, TokenPublicKey, TokenVerifyingKey,
};
use crate::issuance::TokenRequest;
use crate::token::{
    ChallengeDigest, Nonce, Token, TokenKeyId, TokenType, TokenVerifyError, VerifiedToken,
};
use crate::voprf::{PendingVoprfToken, VoprfError, VoprfKind, VoprfPublicKey, VoprfSecretKey};
use pennyblack_base::wire::{Reader, WireError};

/// A key that is not to be used, or a token that was not drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenKeyError {
    /// A blind RSA key.
    #[error(transparent)]
    BlindRsa(#[from] PublicKeyError),
    /// A blind RSA token.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// A VOPRF key or token.
    #[error(transparent)]
    Voprf(#[from] VoprfError),
    /// A type that nobody here knows.
    #[error("token type {0} is not known here")]
    Type(TokenType),
    /// A stored form that is damaged.
    #[error("stored blinding state: {0}")]
    Stored(#[from] WireError),
}

/// The public half of a token key, checked to be one that may be blinded for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKey {
    /// Type 0x0002.
    BlindRsa(TokenPublicKey),
    /// Types 0x0001 and 0x0005.
    Voprf(VoprfPublicKey),
}

impl TokenKey {
    /// Reads a key as an issuer's directory publishes it.
    ///
    /// # Errors
    /// [`TokenKeyError`].
    pub fn parse(token_type: TokenType, encoded: &[u8]) -> Result<Self, TokenKeyError> {
        if token_type == TokenType::BLIND_RSA_2048 {
            return Ok(Self::BlindRsa(TokenPublicKey::parse(encoded)?));
        }
        let kind = VoprfKind::of(token_type).ok_or(TokenKeyError::Type(token_type))?;
        Ok(Self::Voprf(VoprfPublicKey::parse(kind, encoded)?))
    }

    /// The type of its tokens.
    #[must_use]
    pub const fn token_type(&self) -> TokenType {
        match self {
            Self::BlindRsa(_) => TokenType::BLIND_RSA_2048,
            Self::Voprf(key) => key.kind().token_type(),
        }
    }

    /// The encoding.
    #[must_use]
    pub const fn encoded(&self) -> &[u8] {
        match self {
            Self::BlindRsa(key) => key.spki(),
            Self::Voprf(key) => key.encoded(),
        }
    }

    /// SHA-256 of the encoding.
    #[must_use]
    pub fn id(&self) -> TokenKeyId {
        TokenKeyId::of(self.encoded())
    }
}

/// What tokens of one key are verified with: a public key, parsed once, or the
/// issuer's private one.
#[derive(Debug)]
pub enum TokenVerifier {
    /// Anybody can.
    BlindRsa(TokenVerifyingKey),
    /// Only the issuer's operator can.
    Voprf(VoprfSecretKey),
}

impl TokenVerifier {
    /// SHA-256 of the public key.
    #[must_use]
    pub fn id(&self) -> TokenKeyId {
        match self {
            Self::BlindRsa(key) => key.id(),
            Self::Voprf(key) => key.public().id(),
        }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// [`TokenVerifyError`]: of another type or key, or forged.
    pub fn verify(&self, token: Token) -> Result<VerifiedToken, TokenVerifyError> {
        match self {
            Self::BlindRsa(key) => key.verify(token),
            Self::Voprf(key) => key.verify(token),
        }
    }
}

/// A token between request and answer: what was asked for, and the secret that
/// unblinds the answer. Wiped when dropped.
#[derive(Debug)]
pub enum TokenToBe {
    /// Type 0x0002.
    BlindRsa(PendingToken),
    /// Types 0x0001 and 0x0005.
    Voprf(PendingVoprfToken),
}

impl TokenToBe {
    /// Blinds a token with this nonce for `key`.
    ///
    /// # Errors
    /// [`TokenKeyError`].
    pub fn blind(
        key: &TokenKey,
        nonce: Nonce,
        challenge_digest: ChallengeDigest,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, TokenKeyError> {
        Ok(match key {
            TokenKey::BlindRsa(key) => {
                Self::BlindRsa(PendingToken::blind(key, nonce, challenge_digest, rng)?)
            }
            TokenKey::Voprf(key) => {
                Self::Voprf(PendingVoprfToken::blind(key, nonce, challenge_digest)?)
            }
        })
    }

    /// The request for this token, for a single or a generic batch request.
    #[must_use]
    pub fn request(&self) -> TokenRequest {
        match self {
            Self::BlindRsa(pending) => pending.request(),
            Self::Voprf(pending) => pending.request(),
        }
    }

    /// Makes the token of the issuer's answer, and verifies it.
    ///
    /// # Errors
    /// [`TokenKeyError`]; the token may then be asked for again.
    pub fn finalize(&self, response: &[u8]) -> Result<Token, TokenKeyError> {
        Ok(match self {
            Self::BlindRsa(pending) => pending.finalize(response)?,
            Self::Voprf(pending) => pending.finalize(response)?,
        })
    }

    /// The nonce of the token to be.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        match self {
            Self::BlindRsa(pending) => pending.nonce(),
            Self::Voprf(pending) => pending.nonce(),
        }
    }

    /// The form to store, which holds a secret.
    ///
    /// ```text
    /// struct {
    ///   uint16 token_type;
    ///   select (token_type) {
    ///     case 0x0002: PendingToken;
    ///     case 0x0001, 0x0005: struct {
    ///       uint8 key[Ne];
    ///       uint8 nonce[32];
    ///       uint8 challenge_digest[32];
    ///       uint8 blind[Ns];
    ///       uint8 blinded[Ne];
    ///     };
    ///   };
    /// } TokenToBe;
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(1024));
        match self {
            Self::BlindRsa(pending) => {
                out.extend(TokenType::BLIND_RSA_2048.0.to_be_bytes());
                out.extend_from_slice(&pending.to_bytes());
            }
            Self::Voprf(pending) => {
                out.extend(pending.key().kind().token_type().0.to_be_bytes());
                out.extend_from_slice(pending.key().encoded());
                out.extend_from_slice(&pending.nonce().0);
                out.extend_from_slice(&pending.challenge_digest().0);
                out.extend_from_slice(pending.state());
            }
        }
        out
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`TokenKeyError`] when it is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenKeyError> {
        let mut reader = Reader::new(bytes);
        let token_type = TokenType(reader.u16()?);
        if token_type == TokenType::BLIND_RSA_2048 {
            return Ok(Self::BlindRsa(PendingToken::from_bytes(reader.rest())?));
        }
        let kind = VoprfKind::of(token_type).ok_or(TokenKeyError::Type(token_type))?;
        let key = VoprfPublicKey::parse(kind, reader.take(kind.element_size())?)?;
        let (nonce, digest) = (Nonce(reader.array()?), ChallengeDigest(reader.array()?));
        let pending = PendingVoprfToken::restore(key, nonce, digest, reader.rest())?;
        Ok(Self::Voprf(pending))
    }
}
