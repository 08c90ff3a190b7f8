mod x_wing;

use std::convert::Infallible;

use hpke::aead::{Aead, AeadKey, AeadNonce, AeadTag};
use hpke::kdf::HkdfSha256;
use hpke::{Kem as HpkeKem, Serializable as _};

use super::*;
use crate::aes_gcm::{AesGcm128, AesGcm256};
use crate::keys::{P256, X25519, XWing};

const VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/vectors/rfc9180/derived-base-mode-subset.json"
));

fn hex_of(value: &serde_json::Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// The vectors whose suite is exactly that of one of our KEMs.
fn vectors_of_our_suites() -> Vec<(Kem, serde_json::Value)> {
    let all: Vec<serde_json::Value> = serde_json::from_str(VECTORS).unwrap();
    all.into_iter()
        .filter_map(|vector| {
            let id = |name: &str| u16::try_from(vector[name].as_u64().unwrap()).unwrap();
            let kem = Kem::from_id(id("kem_id"))?;
            let ours = id("kdf_id") == kem.kdf_id() && id("aead_id") == kem.aead_id();
            ours.then_some((kem, vector))
        })
        .collect()
}

#[test]
fn the_first_message_of_each_rfc_9180_vector_opens() {
    let vectors = vectors_of_our_suites();
    let kems: Vec<Kem> = vectors.iter().map(|(kem, _)| *kem).collect();
    assert_eq!(kems, [Kem::DhkemX25519, Kem::DhkemP256]);
    for (kem, vector) in vectors {
        let secret = hex_of(&vector["skRm"]).try_into().unwrap();
        let key = PrivateKey::parse(kem, &secret).unwrap();
        assert_eq!(key.public_key_bytes(), hex_of(&vector["pkRm"]));
        let first = &vector["encryptions"][0];
        let message = [hex_of(&vector["enc"]), hex_of(&first["ct"])].concat();
        let plaintext = key
            .open(&hex_of(&vector["info"]), &hex_of(&first["aad"]), &message)
            .unwrap();
        assert_eq!(*plaintext, hex_of(&first["pt"]));
    }
}

/// Yields an RFC 9180 vector's `ikmE`, from which HPKE derives the ephemeral key.
struct VectorRng(Vec<u8>);

impl rand::TryRng for VectorRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("HPKE draws bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("HPKE draws bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0);
        Ok(())
    }
}

impl rand::TryCryptoRng for VectorRng {}

#[test]
fn the_first_message_of_each_rfc_9180_vector_is_sealed_byte_for_byte() {
    for (kem, vector) in vectors_of_our_suites() {
        let first = &vector["encryptions"][0];
        let plaintext = hex_of(&first["pt"]);
        let mut message = vec![0; kem.enc_size()];
        message.extend(&plaintext);
        message.extend([0; TAG_SIZE]);
        PublicKey::parse(kem, &hex_of(&vector["pkRm"]))
            .unwrap()
            .seal(
                &hex_of(&vector["info"]),
                &hex_of(&first["aad"]),
                &mut message,
                &mut VectorRng(hex_of(&vector["ikmE"])),
            )
            .unwrap();
        let expected = [hex_of(&vector["enc"]), hex_of(&first["ct"])].concat();
        assert_eq!(message, expected);
    }
}

/// The contexts of both sides of a vector.
fn contexts(kem: Kem, vector: &serde_json::Value) -> (SenderContext, ReceiverContext) {
    let info = hex_of(&vector["info"]);
    let recipient = PublicKey::parse(kem, &hex_of(&vector["pkRm"])).unwrap();
    let sender = SenderContext::new(&recipient, &info, &mut VectorRng(hex_of(&vector["ikmE"])));
    let key = PrivateKey::parse(kem, &hex_of(&vector["skRm"]).try_into().unwrap()).unwrap();
    let receiver = ReceiverContext::new(&key, &hex_of(&vector["enc"]), &info).unwrap();
    (sender.unwrap(), receiver)
}

#[test]
fn contexts_seal_and_open_every_message_of_each_rfc_9180_vector_in_its_order() {
    for (kem, vector) in vectors_of_our_suites() {
        let (mut sender, mut receiver) = contexts(kem, &vector);
        assert_eq!(sender.enc(), hex_of(&vector["enc"]));
        // The vectors leave out messages: their nonces say which.
        let mut number = 0u128;
        let base = hex_of(&vector["base_nonce"]);
        for encryption in vector["encryptions"].as_array().unwrap() {
            let of =
                |nonce: &[u8]| u128::from_be_bytes([&[0; 4], nonce].concat().try_into().unwrap());
            let wanted = of(&hex_of(&encryption["nonce"])) ^ of(&base);
            for _ in number..wanted {
                let tag = sender.seal(b"", &mut []).unwrap();
                receiver.open(b"", &tag).unwrap();
            }
            number = wanted + 1;
            let aad = hex_of(&encryption["aad"]);
            let mut message = hex_of(&encryption["pt"]);
            let tag = sender.seal(&aad, &mut message).unwrap();
            message.extend(tag);
            assert_eq!(message, hex_of(&encryption["ct"]));
            assert_eq!(
                *receiver.open(&aad, &message).unwrap(),
                hex_of(&encryption["pt"])
            );
        }
        assert!(number > 1);
    }
}

