//! An issuer's VOPRF private key: it evaluates blinded elements, and it verifies
//! tokens, which nobody can without it.

use std::fmt;

use rand::CryptoRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::group::{Proven, Server};
use super::{BlindedElement, Evaluation, Suite, VoprfError, VoprfPublicKey};
use crate::token::{Token, TokenKeyId, TokenVerifyError, VerifiedToken};

/// `info` of DeriveKeyPair (RFC 9578 section 5.5).
const KEY_INFO: &[u8] = b"PrivacyPass";

/// A private key, ready to compute with. Wiped when dropped.
pub struct VoprfPrivateKey {
    secret: Zeroizing<Box<[u8]>>,
    server: Box<dyn Server>,
    public: VoprfPublicKey,
    id: TokenKeyId,
}

impl VoprfPrivateKey {
    /// Makes a fresh key (RFC 9497 section 3.2.1, RFC 9578 section 5.5).
    ///
    /// # Errors
    /// [`VoprfError::PrivateKey`], with a chance of one in 2^2000.
    pub fn generate(suite: Suite, rng: &mut impl CryptoRng) -> Result<Self, VoprfError> {
        let mut seed = Zeroizing::new(vec![0; suite.scalar_size()]);
        rng.fill_bytes(&mut seed);
        Self::from_bytes(suite, &suite.operations().derive(&seed, KEY_INFO)?)
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`VoprfError::PrivateKey`].
    pub fn from_bytes(suite: Suite, secret: &[u8]) -> Result<Self, VoprfError> {
        let server = suite.operations().server(secret)?;
        let public = VoprfPublicKey::parse(suite, &server.public_key())?;
        Ok(Self {
            secret: Zeroizing::new(secret.into()),
            server,
            id: public.id(),
            public,
        })
    }

    /// The scalar, [`Suite::scalar_size`] bytes as RFC 9497 section 4 encodes it.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.secret.to_vec())
    }

    /// The public half, as the directory publishes it.
    #[must_use]
    pub const fn public(&self) -> &VoprfPublicKey {
        &self.public
    }

    /// The id of the public half.
    #[must_use]
    pub const fn id(&self) -> TokenKeyId {
        self.id
    }

    /// Evaluates blinded elements with one proof for all of them, which is verified
    /// before it is handed out: a wrong one could give the key away. The proof's
    /// nonce is taken from `rng`.
    ///
    /// # Errors
    /// [`VoprfError::BatchSize`], [`VoprfError::OtherSuite`]; [`VoprfError::Proof`]
    /// when the machine computes wrongly.
    pub fn evaluate(
        &self,
        blinded: &[BlindedElement],
        rng: &mut impl CryptoRng,
    ) -> Result<Evaluation, VoprfError> {
        let suite = self.public.suite();
        if blinded.is_empty() {
            return Err(VoprfError::BatchSize(0));
        }
        if let Some(other) = blinded.iter().find(|element| element.suite() != suite) {
            return Err(VoprfError::OtherSuite(other.suite()));
        }
        let blinded: Vec<_> = blinded.iter().map(|one| one.encoded.clone()).collect();
        let (elements, proof) = self.server.evaluate(&blinded, rng)?;
        self.self_check(&blinded, Evaluation { elements, proof })
    }

    pub(super) fn self_check(
        &self,
        blinded: &[Box<[u8]>],
        evaluation: Evaluation,
    ) -> Result<Evaluation, VoprfError> {
        let proven = Proven {
            public_key: self.public.encoded(),
            evaluated: &evaluation.elements,
            proof: &evaluation.proof,
        };
        let operations = self.public.suite().operations();
        operations.verify(blinded, proven)?;
        Ok(evaluation)
    }

    /// Verifies a token: type, all of the key id, and the authenticator, which is
    /// computed again and compared in constant time (RFC 9578 section 5.4).
    ///
    /// That its challenge is the right one is for the caller to check, who knows
    /// for whom it was to be.
    ///
    /// # Errors
    /// [`TokenVerifyError`].
    pub fn verify(&self, token: Token) -> Result<VerifiedToken, TokenVerifyError> {
        if token.token_type != self.public.suite().token_type() {
            return Err(TokenVerifyError::Type(token.token_type));
        }
        if token.token_key_id != self.id {
            return Err(TokenVerifyError::KeyId {
                expected: self.id,
                actual: token.token_key_id,
            });
        }
        let expected = self.server.output(&token.input());
        let expected = expected.map_err(|_| TokenVerifyError::Authenticator)?;
        if bool::from(expected.ct_eq(&token.authenticator)) {
            Ok(VerifiedToken::new(token))
        } else {
            Err(TokenVerifyError::Authenticator)
        }
    }
}

impl fmt::Debug for VoprfPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VoprfPrivateKey").field(&self.id).finish()
    }
}
