//! Chains that somebody without a CA's signature makes to keep a processor busy: what is
//! counted is how many signatures they get checked.

use rcgen::KeyIdMethod;

use super::super::name::NameError;
use super::super::signature::checks;
use super::*;

/// A CA that says of itself what the sender likes: its name and its key's identifier.
fn alike(parent: &Authority, name: &str, key_id: &[u8]) -> Authority {
    let mut params = ca_params(name, BasicConstraints::Unconstrained, None);
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_id.to_vec());
    below(parent, params)
}

/// Somebody's own root, with the name and key identifier of the true one.
fn impostor_of(root: &Authority) -> Authority {
    let mut params = ca_params("root", BasicConstraints::Unconstrained, None);
    let key_id = Certificate::parse(root.der()).unwrap().subject_key_id;
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_id.unwrap().into());
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn der_of(authorities: &[Authority]) -> impl Iterator<Item = Vec<u8>> {
    authorities.iter().map(|one| one.der().to_vec())
}

/// The verdict, and how many signatures were checked for it.
fn judge(chain: &[Vec<u8>], root: &Authority) -> (Result<Arc<VerifiedChain>, ChainError>, usize) {
    let policy = policy(root);
    checks::during(|| verify_chain(chain, &policy, NOW))
}

#[test]
fn authorities_named_alike_that_lead_to_no_root_cost_no_check() {
    let (root, stranger) = (root(), root());
    // Each is the issuer of each other, by name and by key identifier.
    let mut authorities = vec![alike(&stranger, "alike", b"alike")];
    while authorities.len() < 5 {
        authorities.push(alike(&authorities[0], "alike", b"alike"));
    }
    let leaf = leaf(&authorities[4], params("leaf", Some(SPC_683G)));
    let chain: Vec<_> = std::iter::once(leaf).chain(der_of(&authorities)).collect();
    let (verdict, checks) = judge(&chain, &root);
    assert!(matches!(verdict, Err(ChainError::UnknownIssuer(_))));
    assert_eq!(checks, 0);
}

#[test]
fn authorities_named_alike_below_the_name_of_a_root_cost_three_checks() {
    let root = root();
    let impostor = impostor_of(&root);
    let authorities: Vec<_> = (0..5)
        .map(|_| alike(&impostor, "alike", b"alike"))
        .collect();
    let leaf = leaf(&authorities[4], params("leaf", Some(SPC_683G)));
    let chain: Vec<_> = std::iter::once(leaf).chain(der_of(&authorities)).collect();
    let (verdict, checks) = judge(&chain, &root);
    assert!(matches!(verdict, Err(ChainError::Signature { .. })));
    assert_eq!(checks, 3);
}

#[test]
fn forged_authorities_beside_the_true_one_decide_nothing() {
    let root = root();
    let impostor = impostor_of(&root);
    let forged: Vec<_> = (0..3).map(|_| alike(&impostor, "ca", b"ca")).collect();
    let ca = alike(&root, "ca", b"ca");
    let own = leaf(&ca, params("leaf", Some(SPC_683G)));
    for (place, is_found) in [(0, true), (1, true), (2, true), (3, false)] {
        let mut chain: Vec<_> = der_of(&forged).collect();
        chain.insert(place, ca.der().to_vec());
        chain.insert(0, own.clone());
        let (verdict, checks) = judge(&chain, &root);
        assert_eq!(verdict.is_ok(), is_found, "{place}: {verdict:?}");
        assert_eq!(checks, if is_found { place + 2 } else { 3 });
    }
}

#[test]
fn a_path_that_grants_less_gives_way_to_another() {
    let root = root();
    let list = |list| ca_params("ca", BasicConstraints::Unconstrained, Some(list));
    let key = || KeyPair::generate().unwrap();
    let narrow = CertifiedIssuer::signed_by(list(SPC_709J), key(), &root).unwrap();
    let pem = narrow.key().serialize_pem();
    let again = KeyPair::from_pem(&pem).unwrap();
    let wide = CertifiedIssuer::signed_by(list(SPC_683G), again, &root).unwrap();
    let own = leaf(&wide, params("leaf", Some(SPC_683G)));
    for others in [[&narrow, &wide], [&wide, &narrow]] {
        let others = others.map(|one| one.der().to_vec());
        let chain: Vec<_> = std::iter::once(own.clone()).chain(others).collect();
        let (verdict, _) = judge(&chain, &root);
        assert!(verdict.is_ok(), "{verdict:?}");
    }
    let (verdict, _) = judge(&[own, narrow.der().to_vec()], &root);
    assert!(matches!(verdict, Err(ChainError::NotEncompassed { .. })));
}

