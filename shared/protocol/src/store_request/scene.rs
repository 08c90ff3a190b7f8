//! What the tests of storing and of double spends play with: an issuer with the
//! key of a test vector, a token, a mailbox and a sealed PASSporT.

use std::sync::OnceLock;

use blind_rsa_signatures::{
    KeyPairSha384PSSDeterministic as KeyPair, SecretKeySha384PSSDeterministic as SecretKey,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use sha2::Sha384;

use super::*;
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::*;
use pennyblack_privacypass::blind_rsa::TokenVerifyingKey;
use pennyblack_privacypass::token::{ChallengeDigest, Nonce, Token, TokenKeyId, TokenType};
use pennyblack_privacypass::token_key::TokenVerifier;
use pennyblack_sealing::mailbox::{Kem, KeyConfig, RecipientKey};
use pennyblack_sealing::sealed::{Sealed, seal_passport};

pub(crate) const NOW: UnixTime = UnixTime(1_795_000_000);
pub(crate) const CHALLENGE: ChallengeDigest = ChallengeDigest([0xc4; 32]);

/// An issuer that signs tokens without blinding: the token is the same.
pub(crate) struct Issuer {
    signing: rsa::pss::SigningKey<Sha384>,
    spki: Vec<u8>,
}

impl Issuer {
    /// The issuer of the test vectors in RFC 9578 appendix A.2.
    pub(crate) fn of_vectors() -> Self {
        let vectors: serde_json::Value = serde_json::from_str(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/vectors/rfc9578-blindrsa/rfc9578-appendix.json"
        )))
        .unwrap();
        let bytes = |name: &str| hex::decode(vectors[0][name].as_str().unwrap()).unwrap();
        let pem = String::from_utf8(bytes("skS")).unwrap();
        Self::new(&SecretKey::from_pem(&pem).unwrap(), bytes("pkS"))
    }

    /// Another issuer, with a key of its own.
    pub(crate) fn generate() -> Self {
        let mut rng = StdRng::seed_from_u64(3);
        let pair = KeyPair::generate(&mut rng, 2048).unwrap();
        Self::new(&pair.sk, pair.pk.to_spki().unwrap())
    }

    fn new(secret: &SecretKey, spki: Vec<u8>) -> Self {
        let key: &rsa::RsaPrivateKey = secret.as_ref();
        Self {
            signing: rsa::pss::SigningKey::new_with_salt_len(key.clone(), 48),
            spki,
        }
    }

    pub(crate) fn key(&self) -> TokenVerifier {
        TokenVerifier::BlindRsa(TokenVerifyingKey::from_spki(&self.spki).unwrap())
    }

    pub(crate) fn token(&self, nonce: Nonce) -> Token {
        let mut token = Token {
            token_type: TokenType::BLIND_RSA_2048,
            nonce,
            challenge_digest: CHALLENGE,
            token_key_id: TokenKeyId::of(&self.spki),
            authenticator: Box::default(),
        };
        let signature = self.signing.sign_with_rng(&mut rand::rng(), &token.input());
        token.authenticator = signature.to_vec().into();
        token
    }
}

/// One issuer, one token, one mailbox, made once for all tests.
pub(crate) struct Scene {
    pub(crate) issuer: Issuer,
    pub(crate) token: Token,
    pub(crate) recipient: KeyConfig,
    pub(crate) sealed: Sealed,
}

pub(crate) fn scene() -> &'static Scene {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    SCENE.get_or_init(|| {
        let issuer = Issuer::of_vectors();
        let recipient =
            RecipientKey::generate(Kem::DhkemX25519, &mut StdRng::seed_from_u64(2)).unwrap();
        let recipient = recipient.config().clone();
        Scene {
            token: issuer.token(spend_key().nonce()),
            sealed: seal_passport(&recipient, &cps(), "a.b.c", &mut rand::rng()).unwrap(),
            issuer,
            recipient,
        }
    })
}

pub(crate) fn spend_key() -> SpendKey {
    SpendKey::generate(&mut StdRng::seed_from_u64(1))
}

pub(crate) fn cps() -> Authority {
    "cps.example.net".parse().unwrap()
}

pub(crate) fn policy() -> SpendPolicy {
    SpendPolicy {
        cps: cps(),
        challenges: vec![CHALLENGE],
        freshness: Freshness::default(),
    }
}

pub(crate) fn signed() -> SignedStoreRequest {
    signed_with(&scene().sealed, NOW)
}

/// The scene's token spent on this ciphertext.
pub(crate) fn signed_with(sealed: &Sealed, created: UnixTime) -> SignedStoreRequest {
    let Scene {
        token, recipient, ..
    } = scene();
    sign_store_request(
        token,
        &spend_key(),
        &cps(),
        recipient.mailbox(),
        sealed,
        created,
    )
    .unwrap()
}

/// A request as a server sees it, with parts that a test can change.
#[derive(Clone, PartialEq)]
pub(crate) struct Received {
    pub(crate) authorization: String,
    pub(crate) content_digest: String,
    pub(crate) signature_input: String,
    pub(crate) signature: String,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    Unparsed(ParseStoreError),
    Refused(StoreRefusal),
}

impl From<&SignedStoreRequest> for Received {
    fn from(request: &SignedStoreRequest) -> Self {
        let [authorization, _, content_digest, signature_input, signature] =
            request.headers().map(|(_, value)| value.to_owned());
        Self {
            authorization,
            content_digest,
            signature_input,
            signature,
            body: request.body().to_vec(),
        }
    }
}

impl Received {
    pub(crate) fn headers(&self) -> StoreHeaders<'_> {
        StoreHeaders {
            authorization: Some(&self.authorization),
            content_digest: Some(&self.content_digest),
            signature_input: Some(&self.signature_input),
            signature: Some(&self.signature),
        }
    }

    pub(crate) fn check(&self) -> Result<VerifiedStore, Outcome> {
        self.check_at(&policy(), NOW)
    }

    pub(crate) fn check_at(
        &self,
        policy: &SpendPolicy,
        now: UnixTime,
    ) -> Result<VerifiedStore, Outcome> {
        ParsedStore::parse(&self.headers(), &self.body)
            .map_err(Outcome::Unparsed)?
            .admit(policy, now)
            .and_then(|store| store.verify(&scene().issuer.key()))
            .map_err(Outcome::Refused)
    }

    pub(crate) fn refusal(&self) -> StoreRefusal {
        match self.check() {
            Err(Outcome::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }

    /// Signs this content anew with a base of one's own making.
    pub(crate) fn resigned(
        &self,
        key: &SpendKey,
        method: &str,
        authority: &str,
        path: &str,
    ) -> Self {
        use ed25519_dalek::Signer as _;
        let digest = RequestDigest::of(&self.body);
        let created = Created::rounded(NOW).unwrap();
        let base = base_for(method, authority, path, digest, created);
        let signature = ed25519_dalek::SigningKey::from_bytes(&key.to_bytes())
            .sign(base.as_bytes())
            .to_bytes();
        let signature = SpendSignature { created, signature };
        Self {
            content_digest: digest.to_field(),
            signature_input: signature.input_field(),
            signature: signature.field(),
            ..self.clone()
        }
    }
}
