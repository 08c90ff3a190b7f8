use super::*;
use crate::tests::{header, shaken, shaken_claims, unsigned};

#[test]
fn an_identity_header_comes_back_as_it_was_written() {
    for token in [shaken(), unsigned(&header(None), &shaken_claims())] {
        let identity = IdentityHeader::new(UnverifiedPassport::parse(&token).unwrap()).unwrap();
        assert_eq!(identity.to_string().parse(), Ok(identity));
    }
}

#[test]
fn an_identity_header_is_read_in_the_spellings_of_the_field() {
    let token = shaken();
    for parameters in [
        ";info=<https://cert.example.org/p.cer>;alg=ES256;ppt=shaken",
        ";info=<https://cert.example.org/p.cer>;alg=ES256;ppt=\"shaken\"",
        " ; INFO = <https://cert.example.org/p.cer> ; Ppt=shaken;\r\n foo=\"a\"",
        ";ppt=shaken;info=<https://cert.example.org/p.cer>",
        ";info=<HTTPS://CERT.example.org:443/p.cer>;ppt=Shaken;alg=es256",
        ";x-trunk ;x=\"a;info=<https://a.example/>\\\";ppt=div\";info=<https://cert.example.org/p.cer>;ppt=\"sha\\ken\"",
        ";flag;info=<https://cert.example.org/p.cer>;ppt=shaken;alg=\"ES256\";last",
    ] {
        let identity = format!("{token}{parameters}").parse::<IdentityHeader>();
        assert_eq!(identity.unwrap().passport().as_str(), token, "{parameters}");
    }
}

#[test]
fn an_identity_header_that_disagrees_with_its_passport_is_refused() {
    let token = shaken();
    let refusal = |parameters: &str| {
        let value = format!("{token}{parameters}");
        value.parse::<IdentityHeader>().unwrap_err()
    };
    let info = ";info=<https://cert.example.org/p.cer>";
    assert_eq!(refusal(""), IdentityHeaderError::NoInfo);
    assert_eq!(refusal(";ppt=shaken"), IdentityHeaderError::NoInfo);
    assert!(matches!(
        refusal(";info=<https://other.example.org/p.cer>;ppt=shaken"),
        IdentityHeaderError::OtherCertificate { .. }
    ));
    assert!(matches!(
        refusal(";info=<http://a.example>;ppt=shaken"),
        IdentityHeaderError::Info(_)
    ));
    assert!(matches!(
        refusal(&format!("{info};alg=none;ppt=shaken")),
        IdentityHeaderError::Algorithm(_)
    ));
    assert!(matches!(
        refusal(&format!("{info};ppt=div")),
        IdentityHeaderError::OtherExtension { .. }
    ));
    assert!(matches!(
        refusal(info),
        IdentityHeaderError::OtherExtension { .. }
    ));
    for broken in [
        ";info=<https://cert",
        ";info",
        ";info=",
        ";info=<a>b",
        ";=a",
        ";a b",
        ";ppt=\"shaken",
        ";ppt=\"shaken\\",
    ] {
        assert!(
            matches!(refusal(broken), IdentityHeaderError::Parameter(_)),
            "{broken}"
        );
    }
    assert!(matches!(
        refusal(&format!("{info}{info}")),
        IdentityHeaderError::Parameter(_)
    ));
}

#[test]
fn the_compact_form_is_told_apart() {
    let compact = "..c2ln;info=<https://cert.example.org/p.cer>;ppt=shaken";
    assert_eq!(
        compact.parse::<IdentityHeader>(),
        Err(IdentityHeaderError::CompactForm)
    );
}