#[test]
fn a_chain_of_the_longest_length_with_a_forged_top_costs_one_check() {
    let root = root();
    let mut authorities = vec![alike(&impostor_of(&root), "top", b"top")];
    for depth in 0..3_u8 {
        let parent = &authorities[usize::from(depth)];
        authorities.push(alike(parent, &format!("ca {depth}"), &[depth]));
    }
    let leaf = leaf(&authorities[3], params("leaf", Some(SPC_683G)));
    let chain: Vec<_> = std::iter::once(leaf).chain(der_of(&authorities)).collect();
    let (verdict, checks) = judge(&chain, &root);
    assert!(matches!(verdict, Err(ChainError::Signature { .. })));
    assert_eq!(checks, 1);
}

#[test]
fn a_chain_of_the_longest_length_costs_one_check_a_certificate_and_a_longer_one_none() {
    let root = root();
    let mut authorities = vec![alike(&root, "ca", b"0")];
    for depth in 1..5_u8 {
        let parent = &authorities[usize::from(depth) - 1];
        authorities.push(alike(parent, "ca", &[depth]));
    }
    let chain_of = |length: usize| {
        let leaf = leaf(&authorities[length - 1], params("leaf", Some(SPC_683G)));
        let above = der_of(&authorities[..length]);
        std::iter::once(leaf).chain(above).collect::<Vec<_>>()
    };
    let (verdict, checks) = judge(&chain_of(4), &root);
    assert!(verdict.is_ok(), "{verdict:?}");
    assert_eq!(checks, 5);
    let (verdict, checks) = judge(&chain_of(5), &root);
    assert_eq!(verdict.err(), Some(ChainError::TooLong(7)));
    assert_eq!(checks, 0);
}

#[test]
fn a_certificate_that_names_no_key_of_its_issuer_is_refused_unchecked() {
    let root = root();
    let mut silent = params("leaf", Some(SPC_683G));
    silent.use_authority_key_identifier_extension = false;
    let (verdict, checks) = judge(&[leaf(&root, silent)], &root);
    assert!(matches!(verdict, Err(ChainError::NoAuthorityKeyId(_))));
    assert_eq!(checks, 0);
}

#[test]
fn of_two_keys_of_one_authority_the_identifier_tells_which_signed() {
    let root = root();
    let (old, new) = (alike(&root, "ca", b"old"), alike(&root, "ca", b"new"));
    let leaf = leaf(&new, params("leaf", Some(SPC_683G)));
    let chain = [leaf, old.der().to_vec(), new.der().to_vec()];
    let (verdict, checks) = judge(&chain, &root);
    assert!(verdict.is_ok(), "{verdict:?}");
    assert_eq!(checks, 2);
}

#[test]
fn a_certificate_with_more_of_anything_than_honest_ones_have_is_not_read() {
    let root = root();
    let refusal = |params: CertificateParams| Certificate::parse(&leaf(&root, params)).unwrap_err();

    let mut extensions = params("leaf", Some(SPC_683G));
    for last in 0..40 {
        let extension = CustomExtension::from_oid_content(&[1, 2, 3, last], vec![5, 0]);
        extensions.custom_extensions.push(extension);
    }
    assert!(matches!(
        refusal(extensions),
        CertificateError::TooMany {
            what: "extensions",
            count: 40..
        }
    ));

    let name = params(&"n".repeat(513), Some(SPC_683G));
    assert!(matches!(
        refusal(name),
        CertificateError::Name(NameError::TooLong(513..))
    ));

    let mut identifier = params("leaf", Some(SPC_683G));
    let oid: Vec<u64> = [1, 2]
        .into_iter()
        .chain(std::iter::repeat_n(300, 40))
        .collect();
    let extension = CustomExtension::from_oid_content(&oid, vec![5, 0]);
    identifier.custom_extensions.push(extension);
    assert_eq!(refusal(identifier), CertificateError::LongIdentifier(81));
}

#[test]
fn a_chain_lists_no_more_than_is_read_all_certificates_together() {
    let root = root();
    let judge = |of_each: usize| {
        let list = hex::encode(b"\xa2\x04\x16\x0212".repeat(of_each));
        let list = format!("3082{:04x}{list}", 6 * of_each);
        let holder = ca_params("holder", BasicConstraints::Unconstrained, Some(&list));
        let holder = below(&root, holder);
        let leaf = leaf(&holder, params("leaf", Some(&list)));
        judge(&[leaf, holder.der().to_vec()], &root)
    };
    assert!(judge(500).0.is_ok());
    let (verdict, checks) = judge(501);
    assert_eq!(verdict.err(), Some(ChainError::TooManyEntries));
    assert_eq!(checks, 0);
    assert!(matches!(
        judge(1001).0,
        Err(ChainError::Certificate { index: 0, .. })
    ));
}
