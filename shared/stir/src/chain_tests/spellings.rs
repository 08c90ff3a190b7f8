//! Certificates and chains that somebody makes out of published ones, without a key of
//! any CA: they must cost no more than the published ones, and take nobody's place among
//! the chains that are remembered.

use super::super::certificate_form::{FormError, MAX_ELEMENTS, check_form};
use super::super::der::{DerReader, tag};
use super::super::signature::checks;
use super::super::test_pki::tlv;
use super::*;

/// The order of P-256.
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// The parts of a certificate's frame, each as it stands there.
struct Parts {
    signed: Vec<u8>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
}

impl Parts {
    fn of(certificate: &[u8]) -> Self {
        let mut frame = DerReader::new(certificate).inside(tag::SEQUENCE).unwrap();
        let mut part = |kind| tlv(kind, frame.element(kind).unwrap());
        Self {
            signed: part(tag::SEQUENCE),
            algorithm: part(tag::SEQUENCE),
            signature: part(tag::BIT_STRING),
        }
    }

    fn with(&self, more: &[u8]) -> Vec<u8> {
        let parts = [&*self.signed, &self.algorithm, &self.signature, more];
        tlv(tag::SEQUENCE, &parts.concat())
    }
}

/// The certificate with the other signature (r, n - s) that its issuer's key verifies.
fn with_other_signature(certificate: &[u8]) -> Vec<u8> {
    let mut parts = Parts::of(certificate);
    let mut bits = DerReader::new(&parts.signature);
    let signature = &bits.element(tag::BIT_STRING).unwrap()[1..];
    let mut numbers = DerReader::new(signature).inside(tag::SEQUENCE).unwrap();
    let r = tlv(tag::INTEGER, numbers.element(tag::INTEGER).unwrap());
    let s = negated(numbers.element(tag::INTEGER).unwrap());
    let signature = tlv(tag::SEQUENCE, &[r, tlv(tag::INTEGER, &s)].concat());
    parts.signature = tlv(tag::BIT_STRING, &[&[0], &*signature].concat());
    parts.with(&[])
}

/// The order of P-256 less this number, as the contents of an INTEGER.
fn negated(number: &[u8]) -> Vec<u8> {
    let order = hex::decode(ORDER).unwrap();
    let mut difference = [0; 33];
    let mut borrow = 0;
    for place in 0..33 {
        let digit = |bytes: &[u8]| bytes.iter().rev().nth(place).copied().map_or(0, i32::from);
        let left = digit(&order) - digit(number) - borrow;
        borrow = i32::from(left < 0);
        difference[32 - place] = u8::try_from(left.rem_euclid(256)).unwrap();
    }
    let zeros = difference.iter().take_while(|byte| **byte == 0).count();
    let starts_high = difference[zeros] >= 0x80;
    difference[zeros - usize::from(starts_high)..].to_vec()
}

/// A leaf, its CA and the root.
fn published() -> (Vec<Vec<u8>>, Authority) {
    let root = root();
    let ca = below(
        &root,
        ca_params("ca", BasicConstraints::Unconstrained, None),
    );
    let leaf = leaf(&ca, params("leaf", Some(SPC_683G)));
    (vec![leaf, ca.der().to_vec()], root)
}

#[test]
fn certificates_beside_a_path_make_no_other_chain_of_it() {
    let (chain, root) = published();
    let policy = policy(&root);
    let judge = |chain: &[Vec<u8>]| checks::during(|| verify_chain(chain, &policy, NOW).unwrap());
    let (first, checked) = judge(&chain);
    assert_eq!(checked, 2);
    let stranger = self::root();
    for number in 0..20 {
        let spare = leaf(&stranger, params(&format!("spare {number}"), None));
        for chain in [
            vec![chain[0].clone(), chain[1].clone(), spare.clone()],
            vec![chain[0].clone(), spare, chain[1].clone()],
            vec![
                chain[0].clone(),
                chain[1].clone(),
                chain[1].clone(),
                root.der().to_vec(),
            ],
        ] {
            let (again, checked) = judge(&chain);
            assert!(Arc::ptr_eq(&first, &again), "it was judged again");
            assert_eq!(checked, 0);
        }
    }
}

#[test]
fn the_other_signature_of_a_certificate_makes_no_other_chain_of_it() {
    let (chain, root) = published();
    let policy = policy(&root);
    let judge = |chain: &[Vec<u8>]| checks::during(|| verify_chain(chain, &policy, NOW));
    let first = judge(&chain).0.unwrap();
    let other = vec![with_other_signature(&chain[0]), chain[1].clone()];
    assert_ne!(other, chain);
    // Verified once, by whose signature it says, and then as well known as the first.
    for expected in [2, 0] {
        let (again, checked) = judge(&other);
        assert!(Arc::ptr_eq(&first, &again.unwrap()), "it was judged again");
        assert_eq!(checked, expected);
    }
    assert_eq!(judge(&chain).1, 0);
}

