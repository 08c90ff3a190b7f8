//! Chains in odd orders, beside what cannot be read, and with extensions that restrict or are
//! malformed.

use rcgen::ExtendedKeyUsagePurpose;

use super::*;

#[test]
fn the_leaf_is_the_first_certificate_that_is_no_authoritys() {
    let root = root();
    let ca = below(
        &root,
        ca_params("ca", BasicConstraints::Unconstrained, None),
    );
    let own = leaf(&ca, params("leaf", Some(SPC_683G)));
    let other = leaf(&ca, params("other", Some(SPC_709J)));
    let judge = |chain: &[&[u8]]| verify_chain(chain, &policy(&root), NOW);
    for chain in [
        [ca.der().as_ref(), &own, &other],
        [&own, &other, ca.der()],
        [&own, ca.der(), &other],
    ] {
        assert_eq!(judge(&chain).unwrap().leaf().subject_text(), "CN=leaf");
    }
    assert!(matches!(
        judge(&[ca.der(), root.der()]),
        Err(ChainError::LeafIsAuthority(_))
    ));
}

/// A certificate that nobody can read, of the same CA.
fn broken(ca: &Authority) -> Vec<u8> {
    leaf(ca, params("broken", Some("3000")))
}

#[test]
fn what_cannot_be_read_beside_a_good_chain_decides_nothing() {
    let root = root();
    let ca = below(
        &root,
        ca_params("ca", BasicConstraints::Unconstrained, None),
    );
    let (own, broken) = (leaf(&ca, params("leaf", Some(SPC_683G))), broken(&root));
    let judge = |chain: &[&[u8]]| verify_chain(chain, &policy(&root), NOW);
    for chain in [
        [&broken, &own, ca.der().as_ref()],
        [&own, &broken, ca.der()],
        [ca.der(), &own, b"no certificate"],
    ] {
        assert_eq!(judge(&chain).unwrap().leaf().subject_text(), "CN=leaf");
    }
    // Where a chain does not hold, it may be what is missing.
    for chain in [[own.as_slice(), &broken], [&broken, ca.der()]] {
        assert!(matches!(judge(&chain), Err(ChainError::Certificate { .. })));
    }
}

#[test]
fn an_extended_key_usage_restricts_whether_it_is_critical_or_not() {
    let root = root();
    let with = |mut params: CertificateParams, usage| {
        params.extended_key_usages = vec![usage];
        params
    };
    let own = || params("leaf", Some(SPC_683G));
    let ca = || ca_params("ca", BasicConstraints::Unconstrained, None);
    let judge = |ca, own| {
        let ca = below(&root, ca);
        verify_chain(&[leaf(&ca, own), ca.der().to_vec()], &policy(&root), NOW)
    };
    let (any, web) = (
        ExtendedKeyUsagePurpose::Any,
        ExtendedKeyUsagePurpose::ServerAuth,
    );
    assert!(judge(with(ca(), any.clone()), with(own(), any)).is_ok());
    for refused in [
        judge(ca(), with(own(), web.clone())),
        judge(with(ca(), web), own()),
    ] {
        assert!(
            matches!(refused, Err(ChainError::OtherPurpose(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn an_extension_that_is_malformed_is_refused_critical_or_not() {
    let root = root();
    // basicConstraints, keyUsage, extKeyUsage, nameConstraints, authorityKeyIdentifier, none.
    for (last, value) in [
        (19, "30000500"),
        (19, "0500"),
        (15, "030207800500"),
        (37, "0500"),
        (30, "0500"),
        (99, "05000500"),
    ] {
        let mut params = params("leaf", Some(SPC_683G));
        params.key_usages.retain(|_| last != 15);
        let value = hex::decode(value).unwrap();
        let extension = CustomExtension::from_oid_content(&[2, 5, 29, last], value);
        params.custom_extensions.push(extension);
        let refused = Certificate::parse(&leaf(&root, params));
        assert!(
            matches!(
                refused,
                Err(CertificateError::Extension(_) | CertificateError::Form(_))
            ),
            "{last}: {refused:?}"
        );
    }
}
