use std::convert::Infallible;

use blind_rsa_signatures::{
    Deterministic, KeyPair, PSSZero, PublicKeySha384PSSZeroDeterministic, Sha384, Signature,
};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{SeedableRng as _, TryCryptoRng, TryRng};
use serde_json::Value;

use super::*;
use crate::token::TokenVerifyError;
use crate::token::{ChallengeDigest, Nonce, Token, TokenChallenge, TokenKeyId, TokenType};

fn vectors(file: &str) -> Value {
    let path = format!("{}/../../tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap()
}

fn bytes(vector: &Value, key: &str) -> Vec<u8> {
    let text = vector[key].as_str().unwrap_or_else(|| panic!("{key}"));
    hex::decode(text.trim_start_matches("0x")).unwrap()
}

/// Hands out the vector's salt and then its blind, so that blinding can be
/// compared byte for byte.
struct Scripted(Vec<u8>);

impl TryRng for Scripted {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut word = [0; 4];
        self.try_fill_bytes(&mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut word = [0; 8];
        self.try_fill_bytes(&mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0[..out.len()]);
        self.0.drain(..out.len());
        Ok(())
    }
}

impl TryCryptoRng for Scripted {}

fn script(vector: &Value) -> Scripted {
    let mut blind = bytes(vector, "blind");
    blind.reverse();
    Scripted([bytes(vector, "salt"), blind].concat())
}

fn check_issuance(vector: &Value, request: &[u8], answer: &[u8]) {
    let key = TokenPublicKey::parse(&bytes(vector, "pkS")).unwrap();
    let challenge = TokenChallenge::parse(&bytes(vector, "token_challenge")).unwrap();
    let nonce = Nonce(bytes(vector, "nonce").try_into().unwrap());
    let pending =
        PendingToken::blind(&key, nonce, challenge.digest(), &mut script(vector)).unwrap();
    assert_eq!(
        hex::encode(pending.request().to_bytes()),
        hex::encode(request)
    );
    let token = pending.finalize(answer).unwrap();
    assert_eq!(token.to_bytes(), bytes(vector, "token"));
    let verifier = TokenVerifyingKey::new(key).unwrap();
    assert_eq!(verifier.verify(token.clone()).unwrap().token(), &token);
}

#[test]
fn the_issuances_of_rfc_9578_are_reproduced_byte_for_byte() {
    let mut checked = 0;
    for file in ["rfc9578-appendix.json", "type2-issuance-test-vectors.json"] {
        for vector in vectors(&format!("rfc9578-blindrsa/{file}"))
            .as_array()
            .unwrap()
        {
            check_issuance(
                vector,
                &bytes(vector, "token_request"),
                &bytes(vector, "token_response"),
            );
            checked += 1;
        }
    }
    assert_eq!(checked, 10);
}

#[test]
fn the_blind_rsa_parts_of_generic_batches_are_reproduced() {
    let mut checked = 0;
    for batch in vectors("batched-generic/batched-issuance-test-vectors.json")
        .as_array()
        .unwrap()
    {
        let requests = crate::issuance::parse_batch(&bytes(batch, "token_request"), 10).unwrap();
        let answers =
            crate::issuance::parse_batch_answer(&bytes(batch, "token_response"), 10).unwrap();
        let parts = batch["issuance"].as_array().unwrap();
        for ((part, request), answer) in parts.iter().zip(requests).zip(answers) {
            if request.token_type == TokenType::BLIND_RSA_2048 {
                check_issuance(part, &request.to_bytes(), &answer.unwrap().response);
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 4);
}

/// RFC 9474's modulus has 4,096 bits, so these go to the libraries that we build on.
#[test]
fn the_signatures_of_rfc_9474_verify_with_salt_48_only() {
    let mut checked = Vec::new();
    for vector in vectors("rfc9474/test_vectors_rfc9474.json")
        .as_array()
        .unwrap()
    {
        let name = vector["name"].as_str().unwrap();
        let (message, signature) = (bytes(vector, "input_msg"), bytes(vector, "sig"));
        let components = aws_lc_rs::rsa::PublicKeyComponents {
            n: bytes(vector, "n"),
            e: vec![1, 0, 1],
        };
        let accepted = components
            .verify(
                &aws_lc_rs::signature::RSA_PSS_2048_8192_SHA384,
                &message,
                &signature,
            )
            .is_ok();
        assert_eq!(accepted, !name.contains("PSSZERO"), "{name}");
        checked.push(name.to_owned());
    }
    assert_eq!(checked.len(), 4);
}

#[test]
fn wycheproof_agrees_about_every_rsa_pss_signature() {
    let file = vectors("wycheproof/rsa_pss_2048_sha384_mgf1_48_test.json");
    let mut checked = 0;
    for group in file["testGroups"].as_array().unwrap() {
        let modulus = bytes(&group["publicKey"], "modulus");
        let modulus: [u8; MODULUS_SIZE] =
            modulus[modulus.len() - MODULUS_SIZE..].try_into().unwrap();
        let key = TokenPublicKey::from_modulus(&modulus).unwrap();
        let parsed = aws_lc_rs::signature::ParsedPublicKey::new(
            &aws_lc_rs::signature::RSA_PSS_2048_8192_SHA384,
            key.rsa_public_key(),
        )
        .unwrap();
        for test in group["tests"].as_array().unwrap() {
            let accepted = parsed
                .verify_sig(&bytes(test, "msg"), &bytes(test, "sig"))
                .is_ok();
            let expected = test["result"] == "valid";
            // "acceptable" is for forms that a verifier may take or leave.
            assert!(
                accepted == expected || test["result"] == "acceptable",
                "{test}"
            );
            checked += 1;
        }
    }
    assert_eq!(checked, file["numberOfTests"].as_u64().unwrap());
}

/// One issuer key for the tests that need a private one.
struct TestIssuer {
    pair: KeyPair<Sha384, PSSZero, Deterministic>,
    public: TokenPublicKey,
}

impl TestIssuer {
    fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let pair = KeyPair::generate(&mut rng, 2048).unwrap();
        let modulus: [u8; 256] = pair.pk.components().n().try_into().unwrap();
        Self {
            pair,
            public: TokenPublicKey::from_modulus(&modulus).unwrap(),
        }
    }

    fn pending(&self, nonce: [u8; 32]) -> PendingToken {
        let digest = ChallengeDigest([9; 32]);
        let mut rng = StdRng::seed_from_u64(2);
        PendingToken::blind(&self.public, Nonce(nonce), digest, &mut rng).unwrap()
    }

    fn token(&self, nonce: [u8; 32]) -> Token {
        let pending = self.pending(nonce);
        let answer = self.pair.sk.blind_sign(&pending.request().blinded).unwrap();
        pending.finalize(&answer).unwrap()
    }
}

#[test]
fn a_token_signed_without_salt_is_refused() {
    let issuer = TestIssuer::new();
    let mut token = issuer.token([1; 32]);
    let key = PublicKeySha384PSSZeroDeterministic::from_spki(issuer.public.spki());
    let key = key.unwrap_or_else(|_| issuer.pair.pk.clone());
    let mut rng = StdRng::seed_from_u64(3);
    let blinding = key.blind(&mut rng, token.input()).unwrap();
    let blind_signature = issuer.pair.sk.blind_sign(&blinding.blind_message).unwrap();
    let Signature(zero_salt) = key
        .finalize(&blind_signature, &blinding, token.input())
        .unwrap();
    token.authenticator = zero_salt.into();
    let verifier = TokenVerifyingKey::new(issuer.public).unwrap();
    assert_eq!(verifier.verify(token), Err(TokenVerifyError::Authenticator));
}

#[test]
fn any_altered_bit_of_a_token_makes_it_worthless() {
    let issuer = TestIssuer::new();
    let verifier = TokenVerifyingKey::new(issuer.public.clone()).unwrap();
    let bytes = issuer.token([1; 32]).to_bytes();
    assert!(verifier.verify(Token::parse(&bytes).unwrap()).is_ok());
    for i in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[i] ^= 1 << (i % 8);
        let refused = Token::parse(&altered).map_or(true, |token| verifier.verify(token).is_err());
        assert!(refused, "byte {i}");
    }
}

#[test]
fn another_issuers_key_id_is_refused_in_full_length() {
    let issuer = TestIssuer::new();
    let verifier = TokenVerifyingKey::new(issuer.public.clone()).unwrap();
    let mut token = issuer.token([1; 32]);
    // The truncated id, the last byte, stays.
    token.token_key_id.0[0] ^= 1;
    assert!(matches!(
        verifier.verify(token),
        Err(TokenVerifyError::KeyId { .. })
    ));
}

#[test]
fn an_issuer_that_answers_nonsense_is_found_out() {
    let issuer = TestIssuer::new();
    let pending = issuer.pending([1; 32]);
    let mut answer = issuer
        .pair
        .sk
        .blind_sign(&pending.request().blinded)
        .unwrap()
        .0;
    answer[10] ^= 1;
    let refused = Err(DrawError::BadAnswer(issuer.public.id()));
    assert_eq!(pending.finalize(&answer), refused);
    assert_eq!(pending.finalize(&answer[1..]), refused);
    assert_eq!(pending.finalize(&[0xff; 256]), refused);
}

#[test]
fn a_pending_token_survives_being_stored() {
    let issuer = TestIssuer::new();
    let pending = issuer.pending([1; 32]);
    let stored = pending.to_bytes();
    assert_eq!(stored.len(), PendingToken::STORED_SIZE);
    let restored = PendingToken::from_bytes(&stored).unwrap();
    assert_eq!(restored, pending);
    let answer = issuer
        .pair
        .sk
        .blind_sign(&restored.request().blinded)
        .unwrap();
    assert!(restored.finalize(&answer).is_ok());
}

#[test]
fn debug_output_tells_no_unblinder() {
    let pending = TestIssuer::new().pending([1; 32]);
    assert!(!format!("{pending:?}").contains("unblinder"));
}

#[test]
fn keys_with_other_parameters_are_refused() {
    let good = TestIssuer::new().public.spki().to_vec();
    let with = |at: usize, value: u8| {
        let mut spki = good.clone();
        spki[at] = value;
        TokenPublicKey::parse(&spki)
    };
    assert_eq!(with(66, 47), Err(PublicKeyError::Form)); // the salt length
    assert_eq!(with(341, 3), Err(PublicKeyError::Form)); // the exponent
    assert_eq!(with(336, 0), Err(PublicKeyError::Modulus)); // even
    assert_eq!(with(81, 0x7f), Err(PublicKeyError::Modulus)); // 2,047 bits
    assert_eq!(
        TokenPublicKey::parse(&good[..341]),
        Err(PublicKeyError::Size(341))
    );
    assert!(TokenPublicKey::parse(&good).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_make_a_key_or_a_state_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1000)) {
        let _ = TokenPublicKey::parse(&bytes);
        let _ = PendingToken::from_bytes(&bytes);
    }

    #[test]
    fn a_key_comes_back_as_it_went(mut modulus in proptest::collection::vec(any::<u8>(), 256)) {
        modulus[0] |= 0x80;
        modulus[255] |= 1;
        let modulus: [u8; 256] = modulus.try_into().unwrap();
        let key = TokenPublicKey::from_modulus(&modulus).unwrap();
        prop_assert_eq!(TokenPublicKey::parse(key.spki()), Ok(key.clone()));
        prop_assert_eq!(key.id(), TokenKeyId::of(key.spki()));
    }
}
