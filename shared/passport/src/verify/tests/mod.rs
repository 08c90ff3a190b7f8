mod diversions;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{Attestation, Destinations, OrigId};
use pennyblack_stir::ChainError;
use pennyblack_stir::jws::StirSigningKey;
use pennyblack_stir::telephone_number::TelephoneNumber;
use pennyblack_stir::test_pki::{Carrier, NOW, TestPki};

const CALLER: &str = "12155551212";
const CALLEE: &str = "12155551213";
const FORWARDED_TO: &str = "12155551214";

fn number(text: &str) -> TelephoneNumber {
    text.parse().unwrap()
}

fn party(text: &str) -> Party {
    Party::from(number(text))
}

fn claims(dest: &str, extension: Extension) -> Claims {
    Claims {
        orig: party(CALLER),
        dest: Destinations::from(number(dest)),
        iat: NOW,
        mky: Vec::new(),
        extension,
        others: serde_json::Map::new(),
    }
}

fn shaken(dest: &str) -> Claims {
    let (attest, origid) = (Attestation::Full, OrigId::random());
    claims(dest, Extension::Shaken { attest, origid })
}

trait SignClaims {
    fn sign(&self, claims: &Claims) -> String;
}

impl SignClaims for Carrier {
    fn sign(&self, claims: &Claims) -> String {
        claims.sign(&self.certificate, &self.key)
    }
}

fn call(dest: &str) -> Call {
    Call {
        orig: party(CALLER),
        dest: party(dest),
    }
}

/// The verdict as an ordinary SHAKEN verifier reaches it.
fn verdict(pki: &TestPki, candidates: &[String], call: &Call) -> Verdict {
    verdict_under(pki, OrigAuthority::AnySpc, candidates, call)
}

fn verdict_under(
    pki: &TestPki,
    authority: OrigAuthority<'_>,
    candidates: &[String],
    call: &Call,
) -> Verdict {
    let trust = pki.trust();
    let verifier = Verifier {
        trust: &trust,
        certificates: &NoCertificates,
        authority,
    };
    let verdict = verifier.verify(candidates, call, NOW);
    // A call that comes after its PASSporTs were verified finds the same ones good.
    let alone = candidates.iter().filter_map(|token| {
        let passport = UnverifiedPassport::parse(token).ok()?;
        verifier.verify_alone(&passport, NOW).ok()
    });
    let selected = crate::valid_for(&alone.collect::<Vec<_>>(), call, NOW);
    match &verdict {
        Verdict::Valid { passports, .. } => assert_eq!(&selected, passports),
        _ => assert_eq!(selected, []),
    }
    verdict
}

#[track_caller]
fn valid(verdict: Verdict) -> Vec<VerifiedPassport> {
    match verdict {
        Verdict::Valid { passports, .. } => passports,
        other => panic!("{other:?}"),
    }
}

