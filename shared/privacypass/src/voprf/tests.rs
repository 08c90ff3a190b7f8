mod rfc9497;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::token::{ChallengeDigest, Nonce, Token, TokenChallenge, TokenVerifyError};

const BOTH: [VoprfKind; 2] = [VoprfKind::P384, VoprfKind::Ristretto255];

fn vectors(name: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/").to_owned() + name;
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap()
}

fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// A token to be with the blinding factor of a vector.
fn pending(
    key: &VoprfPublicKey,
    challenge: &[u8],
    nonce: &Value,
    blind: &Value,
    blinded: &[u8],
) -> PendingVoprfToken {
    let nonce = Nonce(unhex(nonce).try_into().unwrap());
    let digest = TokenChallenge::parse(challenge).unwrap().digest();
    let state = [&unhex(blind), blinded].concat();
    PendingVoprfToken::restore(key.clone(), nonce, digest, &state).unwrap()
}

#[test]
fn single_issuance_agrees_with_the_vectors() {
    for (name, kind) in [
        ("rfc9578-voprf/rfc9578-appendix.json", VoprfKind::P384),
        (
            "rfc9578-voprf/type5-issuance-test-vectors.json",
            VoprfKind::Ristretto255,
        ),
    ] {
        let vectors = vectors(name);
        assert_eq!(vectors.len(), 5);
        for vector in &vectors {
            let secret = VoprfSecretKey::from_bytes(kind, &unhex(&vector["skS"])).unwrap();
            let key = secret.public();
            assert_eq!(key.encoded(), unhex(&vector["pkS"]));
            let request = unhex(&vector["token_request"]);
            let pending = pending(
                key,
                &unhex(&vector["token_challenge"]),
                &vector["nonce"],
                &vector["blind"],
                &request[3..],
            );
            assert_eq!(pending.request().to_bytes(), request);

            let response = unhex(&vector["token_response"]);
            let ours = secret.evaluate(&[pending.blinded()]).unwrap();
            // The proof is random, the evaluation is not.
            let element = kind.element_size();
            assert_eq!(ours[..element], response[..element]);
            assert_eq!(ours.len(), response.len());

            let token = pending.finalize(&response).unwrap();
            assert_eq!(token.to_bytes(), unhex(&vector["token"]));
            assert_eq!(pending.finalize(&ours).as_ref(), Ok(&token));
            assert_eq!(secret.verify(token.clone()).unwrap().token(), &token);
        }
    }
}

#[test]
fn amortized_batches_agree_with_the_vectors() {
    for (name, kind) in [
        (
            "batched-amortized/type1-issuance-test-vectors.json",
            VoprfKind::P384,
        ),
        (
            "batched-amortized/type5-issuance-test-vectors.json",
            VoprfKind::Ristretto255,
        ),
    ] {
        for vector in vectors(name) {
            let secret = VoprfSecretKey::from_bytes(kind, &unhex(&vector["skS"])).unwrap();
            let request = unhex(&vector["token_request"]);
            let parsed = AmortizedRequest::parse(&request, 10).unwrap();
            assert_eq!(parsed.kind, kind);
            assert_eq!(parsed.to_bytes(), request);
            assert_eq!(
                parsed.truncated_token_key_id,
                secret.public().id().truncated()
            );

            let challenge = unhex(&vector["token_challenge"]);
            let (nonces, blinds) = (&vector["nonces"], &vector["blinds"]);
            let parts = parsed.blinded.iter().enumerate();
            let pending: Vec<_> = parts
                .map(|(i, blinded)| {
                    pending(secret.public(), &challenge, &nonces[i], &blinds[i], blinded)
                })
                .collect();
            let pending: Vec<_> = pending.iter().collect();
            let response = unhex(&vector["token_response"]);
            let theirs = AmortizedResponse::parse(kind, &response, 10).unwrap();
            assert_eq!(theirs.to_bytes(), response);
            let ours = secret.evaluate(&parsed.blinded).unwrap();
            let cut = AmortizedResponse::of_evaluation(kind, &ours[1..]);
            assert!(matches!(cut, Err(VoprfError::Encoding { .. })));
            let cut = AmortizedResponse::of_evaluation(kind, &ours[..kind.proof_size() - 1]);
            assert!(matches!(cut, Err(VoprfError::Encoding { .. })));
            let ours = AmortizedResponse::of_evaluation(kind, &ours).unwrap();
            assert_eq!(ours.evaluated, theirs.evaluated);

            let expected = vector["tokens"].as_array().unwrap().iter().map(unhex);
            let expected: Vec<_> = expected.collect();
            for response in [theirs, ours] {
                let tokens = finalize_amortized(&pending, &response).unwrap();
                let tokens: Vec<_> = tokens.iter().map(Token::to_bytes).collect();
                assert_eq!(tokens, expected);
            }
        }
    }
}

