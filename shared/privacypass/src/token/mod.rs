//! Privacy Pass tokens as RFC 9577 puts them on the wire: challenge, token and
//! the two headers. Not here: how a token comes to be (`issuance`, `blind_rsa`)
//! and whether its authenticator holds (`blind_rsa`).

mod challenge;
mod header;
mod scope;
#[cfg(test)]
mod tests;
mod verified;

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use challenge::{ChallengeError, TokenChallenge};
pub use header::{AuthenticateChallenge, HeaderError, parse_www_authenticate};
pub use scope::{NotForFederations, TokenScope};
pub use verified::{TokenVerifyError, VerifiedToken};

use pennyblack_base::encoding::{self, Base64Error};
use pennyblack_base::wire::{Reader, WireError};

/// A token type of the IANA registry "Privacy Pass Token Types" (RFC 9577
/// section 8.2). Unknown ones are carried, since challenges may name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenType(pub u16);

impl TokenType {
    /// VOPRF over P-384 with SHA-384 (RFC 9578 section 5): verified with the
    /// issuer's private key.
    pub const VOPRF_P384: Self = Self(0x0001);
    /// Blind RSA with 2048-bit keys (RFC 9578 section 6): anyone can verify.
    pub const BLIND_RSA_2048: Self = Self(0x0002);
    /// VOPRF over ristretto255 with SHA-512
    /// (draft-ietf-privacypass-batched-tokens section 8.1).
    pub const VOPRF_RISTRETTO255: Self = Self(0x0005);

    /// Whether anyone with the public key can verify its tokens, and nobody make some.
    #[must_use]
    pub const fn is_publicly_verifiable(self) -> bool {
        matches!(self, Self::BLIND_RSA_2048)
    }

    /// Bytes of the authenticator (`Nk`), for the types that are known here.
    #[must_use]
    pub const fn authenticator_size(self) -> Option<usize> {
        match self {
            Self::VOPRF_P384 => Some(48),
            Self::BLIND_RSA_2048 => Some(256),
            Self::VOPRF_RISTRETTO255 => Some(64),
            _ => None,
        }
    }
}

impl fmt::Display for TokenType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// The token's 32 bytes of client's choice: here the Ed25519 public key
/// `K_temp` that signs the one request the token pays for
/// (docs/protocol.md section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub [u8; 32]);

/// SHA-256 of a token key's encoding as the issuer's directory publishes it. As text it
/// is 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenKeyId(pub [u8; 32]);

impl TokenKeyId {
    /// The id of the key with this encoding.
    #[must_use]
    pub fn of(encoded_key: &[u8]) -> Self {
        Self(encoding::sha256(encoded_key))
    }

    /// `truncated_token_key_id`: the **last** byte (RFC 9578 section 6.1).
    #[must_use]
    pub const fn truncated(&self) -> u8 {
        let [.., last] = self.0;
        last
    }
}

impl fmt::Display for TokenKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for TokenKeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenKeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut id = [0; 32];
        hex::decode_to_slice(text, &mut id).map_err(D::Error::custom)?;
        Ok(Self(id))
    }
}

/// SHA-256 of a [`TokenChallenge`]'s encoding: what ties a token to one issuer, and
/// to one CPS unless it is a federation token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChallengeDigest(pub [u8; 32]);

/// Bytes that are not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// A token type whose size is not known.
    #[error("token type {0} is not supported")]
    UnknownType(TokenType),
    /// Too few bytes, or some left over.
    #[error("token: {0}")]
    Form(#[from] WireError),
    /// Not base64url in the header.
    #[error("token: {0}")]
    Text(#[from] Base64Error),
    /// The `Authorization` header is not of the `PrivateToken` scheme.
    #[error("the Authorization header: {0}")]
    Header(#[from] HeaderError),
}

/// A token (RFC 9577 section 2.2), parsed and not verified.
///
/// ```text
/// struct {
///   uint16 token_type;
///   uint8 nonce[32];
///   uint8 challenge_digest[32];
///   uint8 token_key_id[32];
///   uint8 authenticator[Nk];
/// } Token;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Says what kind of authenticator this is.
    pub token_type: TokenType,
    /// `K_temp`.
    pub nonce: Nonce,
    /// What the token was drawn for.
    pub challenge_digest: ChallengeDigest,
    /// The issuer's key that it was signed with.
    pub token_key_id: TokenKeyId,
    /// `Nk` bytes; for blind RSA, a signature over [`Token::input`].
    pub authenticator: Box<[u8]>,
}

impl Token {
    /// Bytes of a token without its authenticator.
    pub const INPUT_SIZE: usize = 98;

    /// Parses a token; every byte must belong to it.
    ///
    /// # Errors
    /// [`TokenError::UnknownType`] or [`TokenError::Form`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        let mut reader = Reader::new(bytes);
        let token_type = TokenType(reader.u16()?);
        let size = token_type
            .authenticator_size()
            .ok_or(TokenError::UnknownType(token_type))?;
        let token = Self {
            token_type,
            nonce: Nonce(reader.array()?),
            challenge_digest: ChallengeDigest(reader.array()?),
            token_key_id: TokenKeyId(reader.array()?),
            authenticator: reader.take(size)?.into(),
        };
        reader.finish()?;
        Ok(token)
    }

    /// The encoding, 98 + `Nk` bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.input().as_slice(), &self.authenticator].concat()
    }

    /// `token_authenticator_input`: everything before the authenticator, which
    /// is what the issuer signs unseen.
    #[must_use]
    pub fn input(&self) -> Vec<u8> {
        token_input(
            self.token_type,
            self.nonce,
            self.challenge_digest,
            self.token_key_id,
        )
    }

    /// The value of an `Authorization` header that spends this token.
    #[must_use]
    pub fn authorization(&self) -> String {
        header::authorization(&self.to_bytes())
    }

    /// The token of an `Authorization` header's value.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn from_authorization(value: &str) -> Result<Self, TokenError> {
        let text = header::token_parameter(value)?;
        Self::parse(&encoding::from_base64url_any_padding(text)?)
    }
}

/// `token_authenticator_input` (RFC 9577 section 2.2) of a token to be, 98 bytes.
#[must_use]
pub fn token_input(
    token_type: TokenType,
    nonce: Nonce,
    challenge_digest: ChallengeDigest,
    token_key_id: TokenKeyId,
) -> Vec<u8> {
    [
        token_type.0.to_be_bytes().as_slice(),
        &nonce.0,
        &challenge_digest.0,
        &token_key_id.0,
    ]
    .concat()
}
