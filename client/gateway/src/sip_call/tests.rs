use std::time::Duration;

use pennyblack_engine::{Found, Refused, StirCode};
use pennyblack_passport::Attestation;

use super::*;

fn invite(more: &str) -> Request {
    let text = format!(
        "INVITE sip:+12155550100@10.0.0.2;user=phone SIP/2.0\n\
         f: \"X <sip:+1999@x>\" <sip:+17325551000@sbc.example;user=phone>;tag=a\n\
         t: <sip:+12155550100;npdi;rn=+12155559999@h>\ni: call-1@x\n{more}\n"
    );
    Request::from_text(text.as_bytes()).unwrap()
}

fn lines(headers: &[AddedHeader]) -> Vec<String> {
    let headers = headers.iter();
    headers
        .map(|one| format!("{}: {}", one.name(), one.value().text()))
        .collect()
}

fn trunk() -> Trunk {
    Trunk {
        country_code: Some("1".to_owned()),
        trust_pai: true,
        ..Trunk::default()
    }
}

#[test]
fn an_invite_is_a_call_with_its_own_words() {
    let invite = invite(
        "P-Asserted-Identity: <tel:+17325551001>\nP-Attestation-Indicator: B\n\
         y: a.b.c;info=<https://x>\n",
    );
    let call = outgoing(&invite).unwrap();
    assert_eq!(call.from, "sip:+17325551000@sbc.example;user=phone");
    assert_eq!(call.asserted, ["tel:+17325551001"]);
    assert_eq!(call.attest, Some(Attestation::Partial));
    assert_eq!(call.identities, ["a.b.c;info=<https://x>"]);
    let dest = trunk().canonical(&call.dest[0]).unwrap();
    assert_eq!(dest.as_str(), "12155550100");
    let arriving = incoming(&invite).unwrap();
    assert_eq!(arriving.call, CallName::new("call-1@x"));
    assert!(!is_emergency(&invite));
}

#[test]
fn emergency_calls_are_known_by_name_and_by_priority() {
    for more in ["Priority: PSAP-Callback\n", "Resource-Priority: esnet.0\n"] {
        assert!(is_emergency(&invite(more)), "{more}");
    }
    let text = b"INVITE urn:service:sos SIP/2.0\nTo: <urn:service:sos>\n\n";
    assert!(is_emergency(&Request::from_text(text).unwrap()));
}

#[test]
fn a_verdict_becomes_headers_and_a_strangers_text_none_of_them() {
    let found = Found {
        source: Source::OutOfBand,
        identities: vec!["a.b.c;info=<https://x>".to_owned(), "d\r\nX: 1".to_owned()],
        attest: Some(Attestation::Full),
        origid: None,
        orig: "17325551000".parse().unwrap(),
        dest: "12155550100".parse().unwrap(),
        age: Duration::ZERO,
        retargeted: None,
        unrecorded: None,
    };
    let passed = Verdict {
        finding: Finding::Passed(Box::new(found)),
        results: Vec::new(),
    };
    let (invite, trunk) = (invite(""), trunk());
    let said = lines(&of_verdict(&passed, &invite, &trunk, None));
    assert_eq!(
        said,
        [
            "P-Asserted-Identity: <sip:+17325551000;verstat=TN-Validation-Passed@sbc.example;user=phone>",
            "P-Attestation-Indicator: A",
            "Identity: a.b.c;info=<https://x>",
        ]
    );
    let refused = Refused {
        code: StirCode::StaleDate,
        detail: String::new(),
        not_judged: None,
    };
    let failed = Verdict {
        finding: Finding::Failed(refused),
        results: Vec::new(),
    };
    let reason = Some(ReasonProtocol::Sip);
    let said = lines(&of_verdict(&failed, &invite, &trunk, reason));
    assert_eq!(
        said,
        [
            "P-Asserted-Identity: <sip:+17325551000;verstat=TN-Validation-Failed@sbc.example;user=phone>",
            "Reason: SIP;cause=403;text=\"Stale Date\"",
        ]
    );
    let without = of_verdict(&failed, &invite, &trunk, None);
    assert_eq!(without.len(), 1);
}