/// Why the only candidate was refused, when it spoke of the call.
#[track_caller]
fn refusal(verdict: Verdict) -> Refusal {
    match verdict {
        Verdict::Unverifiable { mut refused } if refused.len() == 1 => refused.remove(0).reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_passport_for_the_call_is_valid() {
    let pki = TestPki::new();
    let token = pki.carrier("683G").sign(&shaken(CALLEE));
    let passports = valid(verdict(&pki, std::slice::from_ref(&token), &call(CALLEE)));
    assert_eq!(passports.len(), 1);
    assert_eq!(passports[0].as_str(), token);
    assert!(
        passports[0]
            .signer()
            .spcs()
            .any(|spc| spc.as_str() == "683G")
    );
}

#[test]
fn nothing_and_nothing_of_this_call_are_no_passport() {
    let pki = TestPki::new();
    let none: [String; 0] = [];
    assert!(matches!(
        verdict(&pki, &none, &call(CALLEE)),
        Verdict::NoPassport { .. }
    ));
    let carrier = pki.carrier("683G");
    let mut of_another = shaken(CALLEE);
    of_another.orig = party("13125550000");
    let tokens = [
        carrier.sign(&of_another),
        carrier.sign(&shaken(FORWARDED_TO)),
        "junk".to_owned(),
    ];
    let Verdict::NoPassport { refused } = verdict(&pki, &tokens, &call(CALLEE)) else {
        panic!("expected no PASSporT");
    };
    let reasons: Vec<_> = refused.into_iter().map(|refused| refused.reason).collect();
    assert_eq!(reasons[0], Refusal::OtherOrig(party("13125550000")));
    assert_eq!(reasons[1], Refusal::OtherDest(party(CALLEE)));
    assert!(matches!(reasons[2], Refusal::Form(_)));
}

#[test]
fn one_good_passport_among_junk_and_forgeries_is_enough() {
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let forger = StirSigningKey::generate(&mut rand::rng());
    let forged = shaken(CALLEE).sign(&carrier.certificate, &forger);
    let tokens = [forged, "junk".to_owned(), carrier.sign(&shaken(CALLEE))];
    let Verdict::Valid { passports, refused } = verdict(&pki, &tokens, &call(CALLEE)) else {
        panic!("expected a valid PASSporT");
    };
    assert_eq!(passports.len(), 1);
    assert_eq!(
        refused
            .iter()
            .map(|refused| refused.index)
            .collect::<Vec<_>>(),
        [0, 1]
    );
}

#[test]
fn a_forgery_alone_leaves_the_call_unverifiable() {
    let pki = TestPki::new();
    let forger = StirSigningKey::generate(&mut rand::rng());
    let forged = shaken(CALLEE).sign(&pki.carrier("683G").certificate, &forger);
    let reason = refusal(verdict(&pki, &[forged], &call(CALLEE)));
    assert!(matches!(reason, Refusal::Signature(_)));
}

#[test]
fn several_passports_of_one_call_are_all_valid() {
    let pki = TestPki::new();
    let tokens = [
        pki.carrier("683G").sign(&shaken(CALLEE)),
        pki.carrier("12155551212+1")
            .sign(&claims(CALLEE, Extension::Base)),
    ];
    assert_eq!(valid(verdict(&pki, &tokens, &call(CALLEE))).len(), 2);
}

#[test]
fn sixty_seconds_are_fresh_and_the_future_is_not() {
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let signed_at = |iat: UnixTime| {
        let token = carrier.sign(&Claims {
            iat,
            ..shaken(CALLEE)
        });
        verdict(&pki, &[token], &call(CALLEE))
    };
    let second = Duration::from_secs(1);
    assert_eq!(valid(signed_at(NOW.minus(FRESHNESS))).len(), 1);
    assert_eq!(valid(signed_at(NOW.plus(MAX_CLOCK_SKEW))).len(), 1);
    let stale = refusal(signed_at(NOW.minus(FRESHNESS + second)));
    assert!(matches!(stale, Refusal::Stale { .. }));
    let future = refusal(signed_at(NOW.plus(MAX_CLOCK_SKEW + second)));
    assert!(matches!(future, Refusal::FromTheFuture { .. }));
}

#[test]
fn the_policy_says_for_which_numbers_an_spc_speaks() {
    let pki = TestPki::new();
    let tokens = [pki.carrier("683G").sign(&shaken(CALLEE))];
    let table = |line: &str| {
        NumberingTable::parse(format!("spc,first,count\n{line}\n").as_bytes()).unwrap()
    };
    let (its_own, of_another) = (
        table("683G,12155551000,1000"),
        table("4529,12155551000,1000"),
    );
    let under = |authority| verdict_under(&pki, authority, &tokens, &call(CALLEE));
    assert_eq!(valid(under(OrigAuthority::AnySpc)).len(), 1);
    assert_eq!(
        valid(under(OrigAuthority::NumberingTable(&its_own))).len(),
        1
    );
    for authority in [
        OrigAuthority::NumberingTable(&of_another),
        OrigAuthority::NumbersOnly,
    ] {
        assert!(matches!(
            refusal(under(authority)),
            Refusal::NoAuthority { .. }
        ));
    }
}

#[test]
fn a_number_in_the_certificate_is_authority_under_every_policy() {
    let pki = TestPki::new();
    let table = NumberingTable::default();
    let sign = |subject: &str| [pki.carrier(subject).sign(&claims(CALLEE, Extension::Base))];
    let (of_the_caller, of_another) = (sign("12155551200+100"), sign("12155551300+100"));
    for authority in [
        OrigAuthority::NumbersOnly,
        OrigAuthority::NumberingTable(&table),
        OrigAuthority::AnySpc,
    ] {
        let under = |tokens: &[String]| verdict_under(&pki, authority, tokens, &call(CALLEE));
        assert_eq!(valid(under(&of_the_caller)).len(), 1);
        assert!(matches!(
            refusal(under(&of_another)),
            Refusal::NoAuthority { .. }
        ));
    }
}

#[test]
fn an_spc_vouches_only_where_it_says_how_far() {
    let pki = TestPki::new();
    let token = pki.carrier("683G").sign(&claims(CALLEE, Extension::Base));
    let reason = refusal(verdict(&pki, &[token], &call(CALLEE)));
    assert!(matches!(reason, Refusal::NoAuthority { .. }));
}

#[test]
fn a_claim_that_the_certificate_forbids_spoils_the_passport() {
    let pki = TestPki::new();
    let token = pki.carrier_without("683G", "rcd").sign(&shaken(CALLEE));
    assert_eq!(valid(verdict(&pki, &[token], &call(CALLEE))).len(), 1);
    let mut claims = shaken(CALLEE);
    claims
        .others
        .insert("rcd".to_owned(), serde_json::json!({"nam": "Bank"}));
    let token = pki.carrier_without("683G", "rcd").sign(&claims);
    let reason = refusal(verdict(&pki, &[token], &call(CALLEE)));
    assert!(matches!(reason, Refusal::ClaimConstraints(_)));
}

#[test]
fn a_certificate_of_another_authority_or_another_time_is_refused() {
    let (pki, stranger) = (TestPki::new(), TestPki::new());
    let token = stranger.carrier("683G").sign(&shaken(CALLEE));
    let reason = refusal(verdict(&pki, &[token], &call(CALLEE)));
    assert!(matches!(reason, Refusal::Certificate(_)));

    let trust = pki.trust();
    let verifier = Verifier {
        trust: &trust,
        certificates: &NoCertificates,
        authority: OrigAuthority::AnySpc,
    };
    let next_year = NOW.plus(Duration::from_secs(365 * 86_400));
    let claims = Claims {
        iat: next_year,
        ..shaken(CALLEE)
    };
    let token = pki.carrier("683G").sign(&claims);
    let reason = refusal(verifier.verify(&[token], &call(CALLEE), next_year));
    assert!(matches!(
        reason,
        Refusal::Certificate(ChainError::Expired { .. })
    ));
}

#[test]
fn a_certificate_url_that_could_not_be_fetched_is_said_and_a_fetched_one_works() {
    struct Fetched(X5u, X5c);
    impl CertificateSource for Fetched {
        fn certificates(&self, url: &X5u) -> Option<X5c> {
            (*url == self.0).then(|| self.1.clone())
        }
    }
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let url: X5u = "https://cert.example.org/683G.pem".parse().unwrap();
    let token = shaken(CALLEE).sign(&CertificateReference::X5u(url.clone()), &carrier.key);
    let reason = refusal(verdict(&pki, std::slice::from_ref(&token), &call(CALLEE)));
    assert_eq!(reason, Refusal::NoCertificate(url.clone()));
    let CertificateReference::X5c(x5c) = carrier.certificate else {
        panic!("no x5c");
    };
    let verifier = Verifier {
        trust: &pki.trust(),
        certificates: &Fetched(url, x5c),
        authority: OrigAuthority::AnySpc,
    };
    assert_eq!(
        valid(verifier.verify(&[token], &call(CALLEE), NOW)).len(),
        1
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_else_lies_in_the_mailbox_a_good_passport_stays_good(
        junk in proptest::collection::vec("\\PC{0,60}", 0..6),
        place in 0usize..6,
    ) {
        let pki = TestPki::new();
        let mut tokens = junk;
        tokens.insert(place.min(tokens.len()), pki.carrier("683G").sign(&shaken(CALLEE)));
        prop_assert_eq!(valid(verdict(&pki, &tokens, &call(CALLEE))).len(), 1);
    }
}
