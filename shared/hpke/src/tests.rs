use std::convert::Infallible;

use hpke::Serializable as _;

use super::*;

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
    assert_eq!(Kem::DhkemX25519.aead_id(), AesGcm128::AEAD_ID);
    assert_eq!(Kem::XWing.aead_id(), AesGcm256::AEAD_ID);
}
