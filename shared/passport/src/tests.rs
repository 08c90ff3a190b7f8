use proptest::prelude::*;
use serde_json::json;

use super::*;
use pennyblack_base::encoding;
use pennyblack_base::time::UnixTime;

const VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/certs/passport-vectors.json"
));

/// A token with this header and these claims and a signature of zeros.
pub(super) fn unsigned(header: &Value, claims: &Value) -> String {
    let [header, claims] =
        [header, claims].map(|part| encoding::base64url(part.to_string().as_bytes()));
    format!("{header}.{claims}.{}", encoding::base64url(&[0; 64]))
}

pub(super) fn header(ppt: Option<&str>) -> Value {
    let mut header =
        json!({"alg": "ES256", "typ": "passport", "x5u": "https://cert.example.org/p.cer"});
    if let Some(ppt) = ppt {
        header["ppt"] = json!(ppt);
    }
    header
}

pub(super) fn shaken_claims() -> Value {
    json!({
        "attest": "A",
        "dest": {"tn": ["12155551213"]},
        "iat": 1_790_000_000,
        "orig": {"tn": "12155551212"},
        "origid": "123e4567-e89b-12d3-a456-426655440000",
    })
}

pub(super) fn shaken() -> String {
    unsigned(&header(Some("shaken")), &shaken_claims())
}

pub(super) fn altered(claim: &str, value: Value) -> Result<UnverifiedPassport, PassportError> {
    let mut claims = shaken_claims();
    match value {
        Value::Null => {
            claims.as_object_mut().unwrap().shift_remove(claim);
        }
        value => claims[claim] = value,
    }
    UnverifiedPassport::parse(&unsigned(&header(Some("shaken")), &claims))
}

#[test]
fn published_examples_are_read_exactly_when_they_follow_their_rfc() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    for vector in vectors {
        let parsed = UnverifiedPassport::parse(vector["token"].as_str().unwrap());
        assert_eq!(
            parsed.is_ok(),
            vector["expect"]["parse_ok"] == true,
            "{vector}: {parsed:?}"
        );
    }
    assert_eq!(vectors.len(), 6);
}

