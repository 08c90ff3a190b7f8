//! Calls that were retargeted: `div` and `div-o` (RFC 8946).

use super::*;
use crate::DiversionError;

fn div(from: &str, to: &str) -> Claims {
    claims(to, Extension::Div { div: party(from) })
}

fn div_o(from: &str, to: &str, opt: &str) -> Claims {
    let opt = Box::new(UnverifiedPassport::parse(opt).unwrap());
    claims(
        to,
        Extension::DivO {
            div: party(from),
            opt,
        },
    )
}

#[test]
fn a_diverted_call_needs_both_passports_in_any_order() {
    let pki = TestPki::new();
    let original = pki.carrier("683G").sign(&shaken(CALLEE));
    let diverted = pki.carrier("4529").sign(&div(CALLEE, FORWARDED_TO));
    for tokens in [
        [original.clone(), diverted.clone()],
        [diverted.clone(), original.clone()],
    ] {
        let passports = valid(verdict(&pki, &tokens, &call(FORWARDED_TO)));
        assert_eq!(passports.len(), 1);
        assert_eq!(passports[0].first().as_str(), original);
    }
    let alone = refusal(verdict(&pki, &[diverted], &call(FORWARDED_TO)));
    assert_eq!(alone, Refusal::NoOriginal);
}

#[test]
fn a_call_may_be_diverted_five_times_and_no_more() {
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let hop = |index: usize| format!("1312555000{index}");
    let mut tokens = vec![carrier.sign(&shaken(&hop(0)))];
    for index in 0..=MAX_DIVERSIONS {
        tokens.push(carrier.sign(&div(&hop(index), &hop(index + 1))));
        let reached = verdict(&pki, &tokens, &call(&hop(index + 1)));
        assert_eq!(
            matches!(reached, Verdict::Valid { .. }),
            index < MAX_DIVERSIONS
        );
    }
}

#[test]
fn diversions_in_a_circle_prove_nothing() {
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let tokens = [
        carrier.sign(&div(CALLEE, FORWARDED_TO)),
        carrier.sign(&div(FORWARDED_TO, CALLEE)),
        carrier.sign(&div(CALLEE, CALLEE)),
    ];
    assert!(matches!(
        verdict(&pki, &tokens, &call(CALLEE)),
        Verdict::Unverifiable { .. }
    ));
}

#[test]
fn a_diversion_of_a_forged_original_is_refused() {
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let forger = StirSigningKey::generate(&mut rand::rng());
    let forged = shaken(CALLEE).sign(&carrier.certificate, &forger);
    let tokens = [forged, carrier.sign(&div(CALLEE, FORWARDED_TO))];
    let Verdict::Unverifiable { refused } = verdict(&pki, &tokens, &call(FORWARDED_TO)) else {
        panic!("expected unverifiable");
    };
    assert!(matches!(refused[0].reason, Refusal::Signature(_)));
    assert_eq!(refused[1].reason, Refusal::NoOriginal);
}

#[test]
fn a_nested_original_is_verified_too() {
    let pki = TestPki::new();
    let (origin, diverter) = (pki.carrier("683G"), pki.carrier("4529"));
    let original = origin.sign(&shaken(CALLEE));
    let token = diverter.sign(&div_o(CALLEE, FORWARDED_TO, &original));
    let passports = valid(verdict(&pki, &[token], &call(FORWARDED_TO)));
    assert_eq!(passports[0].original().unwrap().as_str(), original);

    let forged = shaken(CALLEE).sign(&origin.certificate, &diverter.key);
    let token = diverter.sign(&div_o(CALLEE, FORWARDED_TO, &forged));
    let Refusal::Nested(reason) = refusal(verdict(&pki, &[token], &call(FORWARDED_TO))) else {
        panic!("expected a refusal of what is nested");
    };
    assert!(matches!(*reason, Refusal::Signature(_)));
}

#[test]
fn a_nested_original_must_be_of_the_same_call() {
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let mut of_another = shaken(CALLEE);
    of_another.orig = party("13125550000");
    let token = carrier.sign(&div_o(CALLEE, FORWARDED_TO, &carrier.sign(&of_another)));
    assert!(matches!(
        refusal(verdict(&pki, &[token], &call(FORWARDED_TO))),
        Refusal::Diversion(DiversionError::OtherOrig { .. })
    ));
    let to_another = carrier.sign(&shaken("13125550000"));
    let token = carrier.sign(&div_o(CALLEE, FORWARDED_TO, &to_another));
    assert!(matches!(
        refusal(verdict(&pki, &[token], &call(FORWARDED_TO))),
        Refusal::Diversion(DiversionError::NotForDivertingParty(_))
    ));
}

#[test]
fn a_nested_original_had_to_be_fresh_when_the_call_was_diverted() {
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let nested_signed = |before: u64| {
        let iat = NOW.minus(Duration::from_secs(50 + before));
        let original = carrier.sign(&Claims {
            iat,
            ..shaken(CALLEE)
        });
        let outer = div_o(CALLEE, FORWARDED_TO, &original);
        let token = carrier.sign(&Claims {
            iat: NOW.minus(Duration::from_secs(50)),
            ..outer
        });
        verdict(&pki, &[token], &call(FORWARDED_TO))
    };
    assert_eq!(valid(nested_signed(60)).len(), 1);
    let Refusal::Nested(reason) = refusal(nested_signed(61)) else {
        panic!("expected a refusal of what is nested");
    };
    assert!(matches!(*reason, Refusal::Stale { .. }));
}

#[test]
fn who_diverts_must_have_authority_for_the_number_that_was_called() {
    let pki = TestPki::new();
    let original = pki.carrier("12155551212+1").sign(&shaken(CALLEE));
    let diverted_by = |subject: &str| {
        let tokens = [
            original.clone(),
            pki.carrier(subject).sign(&div(CALLEE, FORWARDED_TO)),
        ];
        verdict_under(
            &pki,
            OrigAuthority::NumbersOnly,
            &tokens,
            &call(FORWARDED_TO),
        )
    };
    assert_eq!(valid(diverted_by("12155551213+1")).len(), 1);
    assert!(matches!(
        diverted_by("12155551212+1"),
        Verdict::Unverifiable { .. }
    ));
}
