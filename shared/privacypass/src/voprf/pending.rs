//! The client's half: blinding a token to be, and making the token of the issuer's
//! answer (RFC 9578 sections 5.1 and 5.3).

use std::fmt;

use rand_core::OsRng;
use zeroize::Zeroizing;

use super::suite::{self, Answered};
use super::{AmortizedResponse, VoprfError, VoprfPublicKey};
use crate::issuance::TokenRequest;
use crate::token::{ChallengeDigest, Nonce, Token, token_input};

/// A token between request and answer. Wiped when dropped.
pub struct PendingVoprfToken {
    key: VoprfPublicKey,
    nonce: Nonce,
    challenge_digest: ChallengeDigest,
    /// The blinding factor and the blinded message.
    state: Zeroizing<Vec<u8>>,
    /// The second half of it, which is public.
    blinded: Box<[u8]>,
}

impl PendingVoprfToken {
    /// Blinds a token with this nonce for `key`.
    ///
    /// # Errors
    /// [`VoprfError::Encoding`] when the operating system has no randomness.
    pub fn blind(
        key: &VoprfPublicKey,
        nonce: Nonce,
        challenge_digest: ChallengeDigest,
    ) -> Result<Self, VoprfError> {
        let input = token_input(key.kind().token_type(), nonce, challenge_digest, key.id());
        let state = suite::blind(key.kind(), &input, &mut OsRng)?;
        Self::of(key.clone(), nonce, challenge_digest, state)
    }

    /// Puts a stored token together again from [`Self::state`] and what is public
    /// of it.
    ///
    /// # Errors
    /// [`VoprfError::Encoding`] when the state is damaged.
    pub fn restore(
        key: VoprfPublicKey,
        nonce: Nonce,
        challenge_digest: ChallengeDigest,
        state: &[u8],
    ) -> Result<Self, VoprfError> {
        suite::check_client(key.kind(), state)?;
        let state = Zeroizing::new(state.to_vec());
        Self::of(key, nonce, challenge_digest, state)
    }

    fn of(
        key: VoprfPublicKey,
        nonce: Nonce,
        challenge_digest: ChallengeDigest,
        state: Zeroizing<Vec<u8>>,
    ) -> Result<Self, VoprfError> {
        let blinded = state.get(key.kind().scalar_size()..);
        let blinded = blinded.ok_or(VoprfError::Encoding {
            what: "the blinding state",
        })?;
        Ok(Self {
            blinded: blinded.into(),
            key,
            nonce,
            challenge_digest,
            state,
        })
    }

    /// The secret to store with the draw.
    #[must_use]
    pub fn state(&self) -> &[u8] {
        &self.state
    }

    /// The nonce of the token to be.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The challenge that it will answer.
    #[must_use]
    pub const fn challenge_digest(&self) -> ChallengeDigest {
        self.challenge_digest
    }

    /// The key it is drawn from.
    #[must_use]
    pub const fn key(&self) -> &VoprfPublicKey {
        &self.key
    }

    /// The blinded message.
    #[must_use]
    pub fn blinded(&self) -> &[u8] {
        &self.blinded
    }

    /// The request for this token alone.
    #[must_use]
    pub fn request(&self) -> TokenRequest {
        TokenRequest {
            token_type: self.key.kind().token_type(),
            truncated_token_key_id: self.key.id().truncated(),
            blinded: self.blinded.clone(),
        }
    }

    /// Makes the token of the answer to [`Self::request`], once its proof holds.
    ///
    /// # Errors
    /// [`VoprfError`]; the token may then be asked for again.
    pub fn finalize(&self, response: &[u8]) -> Result<Token, VoprfError> {
        let element = self.key.kind().element_size();
        let (evaluated, proof) =
            response
                .split_at_checked(element)
                .ok_or(VoprfError::Encoding {
                    what: "the evaluated message",
                })?;
        let mut tokens = finalize_all(&[self], &[evaluated], proof)?;
        tokens.pop().ok_or(VoprfError::Batch)
    }

    fn token(&self, output: Vec<u8>) -> Token {
        Token {
            token_type: self.key.kind().token_type(),
            nonce: self.nonce,
            challenge_digest: self.challenge_digest,
            token_key_id: self.key.id(),
            authenticator: output.into(),
        }
    }

    fn input(&self) -> Vec<u8> {
        let token_type = self.key.kind().token_type();
        token_input(token_type, self.nonce, self.challenge_digest, self.key.id()).to_vec()
    }
}

impl fmt::Debug for PendingVoprfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingVoprfToken")
            .field("nonce", &self.nonce)
            .finish_non_exhaustive()
    }
}

/// Makes the tokens of the answer to an amortized batch, once its one proof holds.
/// All are of one key.
///
/// # Errors
/// [`VoprfError`]; the tokens may then be asked for again.
pub fn finalize_amortized(
    pending: &[&PendingVoprfToken],
    response: &AmortizedResponse,
) -> Result<Vec<Token>, VoprfError> {
    let evaluated: Vec<_> = response.evaluated.iter().map(AsRef::as_ref).collect();
    finalize_all(pending, &evaluated, &response.proof)
}

fn finalize_all(
    pending: &[&PendingVoprfToken],
    evaluated: &[&[u8]],
    proof: &[u8],
) -> Result<Vec<Token>, VoprfError> {
    let key = &pending.first().ok_or(VoprfError::Batch)?.key;
    if pending.len() != evaluated.len() {
        return Err(VoprfError::Count {
            asked: pending.len(),
            evaluated: evaluated.len(),
        });
    }
    let parts = pending.iter().zip(evaluated);
    let batch: Vec<_> = parts
        .map(|(one, evaluated)| Answered {
            input: one.input(),
            state: &one.state,
            evaluated,
        })
        .collect();
    let outputs = suite::finalize(key.kind(), key.encoded(), &batch, proof)?;
    let tokens = pending.iter().zip(outputs);
    Ok(tokens.map(|(one, output)| one.token(output)).collect())
}
