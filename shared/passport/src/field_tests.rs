//! PASSporTs and Identity headers in the spellings of the field (tests/certs).

use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_stir::jws::{X5c, X5u};
use pennyblack_stir::{TrustAnchors, TrustPolicy, certificates_of_file};
use serde_json::json;

use super::tests::{altered, header, shaken_claims, unsigned};
use super::*;

const VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/certs/field-passports.json"
));

struct Certificates(Value);

impl CertificateSource for Certificates {
    fn certificates(&self, url: &X5u) -> Option<X5c> {
        let pem = self.0[url.as_str()].as_str()?;
        X5c::new(certificates_of_file(pem.as_bytes()).unwrap()).ok()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// What the PASSporTs of `tokens` come to for a call.
fn verdict(vectors: &Value, tokens: &[&str], orig: &str, dest: &str) -> Verdict {
    let root = certificates_of_file(text(&vectors["root"]).as_bytes()).unwrap();
    let anchors = TrustAnchors::from_der(&root).unwrap();
    let certificates = Certificates(vectors["certificates"].clone());
    let verifier = Verifier {
        trust: &TrustPolicy::new(Arc::new(anchors)),
        certificates: &certificates,
        authority: OrigAuthority::AnySpc,
    };
    let call = Call {
        orig: Party::Number(orig.parse().unwrap()),
        dest: Party::Number(dest.parse().unwrap()),
    };
    let now = UnixTime(vectors["now"].as_u64().unwrap());
    verifier.verify(tokens, &call, now)
}

#[test]
fn passports_of_the_field_come_to_the_verdict_that_they_should() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let cases = vectors["passports"].as_array().unwrap();
    for case in cases {
        let [token, orig, dest] = ["token", "orig", "dest"].map(|name| text(&case[name]));
        let found = match verdict(&vectors, &[token], orig, dest) {
            Verdict::Valid { .. } => "valid",
            Verdict::Unverifiable { .. } => "unverifiable",
            Verdict::NoPassport { refused } => {
                let reason = &refused[0].reason;
                assert!(matches!(reason, Refusal::OtherDest(_)), "{case}: {reason}");
                "no-passport"
            }
        };
        assert_eq!(found, text(&case["verdict"]), "{case}");
    }
    assert_eq!(cases.len(), 5);
}

#[test]
fn identity_headers_of_the_field_are_read_and_their_passports_are_good_if_known() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let cases = vectors["identity_headers"].as_array().unwrap();
    for case in cases {
        let line = text(&case["text"]);
        let value = line.strip_prefix("y: ").unwrap_or(line);
        let header: IdentityHeader = value.parse().unwrap();
        let passport = header.passport();
        assert_eq!(passport.as_str(), value.split_once(';').unwrap().0);
        assert_eq!(passport.claims().extension.ppt(), case["ppt"].as_str());
        assert_eq!(header.to_string().parse(), Ok(header.clone()), "{case}");
        let verdict = verdict(&vectors, &[passport.as_str()], "12155550100", "12155550199");
        match verdict {
            Verdict::Valid { .. } => assert_eq!(case["ppt"], "shaken"),
            Verdict::NoPassport { .. } => assert_eq!(case["ppt"], "rph"),
            Verdict::Unverifiable { refused } => panic!("{case}: {refused:?}"),
        }
    }
    assert_eq!(cases.len(), 4);
}

/// Whatever its certificate covers.
#[test]
fn a_passport_of_an_unknown_kind_is_carried_and_never_verified() {
    let pki = pennyblack_stir::test_pki::TestPki::new();
    let carrier = pki.carrier("12155551212+1");
    let mut claims = UnverifiedPassport::parse(&unsigned(&header(None), &shaken_claims()))
        .unwrap()
        .claims()
        .clone();
    claims.extension = Extension::Other("rph".to_owned());
    let token = claims.sign(&carrier.certificate, &carrier.key);
    let unknown = PassportError::UnknownExtension("rph".to_owned());
    assert_eq!(UnverifiedPassport::parse(&token), Err(unknown.clone()));
    let carried = UnverifiedPassport::parse_to_carry(&token).unwrap();
    assert_eq!(carried.as_str(), token);
    let verifier = Verifier {
        trust: &pki.trust(),
        certificates: &NoCertificates,
        authority: OrigAuthority::AnySpc,
    };
    let refusal = verifier.verify_alone(&carried, claims.iat).unwrap_err();
    assert_eq!(refusal, Refusal::Form(unknown));
}

#[test]
fn a_kind_that_no_header_can_name_is_not_carried() {
    for ppt in ["", "r;ph", "r\nph", "\u{e9}"] {
        let token = unsigned(&header(Some(ppt)), &shaken_claims());
        let refused = UnverifiedPassport::parse_to_carry(&token);
        let unknown = PassportError::UnknownExtension(ppt.to_owned());
        assert_eq!(refused, Err(unknown), "{ppt:?}");
    }
}

#[test]
fn a_time_with_a_fraction_is_the_second_that_it_lies_in() {
    for (iat, second) in [
        (json!(1_790_000_000.0), 1_790_000_000),
        (json!(1_790_000_000.9), 1_790_000_000),
    ] {
        let passport = altered("iat", iat).unwrap();
        assert_eq!(passport.claims().iat, UnixTime(second));
    }
}

#[test]
fn what_names_nobody_takes_nothing_from_what_stands_beside_it() {
    let dest = json!({
        "tn": ["+12155551213", "12155551213", "anonymous"],
        "uri": ["alice", "sip:bob@example.com"],
    });
    let passport = altered("dest", dest).unwrap();
    let (claims, key) = (
        passport.claims(),
        StirSigningKey::generate(&mut rand::rng()),
    );
    let number = Party::Number("12155551213".parse().unwrap());
    assert!(claims.dest.contain(&number));
    assert_eq!(claims.dest.numbers().len(), 1);
    assert_eq!(claims.dest.uris(), ["sip:bob@example.com"]);
    // Nothing is lost: constraints of a certificate are about all of them.
    let again = claims.sign(passport.certificate(), &key);
    let again = UnverifiedPassport::parse(&again).unwrap();
    assert_eq!(again.claims(), claims);
}

#[test]
fn an_origid_is_kept_as_it_came() {
    for origid in ["trunk-7", "", "{123e4567-e89b-12d3-a456-426655440000}"] {
        let passport = altered("origid", json!(origid)).unwrap();
        let Extension::Shaken { origid: kept, .. } = &passport.claims().extension else {
            panic!("not shaken");
        };
        assert_eq!(kept.as_str(), origid);
    }
    assert_eq!(OrigId::random().as_str().len(), 36);
}
