//! Lists that an authority of little worth, or one that errs, makes: none of them speaks
//! for others, takes another list's place, or leaves a revoked certificate out.

use super::super::test_lists::{ListForm, extension};
use super::super::test_pki::tlv;
use super::*;

const KEY_USAGE: &str = "cRLSign";

/// A list of the administrator's that revokes these certificates of the authority.
fn administrators(serials: &[&[u8]], days_ago: u32) -> IndirectList {
    let issuer = common_names(&[(UTF8_STRING, b"Issuing 1")]);
    let serials = serials
        .iter()
        .map(|serial| (issuer.clone(), serial.to_vec()));
    IndirectList {
        issuer: common_names(&[(UTF8_STRING, b"Administrator")]),
        this_update: NOW.minus(DAY * days_ago),
        number: 1,
        revoked: serials.collect(),
    }
}

fn key_of(authority: &Authority) -> String {
    authority.key().serialize_pem()
}

#[test]
fn no_list_of_another_key_takes_a_lists_place() {
    let scene = Scene::new();
    let namesake = below(&scene.root, authority("Issuing 1", 3));
    let old = scene
        .read(&direct(&scene.issuing, 1, &[LEAF], None))
        .unwrap();
    let newer = direct(&namesake, 0, &[], None);
    let anchors = scene.anchors();
    let newer = RevocationList::verify(&newer, &[namesake.der()], &anchors, NOW).unwrap();
    assert!(!old.is_followed_by(&newer));
    let own = scene.read(&direct(&scene.issuing, 0, &[], None)).unwrap();
    assert!(old.is_followed_by(&own));
    assert!(!own.is_followed_by(&old));
}

#[test]
fn a_list_that_is_signed_anew_says_the_same() {
    let scene = Scene::new();
    let sign = || administrators(&[&[LEAF]], 0).sign(&key_of(&scene.administrator));
    let (one, other) = (scene.read(&sign()).unwrap(), scene.read(&sign()).unwrap());
    assert!(one.is_followed_by(&other));
    let shorter = administrators(&[], 0).sign(&key_of(&scene.administrator));
    assert!(!one.is_followed_by(&scene.read(&shorter).unwrap()));
}

/// What comes of a list about all authorities by somebody below `parent`.
fn list_by(
    scene: &Scene,
    parent: &Authority,
    change: impl FnOnce(&mut CertificateParams),
) -> Result<RevocationList, RevocationError> {
    let mut params = authority("Administrator", 9);
    change(&mut params);
    let signer = below(parent, params);
    let list = administrators(&[], 0).sign(&key_of(&signer));
    let certificates = [signer.der(), parent.der()];
    RevocationList::verify(&list, &certificates, &scene.anchors(), NOW)
}

fn carrier(params: &mut CertificateParams) {
    let spc = hex::decode("3008a006160436383347").unwrap();
    let extension = CustomExtension::from_oid_content(TN_AUTH_LIST, spc);
    params.custom_extensions = vec![extension];
}

#[test]
fn no_carrier_and_nothing_below_one_signs_a_list_about_others() {
    let scene = Scene::new();
    let refused = |outcome| matches!(outcome, Err(RevocationError::CarrierSigner(_)));
    list_by(&scene, &scene.root, |_| {}).unwrap();
    assert!(refused(list_by(&scene, &scene.root, carrier)));
    let mut delegate = authority("Carrier", 8);
    carrier(&mut delegate);
    let delegate = below(&scene.root, delegate);
    assert!(refused(list_by(&scene, &delegate, |_| {})));
    // About its own certificates it does.
    let own = direct(&delegate, 0, &[], None);
    RevocationList::verify(&own, &[delegate.der()], &scene.anchors(), NOW).unwrap();
}

#[test]
fn the_certificate_of_a_lists_signer_is_judged_like_any_other() {
    let scene = Scene::new();
    let said = |change: fn(&mut CertificateParams)| {
        let refused = list_by(&scene, &scene.root, change);
        refused.unwrap_err().to_string()
    };
    let unknown = said(|params| {
        let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 9], vec![5, 0]);
        unknown.set_criticality(true);
        params.custom_extensions = vec![unknown];
    });
    assert!(unknown.contains("1.3.6.1.4.1.9"), "{unknown}");
    let unstated = said(|params| params.key_usages.clear());
    assert!(unstated.contains(KEY_USAGE), "{unstated}");
    let other = said(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    assert!(other.contains(KEY_USAGE), "{other}");
}

