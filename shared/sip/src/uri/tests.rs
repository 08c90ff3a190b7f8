use proptest::prelude::*;

use super::*;

fn sip(text: &str) -> SipUri {
    match text.parse() {
        Ok(Uri::Sip(uri)) => uri,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn the_parts_of_a_sip_uri_are_found() {
    let uri = sip("SIPS:+1;npdi:pw@[2001:db8::1]:5071;user=phone;lr?Subject=a%20b&X=");
    assert_eq!(uri.user(), Some("+1;npdi:pw"));
    assert_eq!(uri.host().as_str(), "[2001:db8::1]");
    assert_eq!(uri.port(), Some(5071));
    assert_eq!(uri.parameters().get("User"), Some("phone"));
    let headers: Vec<_> = uri.headers().collect();
    let expected = [("Subject", "a b"), ("X", "")];
    assert_eq!(headers, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    assert_eq!(sip("sip:h.example").user(), None);
}

/// RFC 3261 section 19.1.3 and RFC 4475 sections 3.1.1.2 and 3.1.1.3.
#[test]
fn unusual_uris_of_the_standards_are_read_and_written_as_they_came() {
    for text in [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        "sip:sips%3Auser%40example.com@example.net",
        "sip:null-%00-null@example.com",
        "tel:+1-201-555-0123",
        "tel:7042;phone-context=example.com",
        "urn:service:sos",
        "nobodyKnowsThisScheme:totallyopaquecontent",
    ] {
        assert_eq!(text.parse::<Uri>().unwrap().to_string(), text);
    }
}

#[test]
fn what_is_no_uri_is_refused() {
    for text in [
        "",
        "sip",
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip:a@b@c",
        "sip::pw@h",
        "sip:+1;verstat=x:pw;npdi@h",
        "sip:a:b:c@h",
        "sip:a@h:0",
        "sip:a@h:65536",
        "sip:a@h:",
        "sip:a@h:+5",
        "sip:a@h;",
        "sip:a@h;;lr",
        "sip:a@h;a=1;A=2",
        "sip:a@h?",
        "sip:a@h?x",
        "sip:a@[::1",
        "sip:a@::1",
        "sip:a@[1.2.3.4]",
        "sip:a%2@h",
        "sip:a%zz@h",
        "sip:a b@h",
        "sip:a\r\n@h",
        "sip:<a@h",
        "sip:ä@h",
        "<sip:a@h>",
        ":a",
        "1x:a",
        "urn:",
        "tel:",
        "tel:;phone-context=+1",
        "tel:+1@h",
        "tel:+1?a=b",
    ] {
        assert!(text.parse::<Uri>().is_err(), "{text:?}");
    }
}

#[test]
fn a_verdict_from_outside_is_not_written() {
    for (text, written) in [
        (
            "sip:+1;verstat=TN-Validation-Passed@h;user=phone",
            "sip:+1@h;user=phone",
        ),
        ("sip:+1;npdi;VERSTAT=x;rn=+2@h", "sip:+1;npdi;rn=+2@h"),
        ("sip:+1;%76erstat=x@h", "sip:+1@h"),
        ("sip:+1;verstat@h;verstat=x;a", "sip:+1@h;a"),
        ("sip:+1;verstat=x:pw@h", "sip:+1:pw@h"),
        ("tel:+1;verstat=TN-Validation-Passed;npdi", "tel:+1;npdi"),
        ("tel:+1;v%65rstat=x", "tel:+1"),
    ] {
        assert_eq!(text.parse::<Uri>().unwrap().to_string(), written);
    }
}

#[test]
fn emergency_services_are_known_by_their_urn() {
    for text in ["urn:service:sos", "URN:Service:SOS.police"] {
        assert!(text.parse::<Uri>().unwrap().is_emergency_service());
    }
    for text in ["urn:service:sossy", "urn:service:counseling", "sip:sos@h"] {
        assert!(!text.parse::<Uri>().unwrap().is_emergency_service());
    }
}

#[test]
fn numbers_are_not_shown_in_debug_output() {
    for text in [
        "sip:+12155550100@h",
        "tel:+12155550100",
        "urn:x:12155550100",
    ] {
        let shown = format!("{:?}", text.parse::<Uri>().unwrap());
        assert!(!shown.contains("555"), "{shown}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(text in "(sips?|tel):[a-z0-9+;=@:?&%.\\[\\]-]{0,40}") {
        if let Ok(uri) = text.parse::<Uri>() {
            let written = uri.to_string();
            prop_assert!(!written.to_ascii_lowercase().contains(";verstat"));
            let again = written.parse::<Uri>();
            prop_assert_eq!(again.map(|uri| uri.to_string()), Ok(written));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}") {
        let _ = text.parse::<Uri>();
    }
}
