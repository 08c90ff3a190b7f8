use std::fs;

use super::*;
use pennyblack_pki::{CaNames, DevelopmentCa, LeafRequest, TnAuthEntry};

fn written(holds: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let now = UnixTime(1_800_000_000);
    let ca = DevelopmentCa::generate(&CaNames::default(), now).unwrap();
    let holds: TnAuthEntry = holds.parse().unwrap();
    let credential = ca.issue(&LeafRequest::new(vec![holds]), now).unwrap();
    let (certificate, key) = (home.path().join("c.pem"), home.path().join("c.key"));
    fs::write(&certificate, credential.path_pem()).unwrap();
    atomic_file::write_private(&key, credential.key_pem().as_bytes()).unwrap();
    (home, certificate, key)
}

#[test]
fn a_credential_of_the_development_pki_acts_for_its_first_entry() {
    let (_home, certificate, key) = written("spc:683G");
    assert_eq!(
        StirIdentity::load(&certificate, &key, None).unwrap().iss(),
        "683G"
    );
    let (_home, certificate, key) = written("range:12125550100+100");
    let identity = StirIdentity::load(&certificate, &key, Some("12125550142")).unwrap();
    assert_eq!(identity.iss(), "12125550142");
}

/// Draws and key records are counted by it.
#[test]
fn a_subject_has_one_spelling() {
    let (_home, certificate, key) = written("spc:683G");
    for iss in ["683g", "683G"] {
        let identity = StirIdentity::load(&certificate, &key, Some(iss)).unwrap();
        assert_eq!(identity.iss(), "683G");
    }
    let (_home, certificate, key) = written("range:12125550100+100");
    for iss in ["+1 212 555 0142", "12125550142"] {
        let identity = StirIdentity::load(&certificate, &key, Some(iss)).unwrap();
        assert_eq!(identity.iss(), "12125550142");
    }
}

#[test]
fn a_subject_that_the_certificate_does_not_speak_for_is_refused() {
    let (_home, certificate, key) = written("spc:683G");
    assert!(matches!(
        StirIdentity::load(&certificate, &key, Some("684G")),
        Err(IdentityError::NotSpokenFor { .. })
    ));
}

#[test]
fn certificate_and_key_are_read_as_editors_leave_them() {
    let (_home, certificate, key) = written("spc:683G");
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let indented = |text: String| {
        let lines = text.lines().map(|line| format!("  {line}\r\n"));
        format!("\u{feff}notes\r\n{}", lines.collect::<String>())
    };
    let (path, own) = (read(&certificate), read(&key));
    // The leaf last, as it is in some bundles.
    let certificates = certificates_of_file(path.as_bytes()).unwrap();
    let second = path.rfind("-----BEGIN").unwrap();
    let (first, last) = path.split_at(second);
    fs::write(&certificate, indented(format!("{last}{first}"))).unwrap();
    atomic_file::write_private(&key, indented(own).as_bytes()).unwrap();
    let identity = StirIdentity::load(&certificate, &key, None).unwrap();
    let CertificateReference::X5c(x5c) = identity.certificate() else {
        panic!("no x5c");
    };
    assert_eq!(x5c.certificates(), certificates);
}

#[test]
fn an_identity_signs_for_as_long_as_its_path_is_valid() {
    let (_home, certificate, key) = written("spc:683G");
    let identity = StirIdentity::load(&certificate, &key, None).unwrap();
    let (from, until) = identity.validity[0];
    assert_eq!(identity.validity.len(), 2);
    for now in [UnixTime(from.0 - 10), from, until] {
        assert!(identity.check_current(now).is_ok(), "{now}");
    }
    for now in [UnixTime(from.0 - 11), UnixTime(until.0 + 1)] {
        let error = identity.check_current(now).unwrap_err();
        assert!(error.to_string().starts_with("the certificate is not"));
    }
    let mut identity = identity;
    identity.validity[1].1 = UnixTime(until.0 - 1);
    let error = identity.check_current(until).unwrap_err();
    assert!(error.to_string().starts_with("certificate 2 of the path"));
}

#[test]
fn the_key_of_another_certificate_is_refused() {
    let (_home, certificate, _) = written("spc:683G");
    let (_other, _, key) = written("spc:683G");
    let error = StirIdentity::load(&certificate, &key, None).unwrap_err();
    assert!(matches!(error, IdentityError::OtherKey { .. }));
    for file in [&certificate, &key] {
        assert!(
            error.to_string().contains(file.to_str().unwrap()),
            "{error}"
        );
    }
}

#[test]
fn a_file_with_more_certificates_than_a_path_is_told_of_the_file() {
    let (_home, certificate, key) = written("spc:683G");
    let one = fs::read_to_string(&certificate).unwrap();
    fs::write(&certificate, one.repeat(7)).unwrap();
    let error = StirIdentity::load(&certificate, &key, None).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("c.pem holds "), "{said}");
    assert!(said.contains("a path has 6 at most"), "{said}");
    assert!(!said.contains("x5c"), "{said}");
}
