//! The client's half of issuance: blinding a token to be, and making the token of
//! the issuer's answer (RFC 9578 sections 5.1 and 5.3), alone or in an amortized
//! batch.

use std::fmt;

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::group::{Proven, State};
use super::{Suite, VoprfError, VoprfPublicKey};
use crate::issuance::{AmortizedRequest, AmortizedResponse, TokenRequest};
use crate::token::{ChallengeDigest, Nonce, Token, TokenKeyId, TokenType, token_input};
use crate::wire::{Reader, WireError};

/// A token that could not be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VoprfDrawError {
    /// The key was refused, or the token cannot be blinded.
    #[error("{0}")]
    Voprf(#[from] VoprfError),
    /// The issuer's answer does not prove that it was made with its key.
    #[error("the issuer's answer is not proven to be made with key {0}")]
    BadAnswer(TokenKeyId),
    /// The tokens of a batch are not all drawn from one key.
    #[error("the tokens of one batch are drawn from one key; one of them is from {0}")]
    OtherKey(TokenKeyId),
    /// More or fewer elements than were asked for.
    #[error("{asked} tokens were asked for and {answered} answered")]
    Count {
        /// Tokens in the request.
        asked: usize,
        /// Elements in the answer.
        answered: usize,
    },
    /// A stored token type that is not one of the two.
    #[error("stored blinding state: token type {0} is not a VOPRF")]
    StoredType(TokenType),
    /// A stored state that is damaged.
    #[error("stored blinding state: {0}")]
    Stored(#[from] WireError),
}

/// A token between request and answer: what was asked for, and the blind. Wiped
/// when dropped.
///
/// It can be stored ([`PendingVoprfToken::to_bytes`]) before the request is sent,
/// so that after a crash the same request can be sent again and its answer used.
#[derive(Clone)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct PendingVoprfToken {
    key: VoprfPublicKey,
    nonce: Nonce,
    challenge_digest: ChallengeDigest,
    /// The blind, then the blinded element.
    state: State,
}

impl PendingVoprfToken {
    /// Blinds a token with this nonce for `key`.
    ///
    /// # Errors
    /// [`VoprfDrawError::Voprf`], which happens to nobody by chance.
    pub fn blind(
        key: &VoprfPublicKey,
        nonce: Nonce,
        challenge_digest: ChallengeDigest,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, VoprfDrawError> {
        let suite = key.suite();
        let input = token_input(suite.token_type(), nonce, challenge_digest, key.id());
        Ok(Self {
            key: key.clone(),
            nonce,
            challenge_digest,
            state: suite.operations().blind(&input, rng)?,
        })
    }

    /// The request for this token alone, for a single request or a generic batch.
    #[must_use]
    pub fn request(&self) -> TokenRequest {
        TokenRequest {
            token_type: self.key.suite().token_type(),
            truncated_token_key_id: self.key.id().truncated(),
            blinded: self.blinded().into(),
        }
    }

    /// Makes the token of the answer to [`Self::request`]: an evaluated element and
    /// its proof. The proof is verified.
    ///
    /// # Errors
    /// [`VoprfDrawError::BadAnswer`]; the token may then be asked for again.
    pub fn finalize(&self, answer: &[u8]) -> Result<Token, VoprfDrawError> {
        let bad = VoprfDrawError::BadAnswer(self.key.id());
        let (element, proof) = answer
            .split_at_checked(self.key.suite().element_size())
            .ok_or(bad)?;
        let response = AmortizedResponse {
            elements: vec![element.into()],
            proof: proof.into(),
        };
        let tokens = finalize_batch(std::slice::from_ref(self), &response)?;
        tokens.into_iter().next().ok_or(bad)
    }

    /// The nonce of the token to be.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The key it is drawn from.
    #[must_use]
    pub const fn key(&self) -> &VoprfPublicKey {
        &self.key
    }

    fn blinded(&self) -> &[u8] {
        let after_blind = self.state.get(self.key.suite().scalar_size()..);
        after_blind.unwrap_or_default()
    }

    fn input(&self) -> Vec<u8> {
        token_input(
            self.key.suite().token_type(),
            self.nonce,
            self.challenge_digest,
            self.key.id(),
        )
    }

    /// The form to store, which holds a secret: token type, key, nonce, challenge
    /// digest, blind, blinded element.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(2 + 64 + 4 * 49));
        out.extend_from_slice(&self.key.suite().token_type().0.to_be_bytes());
        out.extend_from_slice(self.key.encoded());
        out.extend_from_slice(&self.nonce.0);
        out.extend_from_slice(&self.challenge_digest.0);
        out.extend_from_slice(&self.state);
        out
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`VoprfDrawError`] when it is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VoprfDrawError> {
        let mut reader = Reader::new(bytes);
        let token_type = TokenType(reader.u16()?);
        let suite = Suite::of(token_type).ok_or(VoprfDrawError::StoredType(token_type))?;
        let pending = Self {
            key: VoprfPublicKey::parse(suite, reader.take(suite.element_size())?)?,
            nonce: Nonce(reader.array()?),
            challenge_digest: ChallengeDigest(reader.array()?),
            state: Zeroizing::new(
                reader
                    .take(suite.scalar_size() + suite.element_size())?
                    .into(),
            ),
        };
        reader.finish()?;
        Ok(pending)
    }
}

