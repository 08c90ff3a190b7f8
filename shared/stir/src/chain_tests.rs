//! Chains made for the occasion, for what the collected certificates lack.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

use super::*;
use pennyblack_base::time::UnixTime;

mod hostile;
mod odd;
mod spellings;

const NOW: UnixTime = UnixTime(1_790_000_000); // September 2026
const TN_AUTH_LIST: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 26];

type Authority = CertifiedIssuer<'static, KeyPair>;

fn params(name: &str, list: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if let Some(hex) = list {
        let value = hex::decode(hex).unwrap();
        let extension = CustomExtension::from_oid_content(TN_AUTH_LIST, value);
        params.custom_extensions.push(extension);
    }
    params
}

fn ca_params(name: &str, constraint: BasicConstraints, list: Option<&str>) -> CertificateParams {
    let mut params = params(name, list);
    params.is_ca = IsCa::Ca(constraint);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn root() -> Authority {
    let params = ca_params("root", BasicConstraints::Unconstrained, None);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn below(parent: &Authority, params: CertificateParams) -> Authority {
    CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), parent).unwrap()
}

fn leaf(parent: &Authority, params: CertificateParams) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    params.signed_by(&key, parent).unwrap().der().to_vec()
}

fn policy(root: &Authority) -> TrustPolicy {
    TrustPolicy::new(Arc::new(TrustAnchors::from_der(&[root.der()]).unwrap()))
}

const SPC_683G: &str = "3008a006160436383347";
const SPC_709J: &str = "3008a00616043730394a";
const BLOCK_1000_100: &str = "300da10b3009160431303030020164";
const ONE_1099: &str = "3008a206160431303939";
const ONE_1100: &str = "3008a206160431313030";

#[test]
fn a_leaf_below_an_intermediate_is_accepted_in_any_order_of_the_rest() {
    let root = root();
    let ca = below(
        &root,
        ca_params("ca", BasicConstraints::Constrained(0), None),
    );
    let leaf = leaf(&ca, params("leaf", Some(SPC_683G)));
    for rest in [
        vec![ca.der().to_vec()],
        vec![root.der().to_vec(), ca.der().to_vec()],
    ] {
        let chain: Vec<Vec<u8>> = std::iter::once(leaf.clone()).chain(rest).collect();
        let verified = verify_chain(&chain, &policy(&root), NOW).unwrap();
        assert!(verified.tn_auth_list().covers_spc(&"683G".parse().unwrap()));
        assert_eq!(verified.not_after(), UnixTime(1_798_761_600));
    }
}

#[test]
fn an_issuer_may_be_named_in_another_form_and_not_by_another_name() {
    let root = root();
    for (name, is_the_root) in [
        ("root", true),
        (" ROOT", true),
        ("r\u{ad}oot", true),
        ("root 2", false),
    ] {
        let key = KeyPair::from_pem(&root.key().serialize_pem()).unwrap();
        let issuer = Issuer::new(ca_params(name, BasicConstraints::Unconstrained, None), key);
        let leaf = params("leaf", Some(SPC_683G));
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &issuer);
        let judged = verify_chain(&[leaf.unwrap().der()], &policy(&root), NOW);
        let unknown = matches!(judged, Err(ChainError::UnknownIssuer(_)));
        assert_eq!(
            (judged.is_ok(), unknown),
            (is_the_root, !is_the_root),
            "{name}"
        );
    }
}

#[test]
fn times_are_judged_before_anything_is_verified() {
    let (root, stranger) = (root(), root());
    let leaf = leaf(&stranger, params("leaf", Some(SPC_683G)));
    let judge = |now| verify_chain(&[&leaf], &policy(&root), UnixTime(now));
    assert!(matches!(
        judge(1_700_000_000),
        Err(ChainError::NotYetValid { .. })
    ));
    assert!(matches!(
        judge(1_800_000_000),
        Err(ChainError::Expired { .. })
    ));
    // The stranger's root has the same name: only the key tells them apart.
    assert!(matches!(judge(NOW.0), Err(ChainError::UnknownIssuer(_))));
}

#[test]
fn the_last_second_of_a_validity_still_counts_and_a_minute_before_the_first() {
    let root = root();
    let leaf = leaf(&root, params("leaf", Some(SPC_683G)));
    let judge = |now| verify_chain(&[&leaf], &policy(&root), UnixTime(now)).is_ok();
    assert!(judge(1_798_761_600) && !judge(1_798_761_601));
    assert!(judge(1_767_225_600) && judge(1_767_225_540) && !judge(1_767_225_539));
}

#[test]
fn a_chain_that_is_remembered_holds_as_long_as_its_certificates_and_no_longer() {
    let root = root();
    let chain = [leaf(&root, params("leaf", Some(SPC_683G)))];
    let policy = policy(&root);
    let first = verify_chain(&chain, &policy, NOW).unwrap();
    let again = verify_chain(&chain, &policy, first.not_after()).unwrap();
    assert!(Arc::ptr_eq(&first, &again), "it was judged again");
    let late = UnixTime(first.not_after().0 + 1);
    let refused = verify_chain(&chain, &policy, late);
    assert!(matches!(refused, Err(ChainError::Expired { .. })));
    let refused = verify_chain(&chain, &policy, UnixTime(1_000_000_000));
    assert!(matches!(refused, Err(ChainError::NotYetValid { .. })));
    let other = TrustAnchors::from_der(&[self::root().der()]).unwrap();
    let refused = verify_chain(&chain, &TrustPolicy::new(Arc::new(other)), NOW);
    assert!(matches!(refused, Err(ChainError::UnknownIssuer(_))));
}