#[test]
fn published_signatures_verify_with_the_keys_that_the_vectors_name() {
    use p256::elliptic_curve::sec1::ToSec1Point as _;
    use p256::pkcs8::DecodePublicKey as _;
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let key = |name: &str| {
        let pem = vectors["keys"][name].as_str().unwrap();
        let key = p256::PublicKey::from_public_key_pem(pem).unwrap();
        pennyblack_stir::StirPublicKey::from_sec1(key.to_sec1_point(false).as_bytes()).unwrap()
    };
    let mut checked = 0;
    for vector in vectors["vectors"].as_array().unwrap() {
        // http in x5u makes libstirshaken's token no JWS for us to begin with.
        let Ok(jws) = UnverifiedJws::parse(vector["token"].as_str().unwrap()) else {
            assert_eq!(vector["name"], "libstirshaken-ref");
            continue;
        };
        for (claim, names) in [
            ("verifies_with_A1_key", ["rfc8225_A1_public"].as_slice()),
            ("verifies_with_A2_key", &["rfc8225_A2_public"]),
            (
                "verifies_with_rfc8225_keys",
                &["rfc8225_A1_public", "rfc8225_A2_public"],
            ),
            ("verifies", &["rfc8225_A1_public", "rfc8225_A2_public"]),
        ] {
            let Some(expected) = vector["expect"][claim].as_bool() else {
                continue;
            };
            for name in names {
                assert_eq!(jws.verify(&key(name)).is_ok(), expected, "{vector}");
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 7);
}

#[test]
fn the_serialization_is_that_of_rfc_8225_appendix_a() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let token = vectors["vectors"][0]["token"].as_str().unwrap();
    let passport = UnverifiedPassport::parse(token).unwrap();
    let key = StirSigningKey::generate(&mut rand::rng());
    let ours = passport.claims().sign(passport.certificate(), &key);
    let signed = |token: &str| token.rsplit_once('.').unwrap().0.to_owned();
    assert_eq!(signed(&ours), signed(token));
}

#[test]
fn what_deployed_verifiers_let_pass_is_refused_here() {
    assert!(altered("attest", json!("A")).is_ok());
    for attest in ["Z", "a", "", "AB"] {
        let refused = altered("attest", json!(attest));
        assert!(matches!(
            refused,
            Err(PassportError::Claims(ClaimsError::Attest(_)))
        ));
    }
    for claim in ["orig", "dest", "iat", "attest", "origid"] {
        let refused = altered(claim, Value::Null);
        let missing = ClaimsError::Claim(ClaimError::Missing(claim));
        assert_eq!(refused, Err(PassportError::Claims(missing)));
    }
    for iat in [json!("1790000000"), json!(-1), json!(-0.5), json!(1e300)] {
        assert!(matches!(
            altered("iat", iat),
            Err(PassportError::Claims(ClaimsError::Claim(
                ClaimError::Type { claim: "iat", .. }
            )))
        ));
    }
}

#[test]
fn parties_are_named_in_one_way_only() {
    for orig in [
        json!({}),
        json!({"tn": "12155551212", "uri": "sip:a@example.com"}),
        json!({"tn": ["12155551212"]}),
        json!({"tn": "+12155551212"}),
        json!({"tn": "1-215-555-1212"}),
        json!({"tn": ""}),
        json!({"uri": "alice"}),
        json!({"uri": "sip:a b"}),
        json!("12155551212"),
    ] {
        let refused = altered("orig", orig.clone());
        assert!(matches!(refused, Err(PassportError::Claims(_))), "{orig}");
    }
    let (too_many, too_long) = (vec!["12155551213"; 65], "1".repeat(33));
    for dest in [
        json!({}),
        json!({"tn": []}),
        json!({"tn": "12155551213"}),
        json!({"tn": too_many}),
        json!({"tn": ["+12155551213", "anonymous"], "uri": ["alice"]}),
        json!({"tn": [too_long]}),
    ] {
        let refused = altered("dest", dest.clone());
        assert!(matches!(refused, Err(PassportError::Claims(_))), "{dest}");
    }
    let both = json!({"tn": ["12155551213", "911"], "uri": ["sip:bob@example.com"]});
    let passport = altered("dest", both).unwrap();
    assert!(
        passport
            .claims()
            .dest
            .contain(&Party::Uri("sip:bob@example.com".to_owned()))
    );
    assert!(
        passport
            .claims()
            .dest
            .contain(&Party::Number("911".parse().unwrap()))
    );
}

#[test]
fn tokens_of_other_kinds_are_passed_over() {
    let parse = |header: &Value| UnverifiedPassport::parse(&unsigned(header, &shaken_claims()));
    assert_eq!(
        parse(&header(Some("sph"))),
        Err(PassportError::UnknownExtension("sph".to_owned()))
    );
    assert!(matches!(
        parse(&json!({"alg": "ES256", "typ": "JWT", "x5u": "https://a.example/c"})),
        Err(PassportError::Type(Some(_)))
    ));
    assert_eq!(
        parse(&json!({"alg": "ES256", "typ": "passport"})),
        Err(PassportError::NoCertificate)
    );
}

#[test]
fn rich_call_data_is_carried_through_as_it_came() {
    let rcd = json!({"nam": "Example Inc.", "jcl": "https://example.com/card.json"});
    let mut claims = shaken_claims();
    claims["rcd"] = rcd.clone();
    for ppt in ["shaken", "rcd"] {
        let passport = UnverifiedPassport::parse(&unsigned(&header(Some(ppt)), &claims)).unwrap();
        assert_eq!(passport.claims().rcd(), Some(&rcd));
        let key = StirSigningKey::generate(&mut rand::rng());
        let again = passport.claims().sign(passport.certificate(), &key);
        assert_eq!(
            UnverifiedPassport::parse(&again).unwrap().claims(),
            passport.claims()
        );
    }
    claims["rcd"] = json!({"icn": "https://example.com/icon"});
    assert!(UnverifiedPassport::parse(&unsigned(&header(Some("rcd")), &claims)).is_err());
}

#[test]
fn nesting_ends_at_the_most_diversions() {
    let mut token = shaken();
    for depth in 1..=MAX_DIVERSIONS + 1 {
        let mut claims = shaken_claims();
        claims["div"] = json!({"tn": "12155551213"});
        claims["opt"] = json!(token);
        token = unsigned(&header(Some("div-o")), &claims);
        let parsed = UnverifiedPassport::parse(&token);
        if depth <= MAX_DIVERSIONS {
            assert_eq!(parsed.unwrap().certificate_urls().count(), depth + 1);
        } else {
            assert_eq!(parsed, Err(PassportError::NestedTooDeep));
        }
    }
}

#[test]
fn what_is_nested_must_be_a_passport_too() {
    let mut claims = shaken_claims();
    claims["div"] = json!({"tn": "12155551213"});
    for opt in ["", "a.b.c", "..sig"] {
        claims["opt"] = json!(opt);
        let parsed = UnverifiedPassport::parse(&unsigned(&header(Some("div-o")), &claims));
        assert!(
            matches!(parsed, Err(PassportError::Claims(ClaimsError::Nested(_)))),
            "{opt}"
        );
    }
}

fn party() -> impl Strategy<Value = Party> {
    prop_oneof![
        "[0-9#*]{1,15}".prop_map(|number| Party::Number(number.parse().unwrap())),
        "sip:[a-z0-9]{1,9}@example\\.com".prop_map(Party::Uri),
    ]
}

fn extension() -> impl Strategy<Value = Extension> {
    let attest = proptest::sample::select(vec![
        Attestation::Full,
        Attestation::Partial,
        Attestation::Gateway,
    ]);
    let opt = || Box::new(UnverifiedPassport::parse(&shaken()).unwrap());
    prop_oneof![
        Just(Extension::Base),
        attest.prop_map(|attest| Extension::Shaken {
            attest,
            origid: OrigId::random()
        }),
        party().prop_map(|div| Extension::Div { div }),
        party().prop_map(move |div| Extension::DivO { div, opt: opt() }),
    ]
}

proptest! {
    #[test]
    fn claims_come_back_as_they_were_signed_and_always_in_the_same_bytes(
        orig in party(),
        dest in proptest::collection::vec(party(), 1..5),
        iat in any::<u64>(),
        keys in proptest::collection::vec(("[a-z0-9-]{1,9}", "[0-9A-F:]{1,9}"), 0..3),
        extension in extension(),
        others in proptest::collection::btree_map("x-[a-z]{1,5}", any::<bool>(), 0..4),
    ) {
        let claims = Claims {
            orig,
            dest: Destinations::new(dest).unwrap(),
            iat: UnixTime(iat),
            mky: keys.into_iter().map(|(alg, dig)| MediaKey { alg, dig }).collect(),
            extension,
            others: others.into_iter().map(|(name, value)| (name, value.into())).collect(),
        };
        let key = StirSigningKey::generate(&mut rand::rng());
        let certificate = CertificateReference::X5u("https://a.example/c".parse().unwrap());
        let token = claims.sign(&certificate, &key);
        let passport = UnverifiedPassport::parse(&token).unwrap();
        prop_assert_eq!(passport.claims(), &claims);
        prop_assert_eq!(passport.claims().sign(&certificate, &key), token);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}", claims in "\\PC{0,80}", parameters in "[;=<>\" a-z]{0,40}") {
        let _ = UnverifiedPassport::parse(&text);
        let _ = text.parse::<IdentityHeader>();
        let _ = format!("{}{parameters}", shaken()).parse::<IdentityHeader>();
        if let Ok(claims) = jws::ClaimSet::parse(claims.as_bytes()) {
            let reading = Reading {
                levels_left: 0,
                carries: true,
            };
            let _ = Claims::parse(None, claims, reading);
        }
    }
}

#[test]
fn an_origin_that_is_given_is_a_uuid_and_keeps_its_spelling() {
    let given = "9C6A1D5E-0E5B-4C0A-8A55-0D8A2A4C9E11";
    assert_eq!(given.parse::<OrigId>().unwrap().as_str(), given);
    let without_hyphens = given.replace('-', "");
    for wrong in [
        "",
        "carrier 7",
        &without_hyphens,
        "urn:uuid:x",
        "9C6A1D5E-0E5B-4C0A-8A55-0D8A2A4C9E1\n",
    ] {
        assert!(wrong.parse::<OrigId>().is_err(), "{wrong:?}");
    }
}
