use p256::elliptic_curve::sec1::ToSec1Point as _;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::MAX_CHAIN_LENGTH;

const VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/vectors/wycheproof/json_web_signature_test.json"
));

const PASSPORT_VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/certs/passport-vectors.json"
));

fn key() -> StirSigningKey {
    StirSigningKey::generate(&mut rand::rng())
}

fn public(key: &StirSigningKey) -> StirPublicKey {
    key.public_key().unwrap()
}

fn claims(json: Value) -> Map<String, Value> {
    json.as_object().unwrap().clone()
}

/// The public key of a Wycheproof group, a JWK.
fn public_from_jwk(jwk: &Value) -> StirPublicKey {
    let coordinate = |name: &str| encoding::from_base64url(jwk[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    StirPublicKey::from_sec1(&point).unwrap()
}

#[test]
fn every_es256_case_of_wycheproof_ends_as_it_must() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let groups = vectors["testGroups"].as_array().unwrap();
    let mut cases = 0;
    for group in groups
        .iter()
        .filter(|group| group["public"]["alg"] == "ES256")
    {
        let key = public_from_jwk(&group["public"]);
        for case in group["tests"].as_array().unwrap() {
            let token = case["jws"].as_str().unwrap();
            let verified = UnverifiedJws::parse(token).and_then(|jws| jws.verify(&key));
            assert_eq!(
                verified.is_ok(),
                case["result"] == "valid",
                "{case}: {verified:?}"
            );
            cases += 1;
        }
    }
    assert_eq!(cases, 39);
}

#[test]
fn no_token_of_another_algorithm_is_even_parsed() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let groups = vectors["testGroups"].as_array().unwrap();
    let mut cases = 0;
    for group in groups {
        let alg = &group["private"]["alg"];
        if alg.is_null() || alg == "ES256" {
            continue;
        }
        for case in group["tests"].as_array().unwrap() {
            let Some(token) = case["jws"].as_str() else {
                continue;
            };
            assert!(UnverifiedJws::parse(token).is_err(), "{case}");
            cases += 1;
        }
    }
    assert!(cases > 300, "{cases}");
}

#[test]
fn the_token_of_rfc_8225_section_7_1_verifies_with_the_second_published_key() {
    let vectors: Value = serde_json::from_str(PASSPORT_VECTORS).unwrap();
    let pem = vectors["keys"]["rfc8225_A2_public"].as_str().unwrap();
    let key: p256::PublicKey = p256::pkcs8::DecodePublicKey::from_public_key_pem(pem).unwrap();
    let key = StirPublicKey::from_sec1(key.to_sec1_point(false).as_bytes()).unwrap();
    let token = vectors["vectors"][1]["token"].as_str().unwrap();
    assert_eq!(UnverifiedJws::parse(token).unwrap().verify(&key), Ok(()));
}

#[test]
fn names_come_out_sorted_at_every_depth_and_without_white_space() {
    let header = JoseHeader {
        typ: Some("passport".to_owned()),
        ppt: Some("shaken".to_owned()),
        certificate: Some(CertificateReference::X5u(
            "https://a.example/c".parse().unwrap(),
        )),
    };
    let token = sign(
        &header,
        claims(json!({"b": {"d": 1, "c": [2]}, "a": 3})),
        &key(),
    );
    let parts: Vec<_> = token.split('.').collect();
    assert_eq!(
        encoding::from_base64url(parts[0]).unwrap(),
        br#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://a.example/c"}"#
    );
    assert_eq!(
        encoding::from_base64url(parts[1]).unwrap(),
        br#"{"a":3,"b":{"c":[2],"d":1}}"#
    );
}

/// A token with this header and payload and a signature of zeros.
fn unsigned(header: &str, payload: &str) -> String {
    let [header, payload] = [header, payload].map(|part| encoding::base64url(part.as_bytes()));
    format!(
        "{header}.{payload}.{}",
        encoding::base64url(&[0; SIGNATURE_SIZE])
    )
}

fn header_error(header: &str) -> HeaderError {
    match UnverifiedJws::parse(&unsigned(header, "{}")) {
        Err(JwsError::Header(error)) => error,
        other => panic!("{header}: {other:?}"),
    }
}

