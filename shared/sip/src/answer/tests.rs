use super::*;

const IDENTITY_VALUE: &str =
    r#"eyJ.e30.c2ln;info=<https://cert.example.org/a.cer>;alg=ES256;ppt="shaken""#;
const ESCAPED_IDENTITY: &str = "eyJ.e30.c2ln%3Binfo%3D%3Chttps%3A%2F%2Fcert.example.org%2Fa.cer%3E%3Balg%3DES256%3Bppt%3D%22shaken%22";

fn fields(carry: Carry, next_hop: Option<&str>, uri: &str) -> Vec<String> {
    let next_hop = next_hop.map(|next_hop| next_hop.parse().unwrap());
    let answer = Answer::redirect(Redirection::default(), carry, next_hop)
        .with(AddedHeader::identity(IDENTITY_VALUE).unwrap())
        .unwrap()
        .with(AddedHeader::attestation_level("A").unwrap())
        .unwrap();
    assert_eq!(answer.status().code(), 302);
    let fields = answer.fields(&uri.parse().unwrap());
    let line = |field: &Field| format!("{}: {}", field.name(), field.value().text());
    fields.iter().map(line).collect()
}

#[test]
fn headers_go_where_the_switch_looks_for_them() {
    let uri = "sip:+1;verstat=x@h;user=phone";
    let plain = "Contact: <sip:+1@h;user=phone>".to_owned();
    let embedded = format!(
        "Contact: <sip:+1@h;user=phone?Identity={ESCAPED_IDENTITY}&P-Attestation-Indicator=A>"
    );
    let headers = [
        format!("Identity: {IDENTITY_VALUE}"),
        "P-Attestation-Indicator: A".to_owned(),
    ];
    let with_headers = |contact: &String| [std::slice::from_ref(contact), &headers].concat();
    assert_eq!(fields(Carry::Header, None, uri), with_headers(&plain));
    assert_eq!(
        fields(Carry::Contact, None, uri),
        std::slice::from_ref(&embedded)
    );
    assert_eq!(fields(Carry::Both, None, uri), with_headers(&embedded));
}

#[test]
fn only_sip_uris_carry_headers() {
    for (uri, contact) in [
        ("tel:+1;npdi;verstat=x", "Contact: <tel:+1;npdi>"),
        ("urn:service:sos", "Contact: <urn:service:sos>"),
    ] {
        for carry in [Carry::Contact, Carry::Both] {
            let fields = fields(carry, None, uri);
            assert_eq!((fields[0].as_str(), fields.len()), (contact, 3));
        }
    }
}

#[test]
fn a_next_hop_has_the_number_that_was_called() {
    let contact = |uri| fields(Carry::Header, Some("[::1]:5070"), uri)[0].clone();
    assert_eq!(
        contact("sips:+1;npdi@h:5;user=phone"),
        "Contact: <sips:+1;npdi@[::1]:5070;user=phone>"
    );
    assert_eq!(
        contact("tel:+1;npdi"),
        "Contact: <sip:+1;npdi@[::1]:5070;user=phone>"
    );
    assert_eq!(contact("urn:service:sos"), "Contact: <urn:service:sos>");
}

#[test]
fn a_verdict_is_written_where_switches_read_it() {
    let host = AssertedForm::Sip("sbc.example.net".parse().unwrap());
    let value = |digits, verstat, form| {
        let header = AddedHeader::asserted_identity(digits, verstat, form)?;
        Ok(header.value().text().into_owned())
    };
    assert_eq!(
        value("17325551000", Verstat::Passed, &host).unwrap(),
        "<sip:+17325551000;verstat=TN-Validation-Passed@sbc.example.net;user=phone>"
    );
    assert_eq!(
        value("1", Verstat::None, &AssertedForm::Tel).unwrap(),
        "<tel:+1;verstat=No-TN-Validation>"
    );
    for bad in [
        "",
        "+1",
        "1234567890123456",
        "1;verstat=x",
        "1\r\nVia: x",
        "१",
    ] {
        assert_eq!(value(bad, Verstat::Failed, &host), Err(AnswerError::Number));
    }
}

#[test]
fn no_added_header_begins_another_line() {
    for text in ["a\r\nVia: x", "a\nb", "a\0"] {
        let results = [
            AddedHeader::identity(text),
            AddedHeader::attestation_level(text),
            AddedHeader::origination_id(text),
            AddedHeader::reason(ReasonProtocol::Sip, 438, text),
        ];
        assert!(results.iter().all(Result::is_err), "{text:?}");
    }
    let reason = AddedHeader::reason(ReasonProtocol::Stir, 438, r#"a"b\"#).unwrap();
    assert_eq!(reason.value().text(), r#"STIR;cause=438;text="a\"b\\""#);
}

#[test]
fn what_an_answer_adds_has_a_limit() {
    let large = AddedHeader::identity(&"a".repeat(MAX_ADDED / 2)).unwrap();
    let answer = Answer::refuse(Refusal::Decline)
        .with(large.clone())
        .unwrap();
    assert_eq!(answer.with(large), Err(AnswerError::TooLarge));
}
