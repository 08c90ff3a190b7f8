use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use pennyblack_stir::{ChainError, RevocationLists, TrustAnchors, TrustPolicy, verify_chain};

use x509_parser::prelude::*;

use super::*;
use crate::{PkiDirectory, RevocationReason, TnAuthEntry};

const NOW: UnixTime = UnixTime(1_800_000_000);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn spc() -> LeafRequest {
    LeafRequest::new(vec![TnAuthEntry::spc("683G").unwrap()])
}

fn parse(der: &[u8]) -> X509Certificate<'_> {
    let (rest, certificate) = parse_x509_certificate(der).unwrap();
    assert!(rest.is_empty());
    certificate
}

#[test]
fn a_leaf_chains_to_the_root_by_signature_and_key_identifier() {
    let ca = DevelopmentCa::generate(&CaNames::default(), NOW).unwrap();
    let credential = ca.issue(&spc(), NOW).unwrap();
    let [leaf, intermediate] = credential.path() else {
        panic!(
            "leaf and intermediate, not {} certificates",
            credential.path().len()
        );
    };
    let (leaf, intermediate, root) = (parse(leaf), parse(intermediate), parse(ca.root_der()));
    leaf.verify_signature(Some(intermediate.public_key()))
        .unwrap();
    intermediate
        .verify_signature(Some(root.public_key()))
        .unwrap();
    root.verify_signature(None).unwrap();
    assert_eq!(authority_key(&leaf), subject_key(&intermediate));
    assert_eq!(authority_key(&intermediate), subject_key(&root));
}

#[test]
fn a_leaf_has_the_shape_of_leaves_in_the_field() {
    let ca = DevelopmentCa::generate(&CaNames::default(), NOW).unwrap();
    let request = LeafRequest {
        crl_url: Some("https://crl.example/crl".to_owned()),
        ..spc()
    };
    let credential = ca.issue(&request, NOW).unwrap();
    let leaf = parse(&credential.path()[0]);
    assert_eq!(
        leaf.subject().to_string(),
        "C=US, O=Example Carrier, CN=SHAKEN 683G"
    );
    assert_eq!(leaf.validity().not_after.timestamp(), 1_800_604_800);
    assert!(!leaf.is_ca());
    let usage = leaf.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.digital_signature() && !usage.value.key_cert_sign());
    let extension = |oid: &str| {
        leaf.extensions()
            .iter()
            .find(|extension| extension.oid.to_id_string() == oid)
            .unwrap()
    };
    let tn_auth_list = extension("1.3.6.1.5.5.7.1.26");
    assert!(!tn_auth_list.critical);
    assert_eq!(hex::encode(tn_auth_list.value), "3008a006160436383347");
    assert!(!extension("2.5.29.32").critical);
    let ParsedExtension::CRLDistributionPoints(points) = extension("2.5.29.31").parsed_extension()
    else {
        panic!("no distribution point");
    };
    assert!(points.points[0].crl_issuer.is_some());
}

#[test]
fn a_delegate_certificate_comes_with_its_whole_path_and_only_from_a_delegating_parent() {
    let ca = DevelopmentCa::generate(&CaNames::default(), NOW).unwrap();
    let request = LeafRequest::new(vec![TnAuthEntry::one("12125550100").unwrap()]);
    let parent = ca
        .issue(
            &LeafRequest {
                may_delegate: true,
                ..spc()
            },
            NOW,
        )
        .unwrap();
    let delegate = ca.issue_delegate(&parent, &request, NOW).unwrap();
    assert_eq!(delegate.path().len(), 3);
    parse(&delegate.path()[0])
        .verify_signature(Some(parse(&parent.path()[0]).public_key()))
        .unwrap();
    assert!(matches!(
        ca.issue_delegate(&delegate, &request, NOW),
        Err(PkiError::ParentCannotDelegate(_))
    ));
}

#[test]
fn a_certificate_that_speaks_for_nobody_is_refused() {
    let ca = DevelopmentCa::generate(&CaNames::default(), NOW).unwrap();
    assert!(matches!(
        ca.issue(&LeafRequest::new(Vec::new()), NOW),
        Err(PkiError::EmptyTnAuthList)
    ));
}

#[test]
fn a_revoked_certificate_stands_in_the_signed_list_with_its_own_issuer() {
    let home = tempfile::tempdir().unwrap();
    let mut pki = PkiDirectory::init(home.path(), &CaNames::default(), WEEK, NOW).unwrap();
    let revoked = pki.issue("carrier", &spc(), None, NOW).unwrap();
    pki.issue("other", &spc(), None, NOW).unwrap();
    pki.revoke("carrier", RevocationReason::KeyCompromise, WEEK, NOW)
        .unwrap();

    let file = fs::read(pki.revocation_path().join("sti-pa.crl")).unwrap();
    let (rest, block) = parse_x509_pem(&file).unwrap();
    let der = block.contents;
    let (_, list) = parse_x509_crl(&der).unwrap();
    let (_, signer) = parse_x509_pem(rest).unwrap();
    let signer = parse(&signer.contents);
    list.verify_signature(signer.public_key()).unwrap();
    assert_eq!(list.issuer(), signer.subject());
    let lines: Vec<_> = list.iter_revoked_certificates().collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].raw_serial(), revoked.serial().as_bytes());
    let names_issuer = lines[0]
        .extensions()
        .iter()
        .find(|extension| extension.oid.to_id_string() == "2.5.29.29")
        .unwrap();
    assert!(names_issuer.critical);
    let issuer = ca_name(&home.path().join("intermediate.pem"));
    assert!(
        names_issuer
            .value
            .windows(issuer.len())
            .any(|window| window == issuer)
    );
}

