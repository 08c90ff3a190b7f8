mod vectors;

use std::convert::Infallible;

use proptest::prelude::*;
use rand::{TryCryptoRng, TryRng};
use serde_json::Value;

use super::*;
use crate::issuance::{
    AmortizedRequest, AmortizedResponse, TokenRequest, parse_batch, parse_batch_answer,
    response_size,
};
use crate::token::{Nonce, Token, TokenChallenge, TokenKeyId, TokenVerifyError};

/// Gives out what it was given: a vector's blind, so that blinding is reproduced.
struct FixedRng(Vec<u8>);

impl TryRng for FixedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("scalars are drawn as bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("scalars are drawn as bytes")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(bytes.len());
        bytes.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for FixedRng {}

/// Randomness from which exactly these scalars are drawn.
fn drawing(suite: Suite, scalars: &[Vec<u8>]) -> FixedRng {
    let each = scalars.iter().map(|scalar| match suite {
        Suite::P384 => scalar.clone(),
        // 64 bytes, little-endian, are reduced modulo the order.
        Suite::Ristretto255 => [scalar.as_slice(), &[0; 32]].concat(),
    });
    FixedRng(each.flatten().collect())
}

fn vectors(file: &str) -> Vec<Value> {
    let path = format!("{}/../tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap()
}

fn bytes(vector: &Value, key: &str) -> Vec<u8> {
    hex::decode(vector[key].as_str().unwrap_or_else(|| panic!("{key}"))).unwrap()
}

fn many(vector: &Value, key: &str) -> Vec<Vec<u8>> {
    let all = vector[key].as_array().unwrap().iter();
    all.map(|one| hex::decode(one.as_str().unwrap()).unwrap())
        .collect()
}

/// The key of a vector, with its published half compared.
fn key_of(vector: &Value, suite: Suite) -> VoprfPrivateKey {
    let key = VoprfPrivateKey::from_bytes(suite, &bytes(vector, "skS")).unwrap();
    assert_eq!(key.public().encoded(), bytes(vector, "pkS"));
    assert_eq!(*key.to_bytes(), bytes(vector, "skS"));
    key
}

/// The token of a vector to be, blinded with the vector's blind.
fn pending_of(vector: &Value, suite: Suite, nonce: &[u8], blind: &[u8]) -> PendingVoprfToken {
    let public = VoprfPublicKey::parse(suite, &bytes(vector, "pkS")).unwrap();
    let challenge = TokenChallenge::parse(&bytes(vector, "token_challenge")).unwrap();
    let nonce = Nonce(nonce.try_into().unwrap());
    let mut rng = drawing(suite, &[blind.to_vec()]);
    PendingVoprfToken::blind(&public, nonce, challenge.digest(), &mut rng).unwrap()
}

fn single(vector: &Value) -> (Suite, PendingVoprfToken) {
    let token = Token::parse(&bytes(vector, "token")).unwrap();
    let suite = Suite::of(token.token_type).unwrap();
    let pending = pending_of(
        vector,
        suite,
        &bytes(vector, "nonce"),
        &bytes(vector, "blind"),
    );
    (suite, pending)
}

/// Evaluates a request as an issuer does, and encodes the answer.
fn answer(key: &VoprfPrivateKey, request: &TokenRequest) -> Vec<u8> {
    let suite = key.public().suite();
    let blinded = BlindedElement::parse(suite, request.blinded.clone()).unwrap();
    let evaluation = key.evaluate(&[blinded], &mut rand::rng()).unwrap();
    [&evaluation.elements()[0], evaluation.proof()].concat()
}

const BOTH: [Suite; 2] = [Suite::P384, Suite::Ristretto255];

fn fresh_key(suite: Suite) -> VoprfPrivateKey {
    VoprfPrivateKey::generate(suite, &mut rand::rng()).unwrap()
}

fn fresh_pending(key: &VoprfPrivateKey, number: u8) -> PendingVoprfToken {
    let challenge = crate::token::ChallengeDigest([7; 32]);
    let nonce = Nonce([number; 32]);
    PendingVoprfToken::blind(key.public(), nonce, challenge, &mut rand::rng()).unwrap()
}

fn fresh_token(key: &VoprfPrivateKey) -> Token {
    let pending = fresh_pending(key, 1);
    pending.finalize(&answer(key, &pending.request())).unwrap()
}

#[test]
fn the_identity_and_elements_that_are_not_canonical_are_refused() {
    let order_p384 = "ffffffffffffffffffffffffffffffffffffffffffffffff\
                      c7634d81f4372ddf581a0db248b0a77aecec196accc52973";
    let order_ristretto = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let refused = |suite, element: &[u8]| {
        let blinded = BlindedElement::parse(suite, element.into());
        assert_eq!(blinded.unwrap_err(), VoprfError::Element(suite));
        assert!(VoprfPublicKey::parse(suite, element).is_err());
    };
    for (suite, order) in [
        (Suite::P384, order_p384),
        (Suite::Ristretto255, order_ristretto),
    ] {
        let good = fresh_key(suite).public().encoded().to_vec();
        refused(suite, &[]);
        refused(suite, &good[1..]);
        refused(suite, &[&good[..], &[0]].concat());
        refused(suite, &vec![0; good.len()]);
        refused(suite, &vec![0xff; good.len()]);
        for secret in [
            vec![0; suite.scalar_size()],
            hex::decode(order).unwrap(),
            vec![0xff; suite.scalar_size()],
            vec![1; suite.scalar_size() - 1],
        ] {
            let key = VoprfPrivateKey::from_bytes(suite, &secret);
            assert_eq!(key.unwrap_err(), VoprfError::PrivateKey(suite));
        }
    }
    // The encodings of SEC 1 that RFC 9497 does not use: identity, uncompressed
    // and compact.
    refused(Suite::P384, &[0]);
    let mut compact = fresh_key(Suite::P384).public().encoded().to_vec();
    for tag in [0, 1, 4, 5, 6] {
        compact[0] = tag;
        refused(Suite::P384, &compact);
    }
    // A negative field element, and one not less than the prime (RFC 9496 appendix A.2).
    let mut negative = [0; 32];
    negative[0] = 1;
    refused(Suite::Ristretto255, &negative);
    let above = "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    refused(Suite::Ristretto255, &hex::decode(above).unwrap());
}

#[test]
fn an_altered_token_and_one_of_another_key_are_refused() {
    for suite in BOTH {
        let (key, other) = (fresh_key(suite), fresh_key(suite));
        let token = fresh_token(&key);
        assert!(key.verify(token.clone()).is_ok());
        let size = token.authenticator.len();
        assert_eq!(
            Some(size),
            suite.token_type().authenticator_size(),
            "{suite:?}"
        );
        for place in [0, size - 1] {
            let mut altered = token.clone();
            altered.authenticator[place] ^= 1;
            assert_eq!(key.verify(altered), Err(TokenVerifyError::Authenticator));
        }
        for short in [&token.authenticator[1..], &[]] {
            let mut altered = token.clone();
            altered.authenticator = short.into();
            assert_eq!(key.verify(altered), Err(TokenVerifyError::Authenticator));
        }
        let mut altered = token.clone();
        altered.nonce.0[0] ^= 1;
        assert_eq!(key.verify(altered), Err(TokenVerifyError::Authenticator));
        let mut relabelled = token.clone();
        relabelled.token_key_id = other.id();
        assert_eq!(
            other.verify(relabelled),
            Err(TokenVerifyError::Authenticator)
        );
        assert!(matches!(
            other.verify(token.clone()),
            Err(TokenVerifyError::KeyId { .. })
        ));
        let mut of_rsa = token;
        of_rsa.token_type = TokenType::BLIND_RSA_2048;
        assert_eq!(
            key.verify(of_rsa),
            Err(TokenVerifyError::Type(TokenType::BLIND_RSA_2048))
        );
    }
}

/// What marks a client: an issuer that evaluates with a key of its own for him.
#[test]
fn an_answer_made_with_another_key_than_the_published_one_is_refused() {
    for suite in BOTH {
        let (key, other) = (fresh_key(suite), fresh_key(suite));
        let pending = fresh_pending(&key, 1);
        let bad = Err(VoprfDrawError::BadAnswer(key.id()));
        let marked = answer(&other, &pending.request());
        assert_eq!(pending.finalize(&marked), bad);
        let good = answer(&key, &pending.request());
        for wrong in [
            &good[1..],
            &good[..good.len() - 1],
            &[],
            &[&good[..], &[0]].concat(),
        ] {
            assert_eq!(pending.finalize(wrong), bad);
        }
        assert!(pending.finalize(&good).is_ok());
    }
}

#[test]
fn elements_of_a_batch_that_change_places_are_refused() {
    for suite in BOTH {
        let key = fresh_key(suite);
        let pending: Vec<_> = (0..3).map(|number| fresh_pending(&key, number)).collect();
        let request = batch_request(&pending).unwrap().blinded.into_iter();
        let blinded: Vec<_> = request
            .map(|element| BlindedElement::parse(suite, element).unwrap())
            .collect();
        let evaluation = key.evaluate(&blinded, &mut rand::rng()).unwrap();
        let mut response = AmortizedResponse::from(&evaluation);
        assert_eq!(finalize_batch(&pending, &response).unwrap().len(), 3);
        response.elements.swap(0, 2);
        let bad = Err(VoprfDrawError::BadAnswer(key.id()));
        assert_eq!(finalize_batch(&pending, &response), bad);
        response.elements.pop();
        let (asked, answered) = (3, 2);
        let counted = Err(VoprfDrawError::Count { asked, answered });
        assert_eq!(finalize_batch(&pending, &response), counted);
        let stranger = fresh_pending(&fresh_key(suite), 9);
        let mixed = [pending[0].clone(), stranger];
        assert!(matches!(
            batch_request(&mixed),
            Err(VoprfDrawError::OtherKey(_))
        ));
    }
}

#[test]
fn a_wrong_evaluation_does_not_pass_the_self_check() {
    for suite in BOTH {
        let (key, other) = (fresh_key(suite), fresh_key(suite));
        let blinded = fresh_pending(&key, 1).request().blinded;
        let element = BlindedElement::parse(suite, blinded.clone()).unwrap();
        let evaluate = |key: &VoprfPrivateKey| {
            let elements = std::slice::from_ref(&element);
            key.evaluate(elements, &mut rand::rng()).unwrap()
        };
        let blinded = [blinded];
        assert!(key.self_check(&blinded, evaluate(&key)).is_ok());
        let wrong_key = key.self_check(&blinded, evaluate(&other));
        assert_eq!(wrong_key, Err(VoprfError::Proof));
        for place in 0..suite.proof_size() {
            let mut wrong = evaluate(&key);
            wrong.proof[place] ^= 1;
            assert_eq!(key.self_check(&blinded, wrong), Err(VoprfError::Proof));
        }
    }
}

#[test]
fn nothing_and_a_mixture_of_groups_are_not_evaluated() {
    let (p384, ristretto) = (fresh_key(Suite::P384), fresh_key(Suite::Ristretto255));
    let foreign = fresh_pending(&ristretto, 1).request().blinded;
    let foreign = BlindedElement::parse(Suite::Ristretto255, foreign).unwrap();
    assert_eq!(
        p384.evaluate(&[foreign], &mut rand::rng()),
        Err(VoprfError::OtherSuite(Suite::Ristretto255))
    );
    assert_eq!(
        p384.evaluate(&[], &mut rand::rng()),
        Err(VoprfError::BatchSize(0))
    );
}

#[test]
fn a_stored_state_comes_back_and_makes_the_same_token() {
    for suite in BOTH {
        let key = fresh_key(suite);
        let pending = fresh_pending(&key, 1);
        let stored = pending.to_bytes();
        let restored = PendingVoprfToken::from_bytes(&stored).unwrap();
        assert!(restored == pending);
        let answer = answer(&key, &pending.request());
        assert_eq!(restored.finalize(&answer), pending.finalize(&answer));
        for length in 0..stored.len() {
            assert!(PendingVoprfToken::from_bytes(&stored[..length]).is_err());
        }
    }
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    for suite in BOTH {
        let key = fresh_key(suite);
        let pending = fresh_pending(&key, 1);
        let said = format!("{key:?} {pending:?}");
        assert!(said.contains("VoprfPrivateKey"), "{said}");
        assert!(!said.contains(&format!("{:?}", &key.to_bytes()[..4]).replace(['[', ']'], "")));
        assert!(!said.contains(&hex::encode(&*key.to_bytes())));
        assert!(!said.contains("state"), "{said}");
    }
}

#[test]
fn the_id_of_a_key_is_the_digest_of_its_encoding() {
    let key = fresh_key(Suite::Ristretto255);
    assert_eq!(key.id(), TokenKeyId::of(key.public().encoded()));
    assert_eq!(key.id(), key.public().id());
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = PendingVoprfToken::from_bytes(&bytes);
        for suite in BOTH {
            let _ = VoprfPublicKey::parse(suite, &bytes);
            let _ = VoprfPrivateKey::from_bytes(suite, &bytes);
            let _ = BlindedElement::parse(suite, bytes.clone().into());
        }
    }

    #[test]
    fn no_element_is_read_that_is_written_otherwise(
        tag in 0_u8..8,
        bytes in proptest::collection::vec(any::<u8>(), 48),
    ) {
        let p384 = [&[tag][..], &bytes].concat();
        for (suite, bytes) in [(Suite::P384, p384.as_slice()), (Suite::Ristretto255, &bytes[..32])] {
            if let Ok(key) = VoprfPublicKey::parse(suite, bytes) {
                prop_assert_eq!(key.encoded(), bytes);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn no_answer_makes_finalizing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for suite in BOTH {
            let pending = fresh_pending(&fresh_key(suite), 1);
            prop_assert!(pending.finalize(&bytes).is_err());
        }
    }
}
