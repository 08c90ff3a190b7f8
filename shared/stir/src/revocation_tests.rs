//! Lists made for the occasion, and what they tell of certificates: the lists of
//! authorities about their own (direct), and the administrator's about all (indirect).

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope, CustomExtension, DnType, DnValue,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};

use super::test_lists::{IndirectList, PRINTABLE_STRING, UTF8_STRING, common_names};
use super::test_pki::NOW;
use super::*;
use pennyblack_base::time::UnixTime;

mod hostile;

const DAY: Duration = Duration::from_secs(86_400);
const TN_AUTH_LIST: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 26];
const POINT: &str = "http://crl.example/part-1";

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A root, an authority below it that issued a leaf, and an administrator of lists.
struct Scene {
    root: Authority,
    issuing: Authority,
    administrator: Authority,
    leaf: Vec<u8>,
}

const LEAF: u8 = 0x35;
const ISSUING: u8 = 0x2b;

fn params(name: &str, serial: u8) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(vec![serial]));
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority(name: &str, serial: u8) -> CertificateParams {
    let mut params = params(name, serial);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn below(parent: &Authority, params: CertificateParams) -> Authority {
    CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), parent).unwrap()
}

fn leaf(parent: &Authority) -> Vec<u8> {
    let mut params = params("leaf", LEAF);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let spc = hex::decode("3008a006160436383347").unwrap();
    let extension = CustomExtension::from_oid_content(TN_AUTH_LIST, spc);
    params.custom_extensions = vec![extension];
    params.crl_distribution_points = vec![CrlDistributionPoint {
        uris: vec![POINT.to_owned()],
    }];
    let key = KeyPair::generate().unwrap();
    params.signed_by(&key, parent).unwrap().der().to_vec()
}

impl Scene {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(authority("Root", 1), key).unwrap();
        let issuing = below(&root, authority("Issuing 1", ISSUING));
        let administrator = below(&root, authority("Administrator", 2));
        Self {
            leaf: leaf(&issuing),
            root,
            issuing,
            administrator,
        }
    }

    fn anchors(&self) -> TrustAnchors {
        TrustAnchors::from_der(&[self.root.der()]).unwrap()
    }

    fn read(&self, list: &[u8]) -> Result<RevocationList, RevocationError> {
        let authorities = [self.issuing.der(), self.administrator.der()];
        RevocationList::verify(list, &authorities, &self.anchors(), NOW)
    }

    fn lists(&self, lists: &[Vec<u8>]) -> RevocationLists {
        let mut all = RevocationLists::none();
        for list in lists {
            all.add(Arc::new(self.read(list).unwrap()));
        }
        all
    }

    fn judge(&self, lists: RevocationLists) -> Result<(), ChainError> {
        let policy = TrustPolicy::new(Arc::new(self.anchors()));
        let policy = policy.with_revocation(Arc::new(lists));
        let chain = [self.leaf.clone(), self.issuing.der().to_vec()];
        verify_chain(&chain, &policy, NOW).map(drop)
    }

    fn judge_by(&self, lists: &[Vec<u8>]) -> Result<(), ChainError> {
        self.judge(self.lists(lists))
    }

    /// The administrator's list of certificates of this name's authority.
    fn indirect(&self, issuer: &[u8], serials: &[u8]) -> Vec<u8> {
        self.indirect_of(
            common_names(&[(UTF8_STRING, b"Administrator")]),
            issuer,
            serials,
        )
    }

    fn indirect_of(&self, own_name: Vec<u8>, issuer: &[u8], serials: &[u8]) -> Vec<u8> {
        let revoked = serials
            .iter()
            .map(|serial| (issuer.to_vec(), vec![*serial]));
        let list = IndirectList {
            issuer: own_name,
            this_update: NOW,
            number: 1,
            revoked: revoked.collect(),
        };
        list.sign(&self.administrator.key().serialize_pem())
    }
}

/// A list of an authority about its own certificates, made `days` ago for two days.
fn direct(by: &Authority, days: u64, serials: &[u8], scope: Option<CrlScope>) -> Vec<u8> {
    let point = scope.map(|scope| (Vec::new(), Some(scope)));
    direct_of(by, days, serials, point)
}