#[test]
fn what_a_verifier_is_given_lets_it_accept_the_valid_and_refuse_the_revoked() {
    let home = tempfile::tempdir().unwrap();
    let mut pki = PkiDirectory::init(home.path(), &CaNames::default(), WEEK, NOW).unwrap();
    let good = pki.issue("good", &spc(), None, NOW).unwrap();
    let bad = pki.issue("bad", &spc(), None, NOW).unwrap();
    pki.revoke("bad", RevocationReason::Superseded, WEEK, NOW)
        .unwrap();

    let roots = fs::read(pki.roots_path().join("root.pem")).unwrap();
    let anchors = TrustAnchors::from_der(&TrustAnchors::of_file(&roots).0).unwrap();
    let mut lists = RevocationLists::none();
    let list = fs::read(pki.revocation_path().join("sti-pa.crl")).unwrap();
    assert_eq!(lists.add_file(&list, &anchors, NOW), []);
    let trust = TrustPolicy::new(Arc::new(anchors)).with_revocation(Arc::new(lists));
    let chain = verify_chain(good.path(), &trust, NOW).unwrap();
    assert_eq!(chain.tn_auth_list().spcs().next().unwrap().as_str(), "683G");
    assert!(matches!(
        verify_chain(bad.path(), &trust, NOW),
        Err(ChainError::Revoked(_))
    ));
}

#[test]
fn a_delegate_is_accepted_within_its_parents_numbers_only() {
    let ca = DevelopmentCa::generate(&CaNames::default(), NOW).unwrap();
    let anchors = TrustAnchors::from_der(&[ca.root_der()]).unwrap();
    let trust = TrustPolicy::new(Arc::new(anchors));
    let parent = LeafRequest {
        may_delegate: true,
        ..LeafRequest::new(vec![TnAuthEntry::range("12125550100+100").unwrap()])
    };
    let parent = ca.issue(&parent, NOW).unwrap();
    let within = LeafRequest::new(vec![TnAuthEntry::one("12125550142").unwrap()]);
    let within = ca.issue_delegate(&parent, &within, NOW).unwrap();
    verify_chain(within.path(), &trust, NOW).unwrap();
    let outside = LeafRequest::new(vec![TnAuthEntry::one("12125550200").unwrap()]);
    let outside = ca.issue_delegate(&parent, &outside, NOW).unwrap();
    assert!(verify_chain(outside.path(), &trust, NOW).is_err());
}

#[test]
fn a_directory_is_read_back_by_another_process_and_its_keys_are_for_their_owner_only() {
    let home = tempfile::tempdir().unwrap();
    drop(PkiDirectory::init(home.path(), &CaNames::default(), WEEK, NOW).unwrap());
    let mut pki = PkiDirectory::open(home.path()).unwrap();
    let issued = pki.issue("carrier", &spc(), None, NOW).unwrap();
    drop(pki);
    let pki = PkiDirectory::open(home.path()).unwrap();
    assert_eq!(pki.credential("carrier").unwrap().path(), issued.path());
    assert_eq!(pki.credential("carrier").unwrap().serial(), issued.serial());
    for key in [pki.key_path("carrier"), home.path().join("root.key")] {
        let mode = fs::metadata(key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(matches!(
        PkiDirectory::init(home.path(), &CaNames::default(), WEEK, NOW),
        Err(PkiError::AlreadyInitialized(_))
    ));
}

#[test]
fn a_name_that_leads_out_of_the_directory_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let mut pki = PkiDirectory::init(home.path(), &CaNames::default(), WEEK, NOW).unwrap();
    for name in ["../root", "", ".hidden", "a/b", "a b"] {
        assert!(
            matches!(pki.issue(name, &spc(), None, NOW), Err(PkiError::Name(_))),
            "{name}"
        );
    }
}

fn ca_name(path: &std::path::Path) -> Vec<u8> {
    let text = fs::read(path).unwrap();
    let (_, block) = parse_x509_pem(&text).unwrap();
    parse(&block.contents).subject().as_raw().to_vec()
}

fn authority_key(certificate: &X509Certificate<'_>) -> Vec<u8> {
    certificate
        .iter_extensions()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.clone(),
            _ => None,
        })
        .unwrap()
        .0
        .to_vec()
}

fn subject_key(certificate: &X509Certificate<'_>) -> Vec<u8> {
    certificate
        .iter_extensions()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
        .unwrap()
}