#[test]
fn headers_that_mislead_are_refused_each_for_its_reason() {
    assert!(matches!(
        header_error(r#"{"alg":"none"}"#),
        HeaderError::Algorithm(_)
    ));
    assert!(matches!(
        header_error(r#"{"alg":"es256"}"#),
        HeaderError::Algorithm(_)
    ));
    assert!(matches!(
        header_error(r#"{"alg":"ES256","alg":"ES256"}"#),
        HeaderError::Parameter(_)
    ));
    assert!(matches!(
        header_error(r#"{"typ":"passport"}"#),
        HeaderError::Parameter(_)
    ));
    assert!(matches!(
        header_error(r#"{"alg":"ES256","crit":["b64"],"b64":false}"#),
        HeaderError::Critical
    ));
    assert!(matches!(
        header_error(r#"{"alg":"ES256","x5c":[]}"#),
        HeaderError::CertificateCount(0)
    ));
    assert!(matches!(
        header_error(r#"{"alg":"ES256","x5c":["AA=="],"x5u":"https://a.example"}"#),
        HeaderError::TwoCertificates
    ));
    assert!(matches!(
        header_error(r#"{"alg":"ES256","x5c":["_w=="]}"#),
        HeaderError::CertificateText { index: 0, .. }
    ));
    assert!(matches!(
        header_error(r#"{"alg":"ES256","x5u":"http://a.example/c"}"#),
        HeaderError::X5u(_)
    ));
    let seven = vec!["AA=="; MAX_CHAIN_LENGTH + 1];
    assert!(matches!(
        header_error(&json!({"alg": "ES256", "x5c": seven}).to_string()),
        HeaderError::CertificateCount(7)
    ));
    let huge = "A".repeat(24_000);
    assert!(matches!(
        header_error(&json!({"alg": "ES256", "x5c": [huge]}).to_string()),
        HeaderError::CertificateSize { .. }
    ));
}

#[test]
fn no_more_values_are_read_than_a_token_needs_at_all_depths_together() {
    let parse = |items: usize| {
        let list = vec!["[1]"; items].join(",");
        ClaimSet::parse(format!(r#"{{"a":[{list}]}}"#).as_bytes())
    };
    // The object, the array, and two for each item.
    assert!(parse(255).is_ok());
    let Err(ClaimError::Json(why)) = parse(256) else {
        panic!("too many values were read");
    };
    assert!(why.contains("more than 512 values"), "{why}");
}

#[test]
fn a_claim_that_stands_twice_is_refused_at_any_depth() {
    for payload in [
        r#"{"iat":1,"iat":2}"#,
        r#"{"orig":{"tn":"1","tn":"2"}}"#,
        r#"[[{"a":1,"a":1}]]"#,
    ] {
        let jws = UnverifiedJws::parse(&unsigned(r#"{"alg":"ES256"}"#, payload)).unwrap();
        assert!(
            matches!(jws.claims(), Err(JwsError::Payload(ClaimError::Json(_)))),
            "{payload}"
        );
    }
}

#[test]
fn a_token_past_the_cap_is_not_decoded() {
    let token = "A".repeat(MAX_JWS_SIZE + 1);
    assert_eq!(
        UnverifiedJws::parse(&token),
        Err(JwsError::TooLong(MAX_JWS_SIZE + 1))
    );
}

#[test]
fn the_same_key_is_read_from_either_form_of_pem() {
    let key = key();
    let pem = key.to_pkcs8_pem().unwrap();
    let secret: p256::SecretKey = p256::pkcs8::DecodePrivateKey::from_pkcs8_pem(&pem).unwrap();
    let sec1 = secret.to_sec1_pem(p256::pkcs8::LineEnding::LF).unwrap();
    let openssl = format!(
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{}",
        *sec1
    );
    for pem in [
        key.to_pkcs8_pem().unwrap().as_str(),
        sec1.as_str(),
        openssl.as_str(),
    ] {
        assert_eq!(
            StirSigningKey::from_pem(pem).unwrap().public_key().unwrap(),
            key.public_key().unwrap()
        );
    }
    assert_eq!(
        StirSigningKey::from_pem("").unwrap_err(),
        SigningKeyError::Form
    );
    assert_eq!(format!("{key:?}"), "StirSigningKey(redacted)");
}

proptest! {
    #[test]
    fn what_was_signed_is_read_back_and_verifies(
        typ in proptest::option::of("[a-z]{1,9}"),
        certificates in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 1..=MAX_CHAIN_LENGTH),
        names in proptest::collection::btree_map("\\PC{0,9}", any::<u64>(), 0..9),
    ) {
        let key = key();
        let header = JoseHeader {
            typ,
            ppt: None,
            certificate: Some(CertificateReference::X5c(X5c::new(certificates).unwrap())),
        };
        let claims: Map<String, Value> = names.into_iter().map(|(k, v)| (k, v.into())).collect();
        let jws = UnverifiedJws::parse(&sign(&header, claims.clone(), &key)).unwrap();
        prop_assert_eq!(jws.header(), &header);
        prop_assert_eq!(jws.claims().unwrap().into_rest(), claims);
        prop_assert_eq!(jws.verify(&public(&key)), Ok(()));
    }

    #[test]
    fn one_altered_character_anywhere_breaks_it(position in 0usize..1000, with in "[A-Za-z0-9_-]") {
        let key = key();
        let token = sign(&JoseHeader::default(), claims(json!({"iat": 1})), &key);
        let position = position % token.len();
        let mut altered = token.clone();
        altered.replace_range(position..=position, &with);
        prop_assume!(altered != token);
        let verified = UnverifiedJws::parse(&altered).and_then(|jws| jws.verify(&public(&key)));
        prop_assert!(verified.is_err());
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}", header in "\\PC{0,40}", payload in "\\PC{0,40}") {
        let _ = UnverifiedJws::parse(&text);
        if let Ok(jws) = UnverifiedJws::parse(&unsigned(&header, &payload)) {
            let _ = jws.claims();
        }
        let _ = ClaimSet::parse(payload.as_bytes());
    }
}