#[test]
fn a_chain_that_is_remembered_with_a_forged_signature_is_refused() {
    let (chain, root) = published();
    let policy = policy(&root);
    verify_chain(&chain, &policy, NOW).unwrap();
    for index in 0..2 {
        let mut forged = chain.clone();
        *forged[index].last_mut().unwrap() ^= 1;
        let judged = verify_chain(&forged, &policy, NOW);
        assert!(matches!(judged, Err(ChainError::Signature { .. })));
    }
}

#[test]
fn a_certificate_has_one_spelling() {
    let (chain, _) = published();
    let parts = Parts::of(&chain[0]);
    assert_eq!(parts.with(&[]), chain[0]);
    assert_eq!(check_form(&chain[0]), Ok(()));

    let algorithm = DerReader::new(&parts.algorithm).element(tag::SEQUENCE);
    let algorithm = algorithm.unwrap().to_vec();
    for parameters in [&b"\x05\x00"[..], b"\x04\x04more"] {
        let algorithm = tlv(tag::SEQUENCE, &[&*algorithm, parameters].concat());
        let other = Parts {
            signed: parts.signed.clone(),
            algorithm,
            signature: parts.signature.clone(),
        };
        assert_eq!(check_form(&other.with(&[])), Err(FormError::TwoAlgorithms));
    }
    let long = [&[0x30, 0x83, 0], &chain[0][2..]].concat();
    let after = [&*chain[0], &[0]].concat();
    for spelling in [parts.with(b"\x04\x02zz"), long, after] {
        assert!(matches!(check_form(&spelling), Err(FormError::Der(_))));
    }
    let mut unused = parts;
    let first = unused.signature.len() - tlv_contents(&unused.signature);
    unused.signature[first] = 3;
    assert_eq!(check_form(&unused.with(&[])), Err(FormError::Signature));
}

fn tlv_contents(element: &[u8]) -> usize {
    DerReader::new(element)
        .element(tag::BIT_STRING)
        .unwrap()
        .len()
}

#[test]
fn an_extension_with_more_elements_than_honest_ones_have_is_not_read() {
    let parse = |oid: &[u64], value: Vec<u8>| {
        let mut params = params("leaf", Some(SPC_683G));
        let extension = CustomExtension::from_oid_content(oid, value);
        params.custom_extensions.push(extension);
        Certificate::parse(&leaf(&root(), params))
    };
    let many = |element: &[u8]| tlv(tag::SEQUENCE, &element.repeat(MAX_ELEMENTS));
    let points = tlv(0xa0, &tlv(0xa0, &b"\x86\x00".repeat(MAX_ELEMENTS)));
    let points = tlv(tag::SEQUENCE, &tlv(tag::SEQUENCE, &points));
    let directory_name = tlv(0xa4, &tlv(tag::SEQUENCE, &b"\x31\x00".repeat(MAX_ELEMENTS)));
    // Without the bit that says that something is inside: a library reads it all the same.
    let mut primitive = tlv(tag::SEQUENCE, &directory_name);
    let place = primitive.iter().position(|byte| *byte == 0xa4).unwrap();
    primitive[place] = 0x84;
    for (what, oid, value) in [
        ("a name that is said to be empty", [2, 5, 29, 17], primitive),
        ("URLs", [2, 5, 29, 31], points),
        ("names", [2, 5, 29, 17], many(b"\x82\x01a")),
        (
            "a name",
            [2, 5, 29, 17],
            tlv(tag::SEQUENCE, &directory_name),
        ),
        ("purposes", [2, 5, 29, 37], many(b"\x06\x01\x2a")),
        ("something else", [1, 2, 3, 4], many(b"\x05\x00")),
    ] {
        let refusal = parse(&oid, value).unwrap_err();
        let expected = CertificateError::Form(FormError::TooManyElements.to_string());
        assert_eq!(refusal, expected, "{what}");
    }
    let few = tlv(tag::SEQUENCE, &b"\x82\x01a".repeat(100));
    assert!(parse(&[2, 5, 29, 17], few).is_ok());
}

#[test]
fn the_urls_of_one_distribution_point_are_counted_with_those_that_repeat() {
    let urls = |count| {
        let names = tlv(0xa0, &tlv(0xa0, &b"\x86\x01u".repeat(count)));
        let value = tlv(tag::SEQUENCE, &tlv(tag::SEQUENCE, &names));
        let mut params = params("leaf", Some(SPC_683G));
        let extension = CustomExtension::from_oid_content(&[2, 5, 29, 31], value);
        params.custom_extensions.push(extension);
        Certificate::parse(&leaf(&root(), params))
    };
    assert!(urls(32).is_ok());
    let refusal = urls(33).unwrap_err();
    assert!(matches!(
        refusal,
        CertificateError::TooMany { count: 33, .. }
    ));
}