fn direct_of(
    by: &Authority,
    days: u64,
    serials: &[u8],
    point: Option<(Vec<String>, Option<CrlScope>)>,
) -> Vec<u8> {
    let made = date_time_ymd(1970, 1, 1) + Duration::from_secs(NOW.0) - DAY * days as u32;
    let revoked = serials.iter().map(|serial| RevokedCertParams {
        serial_number: SerialNumber::from(vec![*serial]),
        revocation_time: made,
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: made,
        next_update: made + DAY * 2,
        crl_number: SerialNumber::from(100 - days),
        issuing_distribution_point: point.map(|(uris, scope)| CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint {
                uris: if uris.is_empty() {
                    vec![POINT.to_owned()]
                } else {
                    uris
                },
            },
            scope,
        }),
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(by).unwrap().der().to_vec()
}

fn is_uncovered(outcome: &Result<(), ChainError>) -> bool {
    matches!(outcome, Err(ChainError::NoRevocationList { .. }))
}

#[test]
fn an_indirect_list_revokes_by_an_issuers_name_in_whatever_form_it_is_written() {
    let scene = Scene::new();
    for (tag, written) in [
        (12, b"Issuing 1".as_slice()),
        (19, b"Issuing 1"),
        (20, b"Issuing 1"),
        (12, b"ISSUING 1"),
        (19, b" issuing  1 "),
    ] {
        let list = scene.indirect(&common_names(&[(tag, written)]), &[LEAF]);
        let outcome = scene.judge_by(&[list]);
        let what = written.escape_ascii();
        assert!(
            matches!(outcome, Err(ChainError::Revoked(_))),
            "{tag} {what}: {outcome:?}"
        );
    }
    let list = scene.indirect(&common_names(&[(12, b"Issuing 2")]), &[LEAF]);
    assert_eq!(scene.judge_by(&[list]), Ok(()));
}

#[test]
fn a_list_counts_whose_issuer_is_written_in_another_form_than_in_its_certificate() {
    let scene = Scene::new();
    let issuing = common_names(&[(UTF8_STRING, b"Issuing 1")]);
    let own_name = common_names(&[(PRINTABLE_STRING, b"ADMINISTRATOR")]);
    let list = scene.indirect_of(own_name, &issuing, &[LEAF]);
    assert!(matches!(
        scene.judge_by(&[list]),
        Err(ChainError::Revoked(_))
    ));
}

#[test]
fn a_path_leads_through_names_in_whatever_form_they_are_written() {
    let root = Scene::new().root;
    let mut written = authority("", ISSUING);
    let printable = rcgen::string::PrintableString::try_from("ISSUING  1").unwrap();
    let printable = DnValue::PrintableString(printable);
    written
        .distinguished_name
        .push(DnType::CommonName, printable);
    // The same key under a name that is written otherwise.
    let key = KeyPair::generate().unwrap();
    let pem = key.serialize_pem();
    let issuing = CertifiedIssuer::signed_by(authority("Issuing 1", ISSUING), key, &root).unwrap();
    let key = KeyPair::from_pem(&pem).unwrap();
    let other = CertifiedIssuer::signed_by(written, key, &root).unwrap();
    let policy = TrustPolicy::new(Arc::new(TrustAnchors::from_der(&[root.der()]).unwrap()));
    verify_chain(&[leaf(&issuing), other.der().to_vec()], &policy, NOW).unwrap();
}

#[test]
fn without_a_list_of_every_authority_on_its_path_a_certificate_is_refused() {
    let scene = Scene::new();
    let (issuing, root) = (
        direct(&scene.issuing, 0, &[], None),
        direct(&scene.root, 0, &[], None),
    );
    assert!(is_uncovered(&scene.judge(RevocationLists::none())));
    let outcome = scene.judge_by(slice::from_ref(&root)).unwrap_err();
    assert!(outcome.to_string().contains("Issuing 1"), "{outcome}");
    let outcome = scene.judge_by(slice::from_ref(&issuing)).unwrap_err();
    assert!(outcome.to_string().contains("list of CN=Root"), "{outcome}");
    assert_eq!(scene.judge_by(&[issuing, root]), Ok(()));
    let all = scene.indirect(&common_names(&[(12, b"Issuing 1")]), &[]);
    assert_eq!(scene.judge_by(&[all]), Ok(()));
}

#[test]
fn a_list_of_some_certificates_covers_only_those() {
    let scene = Scene::new();
    let root = direct(&scene.root, 0, &[], None);
    let judge = |point| {
        let list = direct_of(&scene.issuing, 0, &[], Some(point));
        scene.judge_by(&[list, root.clone()])
    };
    assert_eq!(judge((Vec::new(), None)), Ok(()));
    assert_eq!(judge((Vec::new(), Some(CrlScope::UserCertsOnly))), Ok(()));
    assert!(is_uncovered(&judge((
        Vec::new(),
        Some(CrlScope::CaCertsOnly)
    ))));
    let elsewhere = vec!["http://crl.example/part-2".to_owned()];
    assert!(is_uncovered(&judge((elsewhere, None))));
}

#[test]
fn the_newest_list_of_an_authority_counts_in_whatever_order_they_are_read() {
    let scene = Scene::new();
    let root = direct(&scene.root, 0, &[], None);
    let old = direct(&scene.issuing, 5, &[], None);
    let new = direct(&scene.issuing, 1, &[LEAF], None);
    for lists in [[old.clone(), new.clone()], [new, old]] {
        let lists = [lists.as_slice(), slice::from_ref(&root)].concat();
        assert!(matches!(
            scene.judge_by(&lists),
            Err(ChainError::Revoked(_))
        ));
    }
    // The other way round the old one is obsolete, and stops nothing.
    let old = direct(&scene.issuing, 5, &[LEAF], None);
    let new = direct(&scene.issuing, 1, &[], None);
    for [first, second] in [[old.clone(), new.clone()], [new, old]] {
        let lists = scene.lists(&[first, second, root.clone()]);
        let mut all = lists.lists().iter();
        assert!(all.all(|list| NOW <= list.next_update()));
        assert_eq!(scene.judge(lists), Ok(()));
    }
    let outdated = scene.judge_by(&[direct(&scene.issuing, 5, &[], None), root]);
    assert!(
        matches!(outdated, Err(ChainError::StaleRevocation { .. })),
        "{outdated:?}"
    );
}

#[test]
fn of_two_lists_that_claim_to_be_equally_new_both_revoke() {
    let scene = Scene::new();
    let root = direct(&scene.root, 0, &[], None);
    let one = direct(&scene.issuing, 0, &[LEAF], None);
    let other = direct(&scene.issuing, 0, &[], None);
    for lists in [[one.clone(), other.clone()], [other, one]] {
        let lists = [lists.as_slice(), slice::from_ref(&root)].concat();
        assert!(matches!(
            scene.judge_by(&lists),
            Err(ChainError::Revoked(_))
        ));
    }
}

#[test]
fn a_list_that_is_missed_is_not_made_good_by_another() {
    let scene = Scene::new();
    let issuing = scene.read(&direct(&scene.issuing, 0, &[], None)).unwrap();
    let all = scene.indirect(&common_names(&[(12, b"Issuing 1")]), &[]);
    let mut lists = scene.lists(&[all]);
    lists.expect(issuing.identity().clone());
    assert!(is_uncovered(&scene.judge(lists)));
}

#[test]
fn a_list_whose_signer_is_revoked_covers_nothing_more() {
    let scene = Scene::new();
    let root = direct(&scene.root, 0, &[2], None);
    let all = scene.indirect(&common_names(&[(12, b"Issuing 1")]), &[]);
    assert!(is_uncovered(&scene.judge_by(&[all, root])));
}

#[test]
fn a_chain_that_is_remembered_is_judged_again_when_its_list_is_due() {
    let scene = Scene::new();
    let lists = scene.lists(&[
        direct(&scene.issuing, 1, &[], None),
        direct(&scene.root, 0, &[], None),
    ]);
    let policy = TrustPolicy::new(Arc::new(scene.anchors()));
    let policy = policy.with_revocation(Arc::new(lists));
    let chain = [scene.leaf.clone(), scene.issuing.der().to_vec()];
    let due = NOW.plus(DAY);
    let first = verify_chain(&chain, &policy, NOW).unwrap();
    let again = verify_chain(&chain, &policy, due).unwrap();
    assert!(Arc::ptr_eq(&first, &again), "it was judged again");
    let late = verify_chain(&chain, &policy, UnixTime(due.0 + 1));
    assert!(matches!(late, Err(ChainError::StaleRevocation { .. })));
}

#[test]
fn a_list_of_another_authority_with_the_same_name_covers_nothing() {
    let (scene, namesake) = (Scene::new(), Scene::new());
    let both = TrustAnchors::from_der(&[scene.root.der(), namesake.root.der()]).unwrap();
    let mut lists = RevocationLists::none();
    for by in [&namesake.root, &namesake.issuing] {
        let list = direct(by, 0, &[], None);
        lists
            .add_der(&list, &[namesake.issuing.der()], &both, NOW)
            .unwrap();
    }
    let policy = TrustPolicy::new(Arc::new(both)).with_revocation(Arc::new(lists));
    let chain = |scene: &Scene| [scene.leaf.clone(), scene.issuing.der().to_vec()];
    verify_chain(&chain(&namesake), &policy, NOW).unwrap();
    let refused = verify_chain(&chain(&scene), &policy, NOW);
    assert!(is_uncovered(&refused.map(drop)));
}
