use proptest::prelude::*;

use super::*;
use pennyblack_stir::test_pki::{Carrier, NOW, TestPki};

const BODY: &[u8] = b"a token request";

fn issuer() -> Authority {
    "issuer.example.net".parse().unwrap()
}

fn statement<'a>(iss: &'a str, audience: &'a Authority) -> Statement<'a> {
    Statement {
        iss,
        audience,
        body: BODY,
        now: NOW,
        lifetime: Duration::from_secs(60),
    }
}

fn check(
    token: &str,
    pki: &TestPki,
    now: UnixTime,
    body: &[u8],
) -> Result<Attested, AttestationError> {
    let current = UnverifiedAttestation::parse(token)?.check_current(&issuer(), now)?;
    let chain = pki.chain(current.certificate());
    current.verify(&chain, body)
}

/// A token with `claims` laid over those of a good one.
fn altered(carrier: &Carrier, changes: Value) -> String {
    let good = statement("683G", &issuer()).sign(&carrier.certificate, &carrier.key);
    let mut claims = UnverifiedJws::parse(&good)
        .unwrap()
        .claims()
        .unwrap()
        .into_rest();
    for (claim, value) in changes.as_object().unwrap() {
        claims.insert(claim.clone(), value.clone());
    }
    let header = JoseHeader {
        certificate: Some(carrier.certificate.clone()),
        ..JoseHeader::default()
    };
    jws::sign(&header, claims, &carrier.key)
}

fn refusal(changes: Value) -> AttestationError {
    let pki = TestPki::new();
    check(&altered(&pki.carrier("683G"), changes), &pki, NOW, BODY).unwrap_err()
}

#[test]
fn a_provider_attests_a_body_and_is_known_by_its_spc() {
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let token = statement("683G", &issuer()).sign(&carrier.certificate, &carrier.key);
    let attested = check(&token, &pki, NOW, BODY).unwrap();
    assert_eq!(attested.subject().to_string(), "spc:683G");
    assert_eq!(attested.body_digest(), &encoding::sha256(BODY));
    assert_eq!(attested.exp(), NOW.plus(Duration::from_secs(60)));
}

#[test]
fn a_block_is_one_subject_whichever_of_its_numbers_is_named() {
    let pki = TestPki::new();
    let carrier = pki.carrier("12155550100+100");
    let subject_of = |iss: &str| {
        let token = statement(iss, &issuer()).sign(&carrier.certificate, &carrier.key);
        check(&token, &pki, NOW, BODY).map(|attested| attested.subject().to_string())
    };
    assert_eq!(subject_of("12155550100").unwrap(), "tn:12155550100+100");
    assert_eq!(subject_of("12155550199").unwrap(), "tn:12155550100+100");
    assert!(matches!(
        subject_of("12155550200"),
        Err(AttestationError::Subject { .. })
    ));
}

#[test]
fn all_delegates_of_a_block_are_one_subject_however_it_is_cut_up() {
    let pki = TestPki::new();
    let holder = pki.delegating("12155550100+100");
    for (part, iss) in [
        ("12155550100+1", "12155550100"),
        ("12155550100+50", "12155550120"),
        ("12155550110+50", "12155550120"),
        ("12155550100+100", "12155550199"),
    ] {
        let delegate = holder.carrier(part);
        let token = statement(iss, &issuer()).sign(&delegate.certificate, &delegate.key);
        let attested = check(&token, &pki, NOW, BODY).unwrap();
        assert_eq!(
            attested.subject().to_string(),
            "tn:12155550100+100",
            "{part}"
        );
    }
    let delegate = holder.carrier("12155550100+50");
    let beyond = statement("12155550199", &issuer()).sign(&delegate.certificate, &delegate.key);
    assert!(matches!(
        check(&beyond, &pki, NOW, BODY),
        Err(AttestationError::Subject { .. })
    ));
}

#[test]
fn the_delegate_of_a_provider_is_the_provider() {
    let pki = TestPki::new();
    let delegate = pki.delegating("683G;4529").carrier("4529");
    let attest = |iss| {
        let token = statement(iss, &issuer()).sign(&delegate.certificate, &delegate.key);
        check(&token, &pki, NOW, BODY).map(|attested| attested.subject().to_string())
    };
    assert_eq!(attest("4529").unwrap(), "spc:4529,spc:683G");
    assert!(matches!(
        attest("683G"),
        Err(AttestationError::Subject { .. })
    ));
}

#[test]
fn a_certificate_is_one_subject_whichever_of_its_entries_is_named() {
    let pki = TestPki::new();
    let singles = |numbers: std::ops::Range<u64>, step| {
        let each = numbers.step_by(step).map(|n| format!("{n}+1"));
        pki.carrier(&each.collect::<Vec<_>>().join(";"))
    };
    let attest = |carrier: &Carrier, iss: &str| {
        let token = statement(iss, &issuer()).sign(&carrier.certificate, &carrier.key);
        check(&token, &pki, NOW, BODY).map(|attested| attested.subject().to_string())
    };
    let sixty = singles(12_155_550_100..12_155_550_160, 1);
    for iss in ["12155550100", "12155550159"] {
        assert_eq!(attest(&sixty, iss).unwrap(), "tn:12155550100+60");
    }
    for iss in ["683g", "683G"] {
        assert_eq!(attest(&pki.carrier("683g"), iss).unwrap(), "spc:683G");
    }
    let many = singles(12_155_550_100..12_155_550_358, 2);
    let refused = attest(&many, "12155550100").unwrap_err();
    let too_many = CoverageError::TooMany(129);
    assert_eq!(refused, AttestationError::Coverage(too_many));
}

