mod of_0_2_0;
mod placements;

use proptest::prelude::*;

use super::*;
use pennyblack_base::cps_uri::CpsUri;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_stir::test_pki::{NOW, TestPki};

fn key() -> KeyConfig {
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    key.config().clone()
}

fn record(iss: &str, coverage: Coverage) -> KeyRecord {
    KeyRecord {
        iat: NOW,
        exp: NOW.plus(Duration::from_secs(3600)),
        iss: iss.to_owned(),
        coverage,
        key: key(),
        placement: Placement::at(cps("cps")),
    }
}

fn cps(name: &str) -> CpsUri {
    format!("https://{name}.example.net").parse().unwrap()
}

fn number(text: &str) -> TelephoneNumber {
    text.parse().unwrap()
}

fn range(start: &str, count: u64) -> NumberRange {
    NumberRange::new(number(start), count).unwrap()
}

fn table() -> NumberingTable {
    NumberingTable::parse(b"spc,first,count\n683G,12155550000,1000\n").unwrap()
}

/// Has a carrier for `subject` sign `record`, and verifies it.
fn verify(
    subject: &str,
    record: &KeyRecord,
    table: Option<&NumberingTable>,
) -> Result<VerifiedKeyRecord, KeyRecordError> {
    let pki = TestPki::new();
    let carrier = pki.carrier(subject);
    let token = record.sign(&carrier.certificate, &carrier.key);
    let parsed = UnverifiedKeyRecord::parse(&token)?;
    assert_eq!(parsed.record(), record);
    let chain = pki.chain(parsed.certificate());
    parsed.verify(&chain, table, NOW)
}

#[test]
fn numbers_in_the_certificate_are_authority_by_themselves() {
    let record = record("12155550100", Coverage::Number(number("12155550142")));
    let verified = verify("12155550100+100", &record, None).unwrap();
    assert!(verified.answers_for(&number("12155550142")));
    assert!(!verified.answers_for(&number("12155550143")));
    assert_eq!(verified.mailbox(), record.key.mailbox());
}

#[test]
fn an_spc_is_authority_for_what_the_table_gives_it() {
    let table = table();
    for coverage in [
        Coverage::Number(number("12155550999")),
        Coverage::Range(range("12155550000", 1000)),
        Coverage::Spc("683G".parse().unwrap()),
    ] {
        let verified = verify("683G", &record("683G", coverage), Some(&table)).unwrap();
        assert!(verified.answers_for(&number("12155550999")));
        assert!(!verified.answers_for(&number("12155551000")));
    }
}

