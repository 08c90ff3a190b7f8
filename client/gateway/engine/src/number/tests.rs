use super::*;
use crate::trunk::Trunk;

fn north_america() -> Trunk {
    Trunk {
        country_code: Some("1".to_owned()),
        international_prefix: Some("011".to_owned()),
        never: vec!["7325559999".to_owned()],
        ..Trunk::default()
    }
}

fn germany() -> Trunk {
    Trunk {
        country_code: Some("49".to_owned()),
        national_prefix: Some("0".to_owned()),
        international_prefix: Some("00".to_owned()),
        ..Trunk::default()
    }
}

#[test]
fn what_switches_write_means_one_number() {
    for (trunk, text, number) in [
        (
            Trunk::default(),
            "sip:+17325551000@h;user=phone",
            "17325551000",
        ),
        (
            Trunk::default(),
            "SIPS:+17325551000:secret@[2001:db8::1]:5061",
            "17325551000",
        ),
        (Trunk::default(), "tel:+1-732-555-1000", "17325551000"),
        (Trunk::default(), "sip:%2B17325551000@h", "17325551000"),
        (
            Trunk::default(),
            "sip:+17325551000;verstat=TN-Validation-Passed@h",
            "17325551000",
        ),
        (
            Trunk::default(),
            "tel:+12155550100;npdi;rn=+12155559999",
            "12155550100",
        ),
        (
            Trunk::default(),
            "tel:7325551000;phone-context=+1",
            "17325551000",
        ),
        (
            Trunk::default(),
            "sip:7325551000;phone-context=+1@h",
            "17325551000",
        ),
        (Trunk::default(), " +1 (732) 555.1000 ", "17325551000"),
        (north_america(), "7325551000", "17325551000"),
        (north_america(), "17325551000", "17325551000"),
        (
            north_america(),
            "tel:7325551000;phone-context=example.com",
            "17325551000",
        ),
        (north_america(), "01149301234567", "49301234567"),
        (north_america(), "+49301234567", "49301234567"),
        (germany(), "0301234567", "49301234567"),
        (germany(), "0049301234567", "49301234567"),
        (germany(), "0017325551000@h", "17325551000"),
    ] {
        let found = trunk.canonical(text);
        assert_eq!(
            found.as_ref().map(TelephoneNumber::as_str),
            Ok(number),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_number_is_not_guessed() {
    use NotANumber::*;
    for (trunk, text, why) in [
        (Trunk::default(), "7325551000", NoCountryCode),
        (Trunk::default(), "17325551000", NoCountryCode),
        (Trunk::default(), "0049301234567", NoCountryCode),
        (Trunk::default(), "+0301234567", NoCountryCode),
        (north_america(), "5551000", NoCountryCode),
        (germany(), "301234567", NoCountryCode),
        (north_america(), "+1234567890123456", TooLong(16)),
        (north_america(), "sip:alice@example.com", OtherAddress),
        (north_america(), "sip:example.com", OtherAddress),
        (north_america(), "mailto:7325551000@h", OtherAddress),
        (north_america(), "73255510a0", Character('a')),
        (north_america(), "732555\r\n1000", Character('\r')),
        (north_america(), "7325551000*1", Character('*')),
        (north_america(), "", Missing),
        (north_america(), "tel:", Missing),
        (north_america(), "+", Missing),
        (
            north_america(),
            "sip:anonymous@anonymous.invalid",
            Anonymous,
        ),
        (
            north_america(),
            "sip:17325551000@anonymous.invalid",
            Anonymous,
        ),
        (north_america(), "Restricted", Anonymous),
        (north_america(), "sip:unavailable@h", Anonymous),
    ] {
        assert_eq!(trunk.canonical(text), Err(why), "{text}");
    }
    let long = "1".repeat(MAX_TEXT + 1);
    assert_eq!(north_america().canonical(&long), Err(TooMuchText));
}

#[test]
fn emergency_numbers_and_short_codes_are_passed_over_on_each_trunk() {
    for trunk in [Trunk::default(), north_america(), germany()] {
        for text in [
            "911",
            "sip:112@h",
            "tel:933",
            "411",
            "sip:12345@h",
            "*67",
            "*6717325551000",
            "#31#0301234",
            "urn:service:sos",
            "URN:service:SOS.fire",
            "116117",
            "+911",
            "tel:911;phone-context=+1",
        ] {
            assert_eq!(trunk.canonical(text), Err(NotANumber::PassedOver), "{text}");
        }
    }
    let never = north_america().canonical("732-555-9999");
    assert_eq!(never, Err(NotANumber::PassedOver));
    assert_eq!(
        Trunk::default().canonical("urn:service:counseling"),
        Err(NotANumber::OtherAddress)
    );
}
