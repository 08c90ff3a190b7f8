use pennyblack_base::encoding;
use pennyblack_privacypass::token::TokenType;

use super::*;

/// The public key of RFC 9578's test vectors.
fn spki() -> Vec<u8> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/vectors/rfc9578-blindrsa/type2-issuance-test-vectors.json"
    );
    let vectors: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    hex::decode(vectors[0]["pkS"].as_str().unwrap()).unwrap()
}

/// A valid key that differs from the others in one byte of its modulus.
fn key(variant: u8, not_before: Option<u64>) -> DirectoryKey {
    let mut encoded = spki();
    encoded[200] = variant;
    DirectoryKey {
        token_type: TokenType::BLIND_RSA_2048,
        encoded,
        not_before: not_before.map(UnixTime),
    }
}

fn directory(token_keys: Vec<DirectoryKey>) -> IssuerDirectory {
    IssuerDirectory {
        request_uri: "/token-request".to_owned(),
        token_keys,
    }
}

#[test]
fn the_key_that_began_last_is_drawn_from_and_never_one_that_is_to_begin() {
    let keys = vec![key(1, Some(100)), key(2, Some(200)), key(3, Some(300))];
    let chosen = |now| current_key(&directory(keys.clone()), UnixTime(now)).map(|key| key.id());
    assert_eq!(chosen(199).unwrap(), keys[0].id());
    assert_eq!(chosen(200).unwrap(), keys[1].id());
    assert_eq!(chosen(1000).unwrap(), keys[2].id());
    assert!(matches!(chosen(99), Err(CarrierError::NoCurrentKey { .. })));
}

#[test]
fn without_times_the_issuers_first_key_is_drawn_from() {
    let keys = vec![key(1, None), key(2, None)];
    let chosen = current_key(&directory(keys.clone()), UnixTime(5)).unwrap();
    assert_eq!(chosen.id(), keys[0].id());
}

#[test]
fn a_key_of_another_form_is_refused_and_not_passed_over() {
    let mut odd = key(1, None);
    odd.encoded[341] = 3; // another exponent
    assert!(matches!(
        current_key(&directory(vec![odd]), UnixTime(5)),
        Err(CarrierError::Key(_))
    ));
}

#[test]
fn an_answer_to_fewer_requests_than_were_made_is_refused() {
    let key = TokenKey::parse(TokenType::BLIND_RSA_2048, &spki()).unwrap();
    let mut rng = rand::rng();
    let digest = pennyblack_privacypass::token::ChallengeDigest(encoding::sha256(b"challenge"));
    let parts: Vec<_> = (0..2)
        .map(|_| {
            let spend_key = SpendKey::generate(&mut rng);
            let pending = TokenToBe::blind(&key, spend_key.nonce(), digest, &mut rng).unwrap();
            DrawPart { pending, spend_key }
        })
        .collect();
    // A generic batch with one absent response.
    assert!(matches!(
        unblind(&parts, &[1, 0]),
        Err(CarrierError::AnswerCount {
            asked: 2,
            answered: 1
        })
    ));
    assert!(unblind(&parts, &[2, 0, 0]).unwrap().is_empty());
    // A response that is no signature.
    let mut forged = vec![0x42, 0x06, 1, 0, 2];
    forged.extend([7; 256]);
    forged.extend([1, 0, 2]);
    forged.extend([7; 256]);
    assert!(matches!(
        unblind(&parts, &forged),
        Err(CarrierError::Key(TokenKeyError::Draw(_)))
    ));
}