#[test]
fn a_leaf_must_be_made_for_signing_calls() {
    let root = root();
    let judge = |params| verify_chain(&[leaf(&root, params)], &policy(&root), NOW);
    assert!(matches!(
        judge(params("leaf", None)),
        Err(ChainError::NoTnAuthList(_))
    ));
    let mut usage = params("leaf", Some(SPC_683G));
    usage.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    assert!(matches!(judge(usage), Err(ChainError::LeafKeyUsage(_))));
    let mut unknown = params("leaf", Some(SPC_683G));
    let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    extension.set_criticality(true);
    unknown.custom_extensions.push(extension);
    assert!(matches!(
        judge(unknown),
        Err(ChainError::UnknownCritical { .. })
    ));
}

#[test]
fn only_authorities_vouch_and_only_as_deep_as_they_may() {
    let root = root();
    let shallow = below(
        &root,
        ca_params("shallow", BasicConstraints::Constrained(0), None),
    );
    let deeper = below(
        &shallow,
        ca_params("deeper", BasicConstraints::Unconstrained, None),
    );
    let chain = [
        leaf(&deeper, params("leaf", Some(SPC_683G))),
        deeper.der().to_vec(),
        shallow.der().to_vec(),
    ];
    assert!(matches!(
        verify_chain(&chain, &policy(&root), NOW),
        Err(ChainError::PathLength {
            allowed: 0,
            actual: 1,
            ..
        })
    ));

    let mut subscriber = params("subscriber", Some(SPC_683G));
    subscriber.is_ca = IsCa::ExplicitNoCa;
    let subscriber = below(&root, subscriber);
    let chain = [
        leaf(&subscriber, params("leaf", Some(SPC_683G))),
        subscriber.der().to_vec(),
    ];
    assert!(matches!(
        verify_chain(&chain, &policy(&root), NOW),
        Err(ChainError::NotAnAuthority(_))
    ));
}

#[test]
fn an_altered_certificate_does_not_verify() {
    let root = root();
    let mut leaf = leaf(&root, params("leaf", Some(SPC_683G)));
    let at = leaf.windows(4).position(|w| w == b"683G").unwrap();
    leaf[at] = b'7';
    assert!(matches!(
        verify_chain(&[leaf], &policy(&root), NOW),
        Err(ChainError::Signature {
            error: SignatureError::Invalid,
            ..
        })
    ));
}

#[test]
fn a_delegate_has_at_most_what_its_parent_has() {
    let root = root();
    let judge = |parent: &str, child: &str| {
        let constraint = BasicConstraints::Constrained(0);
        let parent = below(&root, ca_params("parent", constraint, Some(parent)));
        let delegate = leaf(&parent, params("delegate", Some(child)));
        verify_chain(&[delegate, parent.der().to_vec()], &policy(&root), NOW)
    };
    assert!(judge(BLOCK_1000_100, ONE_1099).is_ok());
    assert!(judge(SPC_683G, SPC_683G).is_ok());
    for (parent, child) in [
        (BLOCK_1000_100, ONE_1100),
        (SPC_683G, SPC_709J),
        (SPC_683G, ONE_1099),
    ] {
        assert!(matches!(
            judge(parent, child),
            Err(ChainError::NotEncompassed { .. })
        ));
    }
}

#[test]
fn an_authority_without_a_list_in_between_gives_no_more_than_the_one_above_it() {
    let root = root();
    let judge = |child: &str| {
        let constraint = BasicConstraints::Unconstrained;
        let holder = ca_params("holder", constraint, Some(BLOCK_1000_100));
        let holder = below(&root, holder);
        let between = below(&holder, ca_params("between", constraint, None));
        let delegate = leaf(&between, params("delegate", Some(child)));
        let chain = [delegate, between.der().to_vec(), holder.der().to_vec()];
        verify_chain(&chain, &policy(&root), NOW)
    };
    let verified = judge(ONE_1099).unwrap();
    assert_eq!(verified.tn_auth_list().to_string(), "1099");
    assert_eq!(verified.grant().to_string(), "1000+100");
    for more in [ONE_1100, SPC_683G] {
        assert!(matches!(
            judge(more),
            Err(ChainError::NotEncompassed { .. })
        ));
    }
}

#[test]
fn a_long_chain_is_refused_unread() {
    let chain = vec![vec![0]; MAX_CHAIN_LENGTH + 1];
    assert!(matches!(
        verify_chain(&chain, &policy(&root()), NOW),
        Err(ChainError::TooLong(7))
    ));
    assert!(matches!(
        verify_chain::<&[u8]>(&[], &policy(&root()), NOW),
        Err(ChainError::Empty)
    ));
}

proptest::proptest! {
    #[test]
    fn a_damaged_certificate_never_panics(at in 0usize..600, value: u8) {
        let root = root();
        let mut leaf = leaf(&root, params("leaf", Some(SPC_683G)));
        if let Some(byte) = leaf.get_mut(at) {
            *byte = value;
        }
        let _ = verify_chain(&[leaf], &policy(&root), NOW);
    }
}
