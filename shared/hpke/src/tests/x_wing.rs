//! X-Wing against the vectors of its drafts. These have no AES-256-GCM with it, so the KEM
//! and this AEAD are tested apart here, and together against OpenSSL in
//! `tests/tests/oblivious/python`.

use hpke::aead::ChaCha20Poly1305;
use hpke::{Deserializable as _, Kem as _};

use super::*;
use crate::keys::{open_with, seal_with};

const KEM: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/vectors/xwing/test-vectors.json"
));

const HPKE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/vectors/xwing/hpke-pq-subset.json"
));

fn vectors(text: &str) -> Vec<serde_json::Value> {
    serde_json::from_str(text).unwrap()
}

#[test]
fn it_encapsulates_and_decapsulates_as_in_its_draft() {
    let all = vectors(KEM);
    assert_eq!(all.len(), 3);
    for vector in all {
        let seed = hex_of(&vector["seed"]).try_into().unwrap();
        let key = PrivateKey::parse(Kem::XWing, &seed).unwrap();
        assert_eq!(key.public_key_bytes(), hex_of(&vector["pk"]));
        let public = <XWing as HpkeKem>::PublicKey::from_bytes(&hex_of(&vector["pk"])).unwrap();
        let rng = &mut VectorRng(hex_of(&vector["eseed"]));
        let (secret, enc) = XWing::encap_with_rng(&public, None, rng).unwrap();
        assert_eq!(enc.to_bytes().as_slice(), hex_of(&vector["ct"]));
        assert_eq!(secret.0.as_slice(), hex_of(&vector["ss"]));
        let private = <XWing as HpkeKem>::PrivateKey::from_bytes(&seed).unwrap();
        let secret = XWing::decap(&private, None, &enc).unwrap();
        assert_eq!(secret.0.as_slice(), hex_of(&vector["ss"]));
    }
}

#[test]
fn its_key_pairs_are_derived_as_in_draft_ietf_hpke_pq() {
    for vector in vectors(HPKE) {
        let ikm = hex_of(&vector["ikmR"]).try_into().unwrap();
        let key = PrivateKey::derive(Kem::XWing, &ikm);
        let mut secret = [0; PRIVATE_KEY_SIZE];
        key.write(&mut secret);
        assert_eq!(secret.as_slice(), hex_of(&vector["skRm"]));
        assert_eq!(key.public_key_bytes(), hex_of(&vector["pkRm"]));
    }
}

/// Seals and opens the first message of a vector.
fn is_sealed_byte_for_byte<A: Aead, K: HpkeKem>(vector: &serde_json::Value) {
    assert_eq!(vector["kem_id"], K::KEM_ID);
    assert_eq!(vector["aead_id"], A::AEAD_ID);
    let first = &vector["encryptions"][0];
    let (info, aad) = (hex_of(&vector["info"]), hex_of(&first["aad"]));
    let expected = [hex_of(&vector["enc"]), hex_of(&first["ct"])].concat();
    let mut message = vec![0; K::EncappedKey::size()];
    message.extend(hex_of(&first["pt"]));
    message.resize(expected.len(), 0);
    let public = K::PublicKey::from_bytes(&hex_of(&vector["pkRm"])).unwrap();
    let rng = &mut VectorRng(hex_of(&vector["ikmE"]));
    seal_with::<A, K>(&public, &info, &aad, &mut message, rng).unwrap();
    assert_eq!(message, expected);
    let private = K::PrivateKey::from_bytes(&hex_of(&vector["skRm"])).unwrap();
    let opened = open_with::<A, K>(&private, &info, &aad, &message).unwrap();
    assert_eq!(*opened, hex_of(&first["pt"]));
}

#[test]
fn it_seals_as_in_draft_ietf_hpke_pq_with_the_aead_of_that() {
    for vector in vectors(HPKE) {
        is_sealed_byte_for_byte::<ChaCha20Poly1305, XWing>(&vector);
    }
}

#[test]
fn its_aead_seals_as_in_rfc_9180_with_the_kems_of_that() {
    let find = |kem: Kem| {
        let is_it = |vector: &serde_json::Value| {
            vector["kem_id"] == kem.id()
                && vector["kdf_id"] == kem.kdf_id()
                && vector["aead_id"] == Kem::XWing.aead_id()
        };
        vectors(VECTORS).into_iter().find(is_it).unwrap()
    };
    is_sealed_byte_for_byte::<AesGcm256, X25519>(&find(Kem::DhkemX25519));
    is_sealed_byte_for_byte::<AesGcm256, P256>(&find(Kem::DhkemP256));
}
