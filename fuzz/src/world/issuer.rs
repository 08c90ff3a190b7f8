//! An issuer that signs tokens without blinding: the token is the same.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PSS_SHA384;
use pennyblack_privacypass::blind_rsa::TokenVerifyingKey;
use pennyblack_privacypass::token::{ChallengeDigest, Nonce, Token, TokenType};
use pennyblack_privacypass::token_key::TokenVerifier;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;

const VECTORS: &str = include_str!("../../../tests/vectors/rfc9578-blindrsa/rfc9578-appendix.json");

/// The issuer whose key RFC 9578 appendix A.2 prints.
pub struct Issuer {
    signing: KeyPair,
    /// Checks its tokens.
    pub key: TokenVerifier,
}

impl Issuer {
    pub(super) fn of_rfc_9578() -> Self {
        let vectors: Value = serde_json::from_str(VECTORS).expect("vectors");
        let bytes = |name: &str| hex::decode(vectors[0][name].as_str().expect(name)).expect(name);
        let private = PrivatePkcs8KeyDer::from_pem_slice(&bytes("skS")).expect("a private key");
        let key = TokenVerifyingKey::from_spki(&bytes("pkS")).expect("a public key");
        let key = TokenVerifier::BlindRsa(key);
        Self {
            signing: KeyPair::from_pkcs8(private.secret_pkcs8_der()).expect("a key pair"),
            key,
        }
    }

    /// A good token with this nonce.
    ///
    /// # Panics
    /// Never: the key is good.
    #[must_use]
    pub fn token(&self, nonce: Nonce, challenge_digest: ChallengeDigest) -> Token {
        let mut token = Token {
            token_type: TokenType::BLIND_RSA_2048,
            nonce,
            challenge_digest,
            token_key_id: self.key.id(),
            authenticator: Box::default(),
        };
        let mut signature = vec![0; self.signing.public_modulus_len()];
        self.signing
            .sign(
                &RSA_PSS_SHA384,
                &SystemRandom::new(),
                &token.input(),
                &mut signature,
            )
            .expect("a signature");
        token.authenticator = signature.into();
        token
    }
}