impl fmt::Debug for PendingVoprfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingVoprfToken")
            .field("nonce", &self.nonce)
            .finish_non_exhaustive()
    }
}

/// The amortized request for several tokens of one key.
///
/// # Errors
/// [`VoprfError::BatchSize`] for none, [`VoprfDrawError::OtherKey`].
pub fn batch_request(pending: &[PendingVoprfToken]) -> Result<AmortizedRequest, VoprfDrawError> {
    let key = common_key(pending)?;
    Ok(AmortizedRequest {
        token_type: key.suite().token_type(),
        truncated_token_key_id: key.id().truncated(),
        blinded: pending.iter().map(|one| one.blinded().into()).collect(),
    })
}

/// Makes the tokens of the answer to [`batch_request`], in the same order. The
/// proof is verified once for all of them.
///
/// # Errors
/// [`VoprfDrawError`]; the same batch may then be asked for again.
pub fn finalize_batch(
    pending: &[PendingVoprfToken],
    response: &AmortizedResponse,
) -> Result<Vec<Token>, VoprfDrawError> {
    let key = common_key(pending)?;
    let (asked, answered) = (pending.len(), response.elements.len());
    if asked != answered {
        return Err(VoprfDrawError::Count { asked, answered });
    }
    let messages: Vec<_> = pending.iter().map(PendingVoprfToken::input).collect();
    let states: Vec<_> = pending.iter().map(|one| one.state.clone()).collect();
    let proven = Proven {
        public_key: key.encoded(),
        evaluated: &response.elements,
        proof: &response.proof,
    };
    let operations = key.suite().operations();
    let outputs = operations
        .finalize(&messages, &states, proven)
        .map_err(|_| VoprfDrawError::BadAnswer(key.id()))?;
    let tokens = pending.iter().zip(outputs).map(|(one, output)| Token {
        token_type: key.suite().token_type(),
        nonce: one.nonce,
        challenge_digest: one.challenge_digest,
        token_key_id: key.id(),
        authenticator: output,
    });
    Ok(tokens.collect())
}

fn common_key(pending: &[PendingVoprfToken]) -> Result<&VoprfPublicKey, VoprfDrawError> {
    let (first, others) = pending.split_first().ok_or(VoprfError::BatchSize(0))?;
    match others.iter().find(|other| other.key != first.key) {
        Some(other) => Err(VoprfDrawError::OtherKey(other.key.id())),
        None => Ok(&first.key),
    }
}
