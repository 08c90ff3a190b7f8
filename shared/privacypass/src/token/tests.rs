use proptest::prelude::*;
use serde_json::Value;

use super::*;
use pennyblack_base::wire::WireError;

fn vectors(file: &str) -> Vec<Value> {
    let path = format!(
        "{}/../../tests/vectors/rfc9577/{file}",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap()
}

fn bytes(vector: &Value, key: &str) -> Vec<u8> {
    hex::decode(vector[key].as_str().unwrap_or_else(|| panic!("{key}"))).unwrap()
}

fn array(vector: &Value, key: &str) -> [u8; 32] {
    bytes(vector, key).try_into().unwrap()
}

/// Builds the challenge of a vector from its fields, by way of its encoding.
fn challenge_of(vector: &Value) -> TokenChallenge {
    let (issuer, context, origin) = (
        bytes(vector, "issuer_name"),
        bytes(vector, "redemption_context"),
        bytes(vector, "origin_info"),
    );
    let mut encoded = bytes(vector, "token_type");
    encoded.extend(u16::try_from(issuer.len()).unwrap().to_be_bytes());
    encoded.extend(&issuer);
    encoded.push(u8::try_from(context.len()).unwrap());
    encoded.extend(&context);
    encoded.extend(u16::try_from(origin.len()).unwrap().to_be_bytes());
    encoded.extend(&origin);
    let challenge = TokenChallenge::parse(&encoded).unwrap();
    assert_eq!(challenge.to_bytes(), encoded);
    challenge
}

#[test]
fn the_authenticator_inputs_of_rfc_9577_are_reproduced() {
    let mut checked = 0;
    for file in [
        "rfc9577-appendix-tokens.json",
        "auth_scheme_token_rfc9577.json",
        "token-test-vectors.json",
    ] {
        for vector in vectors(file) {
            let expected = bytes(&vector, "token_authenticator_input");
            if vector["token_type"] == "0000" {
                // The greased one: a type that must be carried and never accepted.
                assert_eq!(
                    Token::parse(&expected),
                    Err(TokenError::UnknownType(TokenType(0)))
                );
                continue;
            }
            let input = token_input(
                TokenType::BLIND_RSA_2048,
                Nonce(array(&vector, "nonce")),
                challenge_of(&vector).digest(),
                TokenKeyId(array(&vector, "token_key_id")),
            );
            assert_eq!(input, expected);
            checked += 1;
        }
    }
    assert_eq!(checked, 15);
}

#[test]
fn the_authenticate_headers_of_the_field_are_read() {
    let mut checked = 0;
    for file in [
        "auth_scheme_header_rfc9577.json",
        "auth_scheme_header_complicated.json",
    ] {
        for vector in vectors(file) {
            let found =
                parse_www_authenticate(vector["WWW-Authenticate"].as_str().unwrap()).unwrap();
            for (i, one) in found.iter().enumerate() {
                assert_eq!(one.token_key, bytes(&vector, &format!("token-key-{i}")));
                assert_eq!(
                    one.challenge.to_bytes(),
                    bytes(&vector, &format!("token-challenge-{i}"))
                );
                assert_eq!(one.max_age, vector[format!("max-age-{i}")].as_u64());
                assert_eq!(
                    u64::from(one.challenge.token_type().0),
                    vector[format!("token-type-{i}")].as_u64().unwrap()
                );
                checked += 1;
            }
            assert!(vector.get(format!("token-key-{}", found.len())).is_none());
        }
    }
    assert_eq!(checked, 4);
}

#[test]
fn an_emitted_challenge_is_quoted_and_padded_and_reads_back() {
    let one = AuthenticateChallenge {
        challenge: TokenChallenge::of_cps(
            TokenType::BLIND_RSA_2048,
            &"issuer.example".parse().unwrap(),
            &"cps.example:8443".parse().unwrap(),
        ),
        token_key: vec![7; 4],
        max_age: Some(60),
    };
    let text = one.to_header();
    assert!(text.ends_with("token-key=\"BwcHBw==\", max-age=\"60\""));
    assert_eq!(parse_www_authenticate(&text), Ok(vec![one]));
}

#[test]
fn other_schemes_around_ours_are_passed_over() {
    let text = "Basic realm=\"x, y\", Negotiate a/b==, Bearer";
    assert_eq!(parse_www_authenticate(text), Ok(vec![]));
}

#[test]
fn what_other_schemes_escape_and_challenges_that_nobody_knows_hide_no_good_one() {
    let good = AuthenticateChallenge {
        challenge: TokenChallenge::of_cps(
            TokenType::BLIND_RSA_2048,
            &"issuer.example".parse().unwrap(),
            &"cps.example".parse().unwrap(),
        ),
        token_key: vec![7; 4],
        max_age: None,
    };
    let text = good.to_header();
    for other in [
        r#"Basic realm="a\"b""#,
        r#"Basic realm="a, \"PrivateToken\" b\\""#,
        "PrivateToken challenge=\"2rrarg==\", token-key=\"AA==\"",
        "PrivateToken challenge=\"2rrarg==\"",
        "PrivateToken challenge=\"#\", token-key=\"AA==\"",
        "PrivateToken",
    ] {
        for value in [format!("{other}, {text}"), format!("{text}, {other}")] {
            assert_eq!(
                parse_www_authenticate(&value),
                Ok(vec![good.clone()]),
                "{value}"
            );
        }
    }
    let alone = parse_www_authenticate("PrivateToken challenge=\"2rrarg==\", token-key=\"AA==\"");
    assert!(matches!(alone, Err(HeaderError::Challenge(_))), "{alone:?}");
    let unended = parse_www_authenticate(r#"Basic realm="a\""#);
    assert!(
        matches!(unended, Err(HeaderError::Malformed(_))),
        "{unended:?}"
    );
}

#[test]
fn an_authorization_with_two_tokens_or_another_scheme_is_refused() {
    let token = token([1; 32], 256).authorization();
    for (value, error) in [
        ("Bearer abc".to_owned(), HeaderError::NoPrivateToken),
        (format!("{token}, {token}"), HeaderError::NoPrivateToken),
        (
            format!("{token}, token=\"AA==\""),
            HeaderError::Parameter("token"),
        ),
        ("PrivateToken".to_owned(), HeaderError::Parameter("token")),
    ] {
        assert_eq!(Token::from_authorization(&value), Err(error.into()));
    }
}

#[test]
fn a_value_of_nothing_but_schemes_is_given_up_early() {
    let schemes = "a,".repeat(65);
    assert_eq!(parse_www_authenticate(&schemes), Err(HeaderError::TooMany));
    assert_eq!(parse_www_authenticate(&schemes[2..]), Ok(vec![]));
    let parameters = format!("a {}", "b=c,".repeat(64));
    assert_eq!(
        parse_www_authenticate(&parameters),
        Err(HeaderError::TooMany)
    );
}

#[test]
fn the_scheme_is_read_in_any_case_and_the_value_without_quotes() {
    let token = token([1; 32], 256);
    let text = token.authorization();
    let bare = text
        .replace('"', "")
        .replace("PrivateToken", "privatetoken");
    assert_eq!(Token::from_authorization(&bare), Ok(token));
}

#[test]
fn a_token_with_a_byte_too_many_or_too_few_is_refused() {
    let mut bytes = token([1; 32], 256).to_bytes();
    bytes.push(0);
    assert_eq!(
        Token::parse(&bytes),
        Err(WireError::TrailingBytes(1).into())
    );
    bytes.truncate(353);
    assert!(matches!(
        Token::parse(&bytes),
        Err(TokenError::Form(WireError::Truncated { .. }))
    ));
}

#[test]
fn a_redemption_context_of_any_other_size_is_refused() {
    let mut encoded = vec![0, 2, 0, 1, b'i', 31];
    encoded.extend([0; 33]);
    assert_eq!(
        TokenChallenge::parse(&encoded),
        Err(ChallengeError::RedemptionContext(31))
    );
}

#[test]
fn the_truncated_key_id_is_the_last_byte() {
    let mut id = [0; 32];
    id[31] = 8;
    assert_eq!(TokenKeyId(id).truncated(), 8);
}

fn token(nonce: [u8; 32], size: usize) -> Token {
    Token {
        token_type: TokenType::BLIND_RSA_2048,
        nonce: Nonce(nonce),
        challenge_digest: ChallengeDigest([2; 32]),
        token_key_id: TokenKeyId([3; 32]),
        authenticator: vec![4; size].into(),
    }
}

proptest! {
    #[test]
    fn a_token_comes_back_as_it_went(nonce: [u8; 32], fill: u8) {
        let mut token = token(nonce, 256);
        token.authenticator.fill(fill);
        prop_assert_eq!(Token::parse(&token.to_bytes()), Ok(token.clone()));
        prop_assert_eq!(Token::from_authorization(&token.authorization()), Ok(token));
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _ = Token::parse(&bytes);
        if let Ok(challenge) = TokenChallenge::parse(&bytes) {
            prop_assert_eq!(challenge.to_bytes(), bytes);
        }
    }

    #[test]
    fn no_text_makes_a_header_panic(text in "(PrivateToken|[a-z ]{0,6})[ -~é,=\"\\\\]{0,60}") {
        let _ = parse_www_authenticate(&text);
        let _ = Token::from_authorization(&text);
    }
}
