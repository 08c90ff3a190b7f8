use pennyblack_client::identity::StirIdentity;
use pennyblack_client::trust::TrustFiles;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, RevocationReason, TnAuthEntry};
use pennyblack_stir::test_pki::TestPki;

use super::*;
use crate::trunk::SigningIdentity;

const NOW: UnixTime = UnixTime(1_800_000_000);
const TOLERANCE: Duration = Duration::from_secs(60);

fn trunk() -> Trunk {
    Trunk {
        country_code: Some("1".to_owned()),
        ..Trunk::default()
    }
}

fn call(from: &str, dest: &[&str]) -> OutgoingCall {
    OutgoingCall {
        from: from.to_owned(),
        dest: dest.iter().map(|&text| text.to_owned()).collect(),
        ..OutgoingCall::default()
    }
}

fn prepared_on(trunk: &Trunk, call: OutgoingCall) -> Result<Prepared, BadParameter> {
    prepare_by(&TestPki::new().trust(), trunk, call)
}

fn prepare_by(
    trust: &TrustPolicy,
    trunk: &Trunk,
    call: OutgoingCall,
) -> Result<Prepared, BadParameter> {
    let terms = Terms {
        trust,
        clock_tolerance: TOLERANCE,
        now: NOW,
    };
    prepare(trunk, call, terms)
}

fn prepared(call: OutgoingCall) -> Result<Prepared, BadParameter> {
    prepared_on(&trunk(), call)
}

#[test]
fn what_the_switch_asked_wrongly_is_named() {
    let with_iat = |iat| OutgoingCall {
        iat: Some(UnixTime(iat)),
        ..call("2155550100", &["2125550142"])
    };
    let many = vec!["2125550142"; MAX_DESTINATIONS + 1];
    for (call, parameter) in [
        (call("anonymous", &["2125550142"]), Parameter::Orig),
        (call("", &["2125550142"]), Parameter::Orig),
        (call("5550100", &["2125550142"]), Parameter::Orig),
        (call("2155550100", &[]), Parameter::Dest),
        (
            call("2155550100", &["sip:alice@example.com"]),
            Parameter::Dest,
        ),
        (call("2155550100", &["2125550142", "x"]), Parameter::Dest),
        (call("2155550100", &many), Parameter::Dest),
        (
            OutgoingCall {
                div: Some("alice".to_owned()),
                ..call("2155550100", &["2125550142"])
            },
            Parameter::Div,
        ),
        (with_iat(NOW.0 - 61), Parameter::Iat),
        (with_iat(NOW.0 + 61), Parameter::Iat),
        (with_iat(u64::MAX), Parameter::Iat),
    ] {
        let refused = prepared(call.clone()).err();
        assert_eq!(
            refused.map(|bad| bad.parameter),
            Some(parameter),
            "{call:?}"
        );
    }
    assert!(prepared(with_iat(NOW.0 - 60)).is_ok());
}

#[test]
fn an_emergency_call_is_passed_over_whatever_is_wrong_with_it() {
    let elsewhere = OutgoingCall {
        request_uri: Some("urn:service:sos".to_owned()),
        ..call("anonymous", &["2125550142"])
    };
    let with_identity = OutgoingCall {
        identities: vec!["nonsense".to_owned()],
        ..call("2155550100", &["911"])
    };
    for call in [
        call("anonymous", &["911"]),
        elsewhere,
        with_identity,
        call("911", &["2125550142"]),
    ] {
        let passport = prepared(call.clone()).unwrap().passport;
        let is_none = matches!(passport, Passport::None(Reason::PassedOver));
        assert!(is_none, "{call:?}");
    }
}

#[test]
fn an_asserted_identity_counts_on_trunks_that_are_trusted_with_it() {
    let call = OutgoingCall {
        asserted: vec![
            "sip:+12155550111@h".to_owned(),
            "tel:+12155550122".to_owned(),
        ],
        ..call("sip:anonymous@anonymous.invalid", &["2125550142"])
    };
    assert!(prepared_on(&trunk(), call.clone()).is_err());
    let trusted = Trunk {
        trust_pai: true,
        ..trunk()
    };
    let orig = trusted.orig(&call.asserted, &call.from).unwrap();
    assert_eq!(orig.as_str(), "12155550122", "a tel: URI comes first");
    assert!(prepared_on(&trusted, call).is_ok());
}

#[test]
fn more_identities_than_a_call_has_cost_nothing_more() {
    let call = OutgoingCall {
        identities: vec!["nonsense".to_owned(); MAX_IDENTITIES + 1],
        ..call("2155550100", &["2125550142"])
    };
    let prepared = prepared(call).unwrap();
    assert!(prepared.to_store.is_empty());
    assert_eq!(prepared.refused, Some(Reason::TooManyIdentities));
}

fn trunk_with(pki: &PkiDirectory, name: &str) -> Trunk {
    let (certificate, key) = (pki.certificate_path(name), pki.key_path(name));
    Trunk {
        identity: Some(SigningIdentity {
            files: StirIdentity::renewed(&certificate, &key, None).unwrap(),
            x5u: "https://certs.example/a.pem".parse().unwrap(),
        }),
        ..trunk()
    }
}

/// Who has the list refuses such calls: their tokens would be spent for nothing.
#[test]
fn a_certificate_that_is_revoked_by_the_lists_here_signs_no_call() {
    const DAY: Duration = Duration::from_secs(86_400);
    let home = tempfile::tempdir().unwrap();
    let mut pki = PkiDirectory::init(home.path(), &CaNames::default(), DAY, NOW).unwrap();
    let request = LeafRequest::new(vec![TnAuthEntry::spc("683G").unwrap()]);
    for name in ["good", "withdrawn"] {
        pki.issue(name, &request, None, NOW).unwrap();
    }
    let reason = RevocationReason::KeyCompromise;
    pki.revoke("withdrawn", reason, DAY, NOW).unwrap();
    let (roots, lists) = (pki.roots_path(), pki.revocation_path());
    let trust = |lists| TrustFiles::load(&roots, lists, NOW).unwrap().policy;
    let signed = |name: &str, lists| {
        let call = call("2155550100", &["2125550142"]);
        let prepared = prepare_by(&trust(lists), &trunk_with(&pki, name), call).unwrap();
        match prepared.passport {
            Passport::None(reason) => Err((reason, prepared.to_store.len())),
            _ => Ok(prepared.to_store.len()),
        }
    };
    assert_eq!(signed("good", Some(&*lists)), Ok(1));
    assert_eq!(signed("withdrawn", None), Ok(1));
    let refused = Err((Reason::CertificateNotCurrent, 0));
    assert_eq!(signed("withdrawn", Some(&*lists)), refused);
}