#[test]
fn the_parts_of_an_indirect_list_all_count_and_all_must_be_current() {
    let scene = Scene::new();
    let part = |url, serials: &[&[u8]], days_ago| {
        let form = ListForm {
            url: Some(url),
            ..ListForm::default()
        };
        administrators(serials, days_ago).sign_in_form(&key_of(&scene.administrator), &form)
    };
    let one = part("http://crl.example/1", &[&[LEAF]], 1);
    let other = part("http://crl.example/2", &[], 0);
    for lists in [[one.clone(), other.clone()], [other.clone(), one]] {
        let refused = scene.judge_by(&lists);
        assert!(
            matches!(refused, Err(ChainError::Revoked(_))),
            "{refused:?}"
        );
    }
    let one = part("http://crl.example/1", &[], 1);
    assert_eq!(scene.judge_by(&[one, other.clone()]), Ok(()));
    let overdue = part("http://crl.example/1", &[], 3);
    let refused = scene.judge_by(&[overdue, other]);
    assert!(
        matches!(refused, Err(ChainError::StaleRevocation { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_list_of_changes_is_refused_also_if_it_says_so_uncritically() {
    let scene = Scene::new();
    for critical in [true, false] {
        let form = ListForm {
            extensions: vec![extension(&[0x55, 0x1d, 27], critical, &[2, 1, 1])],
            ..ListForm::default()
        };
        let list = administrators(&[], 0).sign_in_form(&key_of(&scene.administrator), &form);
        let refused = scene.read(&list).unwrap_err();
        let why = RevocationError::UnknownExtension("2.5.29.27".to_owned());
        assert_eq!(refused, why);
    }
}

#[test]
fn an_entry_that_names_two_issuers_makes_its_list_unusable() {
    let scene = Scene::new();
    let form = ListForm {
        repeats_issuers: true,
        ..ListForm::default()
    };
    let list = administrators(&[&[LEAF]], 0).sign_in_form(&key_of(&scene.administrator), &form);
    let refused = scene.read(&list);
    assert!(
        matches!(refused, Err(RevocationError::EntryIssuer(_))),
        "{refused:?}"
    );
}

#[test]
fn an_entry_that_cannot_be_read_makes_its_list_unusable() {
    let scene = Scene::new();
    let reason = |critical: &[u8], end: &[u8]| {
        let oid = tlv(6, &[0x55, 0x1d, 21]);
        let value = tlv(4, &tlv(10, &[1]));
        tlv(0x30, &[oid.as_slice(), critical, &value, end].concat())
    };
    let sign = |entry_extension: Vec<u8>| {
        let form = ListForm {
            entry_extension,
            ..ListForm::default()
        };
        administrators(&[&[LEAF]], 0).sign_in_form(&key_of(&scene.administrator), &form)
    };
    let outcome = scene.judge_by(&[sign(reason(&[], &[]))]);
    assert!(
        matches!(outcome, Err(ChainError::Revoked(_))),
        "{outcome:?}"
    );
    for entry_extension in [
        // A BOOLEAN of two bytes, a byte too many, no value, no extension.
        reason(&tlv(1, &[0, 0]), &[]),
        reason(&[], &[0]),
        tlv(0x30, &tlv(6, &[0x55, 0x1d, 21])),
        tlv(4, &[1]),
    ] {
        let refused = scene.read(&sign(entry_extension));
        assert!(
            matches!(refused, Err(RevocationError::Form(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn a_file_with_more_lists_or_certificates_than_a_signer_has_is_refused() {
    let scene = Scene::new();
    let block = |label: &str, der: &[u8]| {
        let text = pennyblack_base::encoding::base64_standard(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    let list = block("X509 CRL", &direct(&scene.issuing, 0, &[], None));
    let certificate = block("CERTIFICATE", scene.issuing.der());
    let read = |lists, certificates| {
        let pem = [list.repeat(lists), certificate.repeat(certificates)].concat();
        let verdicts = RevocationList::verify_file(pem.as_bytes(), &scene.anchors(), NOW);
        verdicts.into_iter().collect::<Result<Vec<_>, _>>()
    };
    assert_eq!(read(16, 64).unwrap().len(), 16);
    for (lists, certificates) in [(17, 1), (1, 65)] {
        let refused = read(lists, certificates).unwrap_err();
        let max = lists.max(certificates) - 1;
        assert!(
            refused.to_string().contains(&format!("more than {max} ")),
            "{refused}"
        );
    }
}

#[test]
fn which_lists_are_relied_upon_is_found_once_for_all_certificates() {
    let scene = Scene::new();
    let all = administrators(&[], 0).sign(&key_of(&scene.administrator));
    let mut lists = scene.lists(&[all]);
    let found = lists.relied_upon();
    assert_eq!(found.len(), 1);
    assert!(std::ptr::eq(found, lists.relied_upon()));
    // And again when a list is added that revokes a signer.
    lists.add(Arc::new(
        scene.read(&direct(&scene.root, 0, &[2], None)).unwrap(),
    ));
    let relied_upon = lists.relied_upon();
    assert_eq!(relied_upon.len(), 1);
    assert!(!relied_upon[0].identity().is_indirect());
}

#[test]
fn a_serial_number_is_the_same_however_many_bytes_it_has() {
    let scene = Scene::new();
    let leaf = Certificate::parse(&scene.leaf).unwrap();
    let with_serial = |serial: &[u8]| {
        let mut other = leaf.clone();
        other.serial = serial.into();
        other
    };
    // Zeros before a number change nothing, nor what is like them before a negative one.
    let same: [&[&[u8]]; 3] = [
        &[&[LEAF], &[0, LEAF], &[0, 0, LEAF]],
        &[&[0xff, 0x80], &[0xff, 0xff, 0x80], &[0x80]],
        &[&[0, 0xff, 0x80], &[0, 0, 0xff, 0x80]],
    ];
    for numbers in same {
        for revoked in numbers {
            let list = administrators(&[revoked], 0).sign(&key_of(&scene.administrator));
            let lists = scene.lists(&[list]);
            for number in numbers {
                assert!(lists.is_revoked(&with_serial(number)), "{number:?}");
            }
            assert!(!lists.is_revoked(&with_serial(&[LEAF + 1])));
        }
    }
}