#[test]
fn each_claim_that_is_wrong_has_its_own_refusal() {
    let (now, hour) = (NOW.0, 3600);
    assert!(matches!(
        refusal(json!({"action": "publish"})),
        AttestationError::Action(_)
    ));
    assert!(matches!(
        refusal(json!({"jti": "1"})),
        AttestationError::Jti(_)
    ));
    assert!(matches!(
        refusal(json!({"iat": now.to_string()})),
        AttestationError::Claim(_)
    ));
    assert!(matches!(
        refusal(json!({"request": "sha512-AAAA"})),
        AttestationError::DigestForm(_)
    ));
    assert!(matches!(
        refusal(json!({"request": "sha256-AAAA"})),
        AttestationError::DigestForm(_)
    ));
    assert!(matches!(
        refusal(json!({"aud": "other.example.net"})),
        AttestationError::Audience { .. }
    ));
    assert!(matches!(
        refusal(json!({"exp": now})),
        AttestationError::Lifetime { .. }
    ));
    assert!(matches!(
        refusal(json!({"exp": now + 301})),
        AttestationError::Lifetime { .. }
    ));
    assert!(matches!(
        refusal(json!({"iat": now + 31, "exp": now + 60})),
        AttestationError::NotYetValid { .. }
    ));
    assert!(matches!(
        refusal(json!({"iat": now - hour, "exp": now - hour + 300})),
        AttestationError::Expired { .. }
    ));
    assert!(matches!(
        refusal(json!({"iss": "4529"})),
        AttestationError::Subject { .. }
    ));
    let digest_of_another = digest_text(b"another");
    assert!(matches!(
        refusal(json!({"request": digest_of_another})),
        AttestationError::OtherBody
    ));
}

#[test]
fn the_first_wrong_thing_in_the_order_of_the_protocol_is_named() {
    let wrong = json!({
        "aud": "other.example.net", "exp": 1, "iss": "4529", "request": digest_text(b"another")
    });
    assert!(matches!(refusal(wrong), AttestationError::Audience { .. }));
    let wrong = json!({"exp": 1, "iss": "4529", "request": digest_text(b"another")});
    assert!(matches!(refusal(wrong), AttestationError::Lifetime { .. }));
    let wrong = json!({"iss": "4529", "request": digest_text(b"another")});
    assert!(matches!(refusal(wrong), AttestationError::Subject { .. }));
}

#[test]
fn a_stolen_certificate_is_no_attestation_without_its_key() {
    let pki = TestPki::new();
    let (carrier, thief) = (pki.carrier("683G"), pki.carrier("4529"));
    let token = statement("683G", &issuer()).sign(&carrier.certificate, &thief.key);
    assert!(matches!(
        check(&token, &pki, NOW, BODY),
        Err(AttestationError::Signature(_))
    ));
}

#[test]
fn a_token_is_for_exactly_one_body() {
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let token = statement("683G", &issuer()).sign(&carrier.certificate, &carrier.key);
    assert_eq!(
        check(&token, &pki, NOW, b"another"),
        Err(AttestationError::OtherBody)
    );
}

#[test]
fn a_passport_is_no_attestation() {
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let header = JoseHeader {
        typ: Some("passport".to_owned()),
        ppt: None,
        certificate: Some(carrier.certificate),
    };
    let token = jws::sign(&header, Map::new(), &carrier.key);
    assert!(matches!(
        UnverifiedAttestation::parse(&token),
        Err(AttestationError::Type(_))
    ));
}

#[test]
fn the_header_is_bearer_in_any_case_and_a_token() {
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let token = statement("683G", &issuer()).sign(&carrier.certificate, &carrier.key);
    assert!(UnverifiedAttestation::from_authorization(&format!("bearer {token}")).is_ok());
    for value in ["", "Bearer", token.as_str(), "Basic QTpC"] {
        let read = UnverifiedAttestation::from_authorization(value);
        assert_eq!(read.unwrap_err(), AttestationError::NotBearer, "{value}");
    }
}

#[test]
fn a_longer_attestation_than_any_is_not_read() {
    for size in [MAX_ATTESTATION_SIZE, MAX_ATTESTATION_SIZE + 1] {
        let read = UnverifiedAttestation::parse(&"x".repeat(size)).unwrap_err();
        let is_too_long = matches!(read, AttestationError::TooLong(_));
        assert_eq!(is_too_long, size > MAX_ATTESTATION_SIZE, "{read}");
    }
}

#[test]
fn a_longer_life_than_the_most_is_cut_to_the_most() {
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let issuer = issuer();
    let mut statement = statement("683G", &issuer);
    statement.lifetime = Duration::from_secs(86_400);
    let token = statement.sign(&carrier.certificate, &carrier.key);
    assert_eq!(
        check(&token, &pki, NOW, BODY).unwrap().exp(),
        NOW.plus(MAX_LIFETIME)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_attested_is_accepted_for_as_long_as_it_lives(
        lifetime in 1u64..=300,
        later in 0u64..400,
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let pki = TestPki::new();
        let carrier = pki.carrier("683G");
        let issuer = issuer();
        let mut statement = statement("683G", &issuer);
        statement.body = &body;
        statement.lifetime = Duration::from_secs(lifetime);
        let token = statement.sign(&carrier.certificate, &carrier.key);
        let checked = check(&token, &pki, NOW.plus(Duration::from_secs(later)), &body);
        prop_assert_eq!(checked.is_ok(), later < lifetime);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}") {
        let _ = UnverifiedAttestation::parse(&text);
        let _ = UnverifiedAttestation::from_authorization(&format!("Bearer {text}"));
        let _ = parse_digest(text);
    }
}