#[test]
fn contexts_export_the_secrets_of_each_rfc_9180_vector() {
    for (kem, vector) in vectors_of_our_suites() {
        let (sender, receiver) = contexts(kem, &vector);
        let exports = vector["exports"].as_array().unwrap();
        assert!(!exports.is_empty());
        for export in exports {
            let context = hex_of(&export["exporter_context"]);
            let expected = hex_of(&export["exported_value"]);
            let mut secret = vec![0; expected.len()];
            sender.export(&context, &mut secret).unwrap();
            assert_eq!(secret, expected);
            secret.fill(0);
            receiver.export(&context, &mut secret).unwrap();
            assert_eq!(secret, expected);
        }
    }
}

#[test]
fn key_pairs_are_derived_as_in_each_rfc_9180_vector() {
    for (kem, vector) in vectors_of_our_suites() {
        let key = PrivateKey::derive(kem, &hex_of(&vector["ikmR"]).try_into().unwrap());
        let mut secret = [0; PRIVATE_KEY_SIZE];
        key.write(&mut secret);
        assert_eq!(key.kem(), kem);
        let mut expected = hex_of(&vector["skRm"]);
        if kem == Kem::DhkemX25519 {
            // The library writes the bits down that X25519 sets anyway (RFC 7748 section 5).
            expected[0] &= 0xf8;
            expected[31] = expected[31] & 0x7f | 0x40;
        }
        assert_eq!(secret.as_slice(), expected);
        assert_eq!(key.public_key_bytes(), hex_of(&vector["pkRm"]));
    }
}

#[test]
fn a_context_refuses_a_forged_message_and_opens_the_true_one_after_it() {
    for kem in Kem::ALL {
        let key = PrivateKey::derive(kem, &[7; PRIVATE_KEY_SIZE]);
        let public = PublicKey::parse(kem, &key.public_key_bytes()).unwrap();
        let mut sender = SenderContext::new(&public, b"info", &mut rand::rng()).unwrap();
        let mut receiver = ReceiverContext::new(&key, sender.enc(), b"info").unwrap();
        let mut message = b"text".to_vec();
        let tag = sender.seal(b"aad", &mut message).unwrap();
        message.extend(tag);
        let mut forged = message.clone();
        forged[0] ^= 1;
        assert!(receiver.open(b"aad", &forged).is_err());
        assert!(receiver.open(b"other", &message).is_err());
        assert!(receiver.open(b"aad", &message[..3]).is_err());
        assert_eq!(*receiver.open(b"aad", &message).unwrap(), b"text");
    }
}

#[test]
fn an_encapsulated_key_of_another_size_is_refused() {
    for kem in Kem::ALL {
        let key = PrivateKey::derive(kem, &[7; PRIVATE_KEY_SIZE]);
        for size in [0, kem.enc_size() - 1, kem.enc_size() + 1] {
            assert!(ReceiverContext::new(&key, &vec![4; size], b"").is_err());
        }
    }
}

#[test]
fn the_sizes_stated_are_those_of_the_library() {
    fn check<K: HpkeKem>(kem: Kem) {
        assert_eq!(kem.id(), K::KEM_ID);
        assert_eq!(kem.public_key_size(), K::PublicKey::size());
        assert_eq!(kem.enc_size(), K::EncappedKey::size());
        assert_eq!(PRIVATE_KEY_SIZE, K::PrivateKey::size());
        assert_eq!(Kem::from_id(kem.id()), Some(kem));
        assert_eq!(kem.kdf_id(), <HkdfSha256 as hpke::kdf::Kdf>::KDF_ID);
    }
    check::<X25519>(Kem::DhkemX25519);
    check::<P256>(Kem::DhkemP256);
    check::<XWing>(Kem::XWing);
    assert_eq!(TAG_SIZE, AeadTag::<AesGcm128>::size());
    assert_eq!(TAG_SIZE, AeadTag::<AesGcm256>::size());
    assert_eq!(NONCE_SIZE, AeadNonce::<AesGcm128>::default().0.len());
    assert_eq!(
        Kem::DhkemX25519.aead_key_size(),
        AeadKey::<AesGcm128>::default().0.len()
    );
    assert_eq!(
        Kem::XWing.aead_key_size(),
        AeadKey::<AesGcm256>::default().0.len()
    );
    assert_eq!(Kem::DhkemX25519.aead_id(), AesGcm128::AEAD_ID);
    assert_eq!(Kem::XWing.aead_id(), AesGcm256::AEAD_ID);
}