#[test]
fn an_spc_without_a_table_is_refused_and_told_why() {
    for coverage in [
        Coverage::Number(number("12155550999")),
        Coverage::Spc("683G".parse().unwrap()),
    ] {
        let refused = verify("683G", &record("683G", coverage), None);
        assert!(
            matches!(refused, Err(KeyRecordError::UnknownHolder { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn of_what_a_table_does_not_tell_the_holder_is_unknown() {
    let table = table();
    for coverage in [
        Coverage::Number(number("12155551000")),
        Coverage::Range(range("12155551000", 1000)),
        Coverage::Spc("4529".parse().unwrap()),
    ] {
        let refused = verify("4529", &record("4529", coverage), Some(&table));
        assert!(
            matches!(refused, Err(KeyRecordError::UnknownHolder { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn nobody_answers_for_numbers_of_others() {
    let table = table();
    for (subject, iss, coverage) in [
        ("4529", "4529", Coverage::Number(number("12155550000"))),
        ("683G", "683G", Coverage::Range(range("12155550500", 501))),
        ("683G", "683G", Coverage::Spc("4529".parse().unwrap())),
        (
            "12155550100+100",
            "12155550100",
            Coverage::Range(range("12155550150", 51)),
        ),
        (
            "12155550100+100",
            "12155550100",
            Coverage::Spc("683G".parse().unwrap()),
        ),
    ] {
        let refused = verify(subject, &record(iss, coverage), Some(&table));
        assert!(
            matches!(refused, Err(KeyRecordError::NotHeld { .. })),
            "{subject}: {refused:?}"
        );
    }
}

#[test]
fn the_issuer_must_stand_in_the_certificate() {
    let record = record("683G", Coverage::Number(number("12155550000")));
    let refused = verify("4529", &record, Some(&table()));
    assert!(matches!(refused, Err(KeyRecordError::Issuer { .. })));
}

#[test]
fn a_record_lives_for_a_week_at_most_and_not_before_it_was_made() {
    let verify_at = |iat: UnixTime, exp: UnixTime| {
        let mut record = record("12155550100", Coverage::Number(number("12155550100")));
        (record.iat, record.exp) = (iat, exp);
        verify("12155550100+1", &record, None).map(|verified| verified.exp())
    };
    let (second, week) = (Duration::from_secs(1), MAX_LIFETIME);
    assert_eq!(verify_at(NOW, NOW.plus(week)), Ok(NOW.plus(week)));
    assert!(matches!(
        verify_at(NOW, NOW),
        Err(KeyRecordError::Lifetime { .. })
    ));
    assert!(matches!(
        verify_at(NOW, NOW.plus(week + second)),
        Err(KeyRecordError::Lifetime { .. })
    ));
    let ahead = NOW.plus(MAX_CLOCK_SKEW + second);
    assert!(matches!(
        verify_at(ahead, ahead.plus(second)),
        Err(KeyRecordError::NotYetValid { .. })
    ));
    assert!(matches!(
        verify_at(NOW.minus(second), NOW),
        Err(KeyRecordError::Expired { .. })
    ));
}

#[test]
fn a_record_signed_with_another_key_than_the_certificates_is_refused() {
    let pki = TestPki::new();
    let (owner, thief) = (pki.carrier("12155550100+1"), pki.carrier("4529"));
    let record = record("12155550100", Coverage::Number(number("12155550100")));
    let token = record.sign(&owner.certificate, &thief.key);
    let parsed = UnverifiedKeyRecord::parse(&token).unwrap();
    let chain = pki.chain(parsed.certificate());
    assert!(matches!(
        parsed.verify(&chain, None, NOW),
        Err(KeyRecordError::Signature(_))
    ));
}

#[test]
fn a_record_says_in_one_way_what_it_answers_for() {
    let pki = TestPki::new();
    let carrier = pki.carrier("683G");
    let header = JoseHeader {
        typ: Some(TYP.to_owned()),
        ppt: None,
        certificate: Some(carrier.certificate),
    };
    let parse_with = |changes: Value| {
        let mut claims = record("683G", Coverage::Number(number("12155550100"))).to_json();
        claims.shift_remove("tn");
        claims.extend(changes.as_object().unwrap().clone());
        UnverifiedKeyRecord::parse(&jws::sign(&header, claims, &carrier.key))
    };
    assert!(parse_with(json!({"tn": "12155550100"})).is_ok());
    for changes in [json!({}), json!({"tn": "12155550100", "spc": "683G"})] {
        assert_eq!(parse_with(changes), Err(KeyRecordError::NotOneCoverage));
    }
    for changes in [
        json!({"tn": "+12155550100"}),
        json!({"range": {"start": "12155550100", "count": 0}}),
        // One number is "tn".
        json!({"range": {"start": "12155550100", "count": 1}}),
        json!({"range": {"start": "99", "count": 2}}),
        json!({"spc": ""}),
    ] {
        let refused = parse_with(changes);
        assert!(
            matches!(refused, Err(KeyRecordError::Coverage { .. })),
            "{refused:?}"
        );
    }
}

/// The token of the number's holder with these changes to its claims.
fn parse_changed(changes: Value) -> Result<UnverifiedKeyRecord, KeyRecordError> {
    let holder = TestPki::new().carrier("12155550100");
    let header = JoseHeader {
        typ: Some(TYP.to_owned()),
        ppt: None,
        certificate: Some(holder.certificate),
    };
    let mut claims = record("12155550100", Coverage::Number(number("12155550100"))).to_json();
    claims.extend(changes.as_object().unwrap().clone());
    UnverifiedKeyRecord::parse(&jws::sign(&header, claims, &holder.key))
}

#[test]
fn the_issuer_has_one_spelling() {
    for iss in [
        "1-2155550100",
        "+12155550100",
        "1 215 555 0100",
        "(1)2155550100",
        "",
    ] {
        let refused = parse_changed(json!({"iss": iss}));
        assert_eq!(refused, Err(KeyRecordError::IssuerForm(iss.to_owned())));
    }
    for (iss, spelled) in [
        ("683G", "683G"),
        ("683g", "683G"),
        ("12155550100", "12155550100"),
        ("*67", "*67"),
    ] {
        let parsed = parse_changed(json!({"iss": iss})).unwrap();
        assert_eq!(parsed.record().iss, spelled);
    }
}

#[test]
fn the_cps_has_one_spelling() {
    for cps in ["https://cps.example.net/", "https://CPS.example.net"] {
        let refused = parse_changed(json!({"cps": cps}));
        let actual = cps.to_owned();
        let canonical = "https://cps.example.net".to_owned();
        let form = |claim, actual| KeyRecordError::CpsForm {
            claim,
            actual,
            canonical: canonical.clone(),
        };
        assert_eq!(refused, Err(form("cps", actual.clone())));
        let refused = parse_changed(json!({"cps": "https://a.example", "more_cps": [cps]}));
        assert_eq!(refused, Err(form("more_cps", actual)));
    }
}

#[test]
fn a_header_holds_nothing_that_it_is_not_read_for() {
    let holder = TestPki::new().carrier("12155550100");
    let record = record("12155550100", Coverage::Number(number("12155550100")));
    let token = record.sign(&holder.certificate, &holder.key);
    let (header, rest) = token.split_once('.').unwrap();
    let header = pennyblack_base::encoding::from_base64url(header).unwrap();
    let header: Map<String, Value> = serde_json::from_slice(&header).unwrap();
    for parameter in ["kid", "padding", "ppt"] {
        let mut header = header.clone();
        header.insert(parameter.to_owned(), json!("x"));
        let header = serde_json::to_vec(&header).unwrap();
        let header = pennyblack_base::encoding::base64url(&header);
        let refused = UnverifiedKeyRecord::parse(&format!("{header}.{rest}"));
        let unknown = KeyRecordError::UnknownParameter(parameter.to_owned());
        assert_eq!(refused, Err(unknown));
    }
}

#[test]
fn a_record_holds_nothing_that_it_is_not_read_for() {
    let refused = parse_changed(json!({"padding": "x"}));
    let unknown = |claim: &str| Err(KeyRecordError::UnknownClaim(claim.to_owned()));
    assert_eq!(refused, unknown("padding"));
    let mut claims = json!({"range": {"start": "12155550100", "count": 2, "padding": 1}});
    let mut set = ClaimSet::parse(claims.to_string().as_bytes()).unwrap();
    assert_eq!(
        take_coverage(&mut set),
        Err(KeyRecordError::UnknownClaim("padding".to_owned()))
    );
    claims["range"].as_object_mut().unwrap().remove("padding");
    let mut set = ClaimSet::parse(claims.to_string().as_bytes()).unwrap();
    assert!(take_coverage(&mut set).is_ok());
    let long = "x".repeat(MAX_KEY_RECORD_SIZE);
    assert!(matches!(
        parse_changed(json!({"cps": long})),
        Err(KeyRecordError::TooLong(_))
    ));
}

#[test]
fn the_grant_is_what_the_certificate_covers_however_it_is_written() {
    let grant_of = |subject: &str, iss: &str| {
        let record = record(iss, Coverage::Number(number("12155550100")));
        verify(subject, &record, Some(&table())).unwrap()
    };
    let one = grant_of("12155550100+1", "12155550100");
    let range = grant_of("12155550100+100", "12155550100");
    let other_iss = grant_of("12155550100+100", "12155550142");
    let spc = grant_of("683G", "683G");
    assert_eq!(range.grant(), other_iss.grant());
    assert_eq!(range.grant().highest(), range.grant().signer());
    let breadths = [&one, &range, &spc].map(VerifiedKeyRecord::breadth);
    let breadth = |signer| Breadth {
        signer,
        highest: signer,
        record: 1,
    };
    assert_eq!(breadths, [1, 100, SPC_NUMBERS].map(breadth));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_record_comes_back_as_it_was_signed(
        start in "[1-9][0-9]{6,12}",
        count in 2u64..1000,
        kind in 0u8..3,
        times in any::<(u64, u64)>(),
        cpss in 1usize..=3,
        copies in 1u64..=3,
    ) {
        let coverage = match (kind, NumberRange::new(number(&start), count)) {
            (0, Ok(range)) => Coverage::Range(range),
            (1, _) => Coverage::Spc("683G".parse().unwrap()),
            _ => Coverage::Number(number(&start)),
        };
        let mut record = record("683G", coverage);
        (record.iat, record.exp) = (UnixTime(times.0), UnixTime(times.1));
        let more = ["b", "c"].map(cps).into_iter().take(cpss - 1).collect();
        let copies = copies.min(cpss as u64);
        record.placement = Placement::new(cps("a"), more, Some(copies)).unwrap();
        let carrier = TestPki::new().carrier("683G");
        let token = record.sign(&carrier.certificate, &carrier.key);
        let parsed = UnverifiedKeyRecord::parse(&token).unwrap();
        prop_assert_eq!(parsed.record(), &record);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}") {
        let _ = UnverifiedKeyRecord::parse(&text);
        if let Ok(claims) = ClaimSet::parse(text.as_bytes()) {
            let _ = KeyRecord::parse(claims);
        }
    }
}