fn drawn(kind: VoprfKind) -> (VoprfSecretKey, PendingVoprfToken, Vec<u8>) {
    let secret = VoprfSecretKey::generate(kind).unwrap();
    let key = secret.public().clone();
    let pending = PendingVoprfToken::blind(&key, Nonce([1; 32]), ChallengeDigest([2; 32])).unwrap();
    let response = secret.evaluate(&[pending.blinded()]).unwrap();
    (secret, pending, response)
}

#[test]
fn a_token_verifies_under_its_key_and_no_other_and_not_altered() {
    for kind in BOTH {
        let (secret, pending, response) = drawn(kind);
        let token = pending.finalize(&response).unwrap();
        assert!(secret.verify(token.clone()).is_ok());
        let other = VoprfSecretKey::generate(kind).unwrap();
        assert!(matches!(
            other.verify(token.clone()),
            Err(TokenVerifyError::KeyId { .. })
        ));
        let mut relabelled = token.clone();
        relabelled.token_key_id = other.public().id();
        assert_eq!(
            other.verify(relabelled),
            Err(TokenVerifyError::Authenticator)
        );
        let mut altered = token.clone();
        altered.nonce.0[5] ^= 1;
        assert_eq!(secret.verify(altered), Err(TokenVerifyError::Authenticator));
        let mut shorter = token;
        shorter.authenticator = shorter.authenticator[1..].into();
        assert_eq!(secret.verify(shorter), Err(TokenVerifyError::Authenticator));
    }
}

#[test]
fn an_answer_under_another_key_is_no_token() {
    for kind in BOTH {
        let (_, pending, _) = drawn(kind);
        let marking = VoprfSecretKey::generate(kind).unwrap();
        let response = marking.evaluate(&[pending.blinded()]).unwrap();
        assert_eq!(pending.finalize(&response), Err(VoprfError::Proof));
    }
}

#[test]
fn the_identity_and_other_spellings_are_refused() {
    let p384_identity = [0; 49];
    let ristretto_identity = [0; 32];
    // 2^255 - 18 spells 1 once more, which is on no coset; negative elements are odd.
    let mut negative = [0; 32];
    negative[0] = 1;
    for (kind, bytes) in [
        (VoprfKind::P384, p384_identity.as_slice()),
        (VoprfKind::Ristretto255, &ristretto_identity),
        (VoprfKind::Ristretto255, &negative),
        (VoprfKind::Ristretto255, &[0xff; 32]),
        (VoprfKind::P384, &[0xff; 49]),
        (VoprfKind::P384, &[2; 48]),
    ] {
        assert!(VoprfPublicKey::parse(kind, bytes).is_err(), "{bytes:?}");
        let secret = VoprfSecretKey::generate(kind).unwrap();
        assert!(secret.evaluate(&[bytes]).is_err(), "{bytes:?}");
    }
    for kind in BOTH {
        assert!(VoprfSecretKey::from_bytes(kind, &vec![0; kind.scalar_size()]).is_err());
        assert!(VoprfSecretKey::from_bytes(kind, &vec![0xff; kind.scalar_size()]).is_err());
        let nothing: [&[u8]; 0] = [];
        let secret = VoprfSecretKey::generate(kind).unwrap();
        assert_eq!(secret.evaluate(&nothing), Err(VoprfError::Batch));
    }
}

#[test]
fn a_secret_comes_back_from_its_file_and_shows_nowhere_else() {
    for kind in BOTH {
        let secret = VoprfSecretKey::generate(kind).unwrap();
        let bytes = secret.to_bytes();
        assert_eq!(bytes.len(), kind.scalar_size());
        let again = VoprfSecretKey::from_bytes(kind, &bytes).unwrap();
        assert_eq!(again.public(), secret.public());
        assert!(!format!("{secret:?}").contains(&hex::encode(&bytes[..8])));
    }
}

proptest! {
    #[test]
    fn an_amortized_request_comes_back_as_it_went(
        p384 in any::<bool>(),
        truncated_token_key_id: u8,
        elements in 1usize..5,
        fill: u8,
    ) {
        let kind = if p384 { VoprfKind::P384 } else { VoprfKind::Ristretto255 };
        let element: Box<[u8]> = vec![fill; kind.element_size()].into();
        let request = AmortizedRequest {
            kind,
            truncated_token_key_id,
            blinded: vec![element.clone(); elements],
        };
        prop_assert_eq!(&AmortizedRequest::parse(&request.to_bytes(), 5).unwrap(), &request);
        prop_assert!(AmortizedRequest::parse(&request.to_bytes(), elements - 1).is_err());
        let response = AmortizedResponse {
            evaluated: vec![element; elements],
            proof: vec![fill; kind.proof_size()].into(),
        };
        let parsed = AmortizedResponse::parse(kind, &response.to_bytes(), 5);
        prop_assert_eq!(parsed.unwrap(), response);
    }

    #[test]
    fn no_bytes_make_anything_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = AmortizedRequest::parse(&bytes, 3);
        for kind in BOTH {
            let _ = AmortizedResponse::parse(kind, &bytes, 3);
            let _ = VoprfPublicKey::parse(kind, &bytes);
            let _ = VoprfSecretKey::from_bytes(kind, &bytes);
        }
    }
}
