//! The client's half of issuance: blinding a token to be, and making the token
//! of the issuer's answer (RFC 9578 sections 6.1 and 6.3).

use std::fmt;

use blind_rsa_signatures::{
    BlindMessage, BlindSignature, BlindingResult, PublicKeySha384PSSDeterministic, Secret,
};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::{MODULUS_SIZE, PublicKeyError, SPKI_SIZE, TokenPublicKey};
use crate::issuance::TokenRequest;
use crate::token::{ChallengeDigest, Nonce, Token, TokenType, token_input};
use pennyblack_base::wire::{Reader, WireError};

/// A token that could not be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// The key was refused.
    #[error("{0}")]
    Key(#[from] PublicKeyError),
    /// The message shares a factor with the modulus: the key is broken.
    #[error("the token key cannot be blinded for: take it for compromised")]
    Blinding,
    /// The issuer's answer is not a signature by its key.
    #[error("the issuer's answer does not unblind to a signature by key of id {0}")]
    BadAnswer(crate::token::TokenKeyId),
    /// A stored state that is damaged.
    #[error("stored blinding state: {0}")]
    Stored(#[from] WireError),
}

/// A token between request and answer: what was asked for, and the secret that
/// unblinds the answer. Wiped when dropped.
///
/// It can be stored ([`PendingToken::to_bytes`]) before the request is sent, so
/// that after a crash the same request can be sent again and its answer used.
#[derive(Clone)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct PendingToken {
    key: TokenPublicKey,
    nonce: Nonce,
    challenge_digest: ChallengeDigest,
    blinded: Box<[u8; MODULUS_SIZE]>,
    unblinder: Zeroizing<Vec<u8>>,
}

impl PendingToken {
    /// Bytes of the stored form: key, nonce, challenge digest, blinded message,
    /// unblinder.
    pub const STORED_SIZE: usize = SPKI_SIZE + 64 + 2 * MODULUS_SIZE;

    /// Blinds a token with this nonce for `key`.
    ///
    /// # Errors
    /// [`DrawError::Blinding`] for a broken key.
    pub fn blind(
        key: &TokenPublicKey,
        nonce: Nonce,
        challenge_digest: ChallengeDigest,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, DrawError> {
        let input = token_input(TokenType::BLIND_RSA_2048, nonce, challenge_digest, key.id());
        let result = blinding_key(key)?
            .blind(rng, input)
            .map_err(|_| DrawError::Blinding)?;
        Ok(Self {
            key: key.clone(),
            nonce,
            challenge_digest,
            blinded: boxed(&result.blind_message)?,
            unblinder: Zeroizing::new(result.secret.0),
        })
    }

    /// The request for this token, for a single or a batch request.
    #[must_use]
    pub fn request(&self) -> TokenRequest {
        TokenRequest {
            token_type: TokenType::BLIND_RSA_2048,
            truncated_token_key_id: self.key.id().truncated(),
            blinded: self.blinded.to_vec().into(),
        }
    }

    /// Makes the token of the issuer's blind signature, and verifies it.
    ///
    /// # Errors
    /// [`DrawError::BadAnswer`]; the token may then be asked for again.
    pub fn finalize(&self, blind_signature: &[u8]) -> Result<Token, DrawError> {
        let key_id = self.key.id();
        let input = token_input(
            TokenType::BLIND_RSA_2048,
            self.nonce,
            self.challenge_digest,
            key_id,
        );
        let blinding = BlindingResult {
            blind_message: BlindMessage(self.blinded.to_vec()),
            secret: Secret(self.unblinder.to_vec()),
            msg_randomizer: None,
        };
        let finalized = blinding_key(&self.key)?.finalize(
            &BlindSignature(blind_signature.to_vec()),
            &blinding,
            input,
        );
        // The library's copy of the unblinder is wiped like ours.
        drop(Zeroizing::new(blinding.secret.0));
        let signature = finalized.map_err(|_| DrawError::BadAnswer(key_id))?;
        Ok(Token {
            token_type: TokenType::BLIND_RSA_2048,
            nonce: self.nonce,
            challenge_digest: self.challenge_digest,
            token_key_id: key_id,
            authenticator: signature.0.into(),
        })
    }

    /// The nonce of the token to be.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The key it is drawn from.
    #[must_use]
    pub const fn key(&self) -> &TokenPublicKey {
        &self.key
    }

    /// The form to store, which holds a secret: [`Self::STORED_SIZE`] bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(Self::STORED_SIZE));
        out.extend_from_slice(self.key.spki());
        out.extend_from_slice(&self.nonce.0);
        out.extend_from_slice(&self.challenge_digest.0);
        out.extend_from_slice(self.blinded.as_slice());
        out.extend_from_slice(&self.unblinder);
        out
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`DrawError::Stored`] or [`DrawError::Key`] when it is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DrawError> {
        let mut reader = Reader::new(bytes);
        let pending = Self {
            key: TokenPublicKey::parse(reader.take(SPKI_SIZE)?)?,
            nonce: Nonce(reader.array()?),
            challenge_digest: ChallengeDigest(reader.array()?),
            blinded: Box::new(reader.array()?),
            unblinder: Zeroizing::new(reader.take(MODULUS_SIZE)?.to_vec()),
        };
        reader.finish()?;
        Ok(pending)
    }
}

impl fmt::Debug for PendingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingToken")
            .field("nonce", &self.nonce)
            .finish_non_exhaustive()
    }
}

fn blinding_key(key: &TokenPublicKey) -> Result<PublicKeySha384PSSDeterministic, DrawError> {
    PublicKeySha384PSSDeterministic::from_spki(key.spki())
        .map_err(|_| PublicKeyError::Modulus.into())
}

fn boxed(bytes: &[u8]) -> Result<Box<[u8; MODULUS_SIZE]>, DrawError> {
    bytes
        .try_into()
        .map(Box::new)
        .map_err(|_| DrawError::Blinding)
}
