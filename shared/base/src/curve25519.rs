//! What every encoding of a Curve25519 element has in common, whether it is an
//! X25519 public key (RFC 7748) or an Ed25519 one (RFC 8032): which 32 bytes are
//! the one canonical form. The curve arithmetic itself is the libraries'.

/// X25519 public keys of small order, in canonical form: whatever the other
/// side's secret, the shared secret with them is all zeros (RFC 7748 section 6.1).
const SMALL_ORDER_U: [[u8; 32]; 5] = [
    [0; 32],
    with_first_byte([0; 32], 1),
    with_first_byte(FIELD_PRIME, 0xec),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
];

/// The y-coordinates of Ed25519 points of small order, in canonical form with the
/// top bit (the sign of x) clear: 1, -1, 0, and the two of order 8. A key of small
/// order would have signed whatever one likes.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    with_first_byte([0; 32], 1),
    with_first_byte(FIELD_PRIME, 0xec),
    [0; 32],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// 2^255 - 19, little-endian.
const FIELD_PRIME: [u8; 32] = [
    0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
];

/// True when `encoded` is the canonical form of an X25519 public key that does
/// not have small order: top bit clear and less than the field prime.
///
/// X25519 itself accepts 2^255 + 38 spellings too many (RFC 7748 section 5); a
/// key whose hash is somebody's address must have one.
pub fn is_sound_x25519(encoded: &[u8; 32]) -> bool {
    let [.., last] = encoded;
    last & 0x80 == 0 && is_reduced(encoded) && !SMALL_ORDER_U.contains(encoded)
}

/// True when the 255-bit integer in `encoded` is less than the field prime; the
/// top bit (the sign of an Ed25519 key's x) is not looked at.
pub fn is_reduced(encoded: &[u8; 32]) -> bool {
    let [lowest, middle @ .., highest] = encoded;
    *lowest < 0xed || highest & 0x7f != 0x7f || middle.iter().any(|&byte| byte != 0xff)
}

/// True when the canonical form of an Ed25519 point is that of one of the eight
/// points of small order, whichever the sign of its x.
pub fn is_ed25519_of_small_order(encoded: &[u8; 32]) -> bool {
    let mut y = *encoded;
    let [.., highest] = &mut y;
    *highest &= 0x7f;
    SMALL_ORDER_Y.contains(&y)
}

const fn with_first_byte(mut bytes: [u8; 32], first: u8) -> [u8; 32] {
    let [lowest, ..] = &mut bytes;
    *lowest = first;
    bytes
}

#[cfg(test)]
mod tests {
    use hpke::kem::X25519HkdfSha256;
    use hpke::{Deserializable as _, Kem as _, OpModeS, aead::AesGcm128, kdf::HkdfSha256};
    use proptest::prelude::*;

    use super::*;

    fn can_be_sealed_to(encoded: &[u8; 32]) -> bool {
        let key = <X25519HkdfSha256 as hpke::Kem>::PublicKey::from_bytes(encoded).unwrap();
        hpke::setup_sender::<AesGcm128, HkdfSha256, X25519HkdfSha256>(&OpModeS::Base, &key, b"")
            .is_ok()
    }

    #[test]
    fn every_key_listed_as_of_small_order_is_one() {
        for key in SMALL_ORDER_U {
            assert!(!can_be_sealed_to(&key));
            assert!(!is_sound_x25519(&key));
        }
    }

    #[test]
    fn the_ed25519_points_of_small_order_are_those_of_another_library() {
        let mut weak = 0;
        for y in SMALL_ORDER_Y {
            for sign in [0, 0x80] {
                let mut encoded = y;
                encoded[31] |= sign;
                assert!(is_ed25519_of_small_order(&encoded));
                // The one with x = 0 has no second sign, for that library.
                if let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(&encoded) {
                    assert!(key.is_weak());
                    weak += 1;
                }
            }
        }
        assert!(weak >= 8, "all eight are there: {weak}");
    }

    #[test]
    fn a_second_spelling_of_a_key_is_refused() {
        let mut prime_plus_two = FIELD_PRIME;
        prime_plus_two[0] += 2;
        assert!(can_be_sealed_to(&prime_plus_two), "it spells u = 2");
        assert!(!is_sound_x25519(&prime_plus_two));
        let mut two = with_first_byte([0; 32], 2);
        assert!(is_sound_x25519(&two));
        two[31] |= 0x80;
        assert!(!is_sound_x25519(&two));
    }

    proptest! {
        #[test]
        fn a_generated_key_is_sound(ikm in any::<[u8; 32]>()) {
            use hpke::Serializable as _;
            let (_, public) = X25519HkdfSha256::derive_keypair(&ikm);
            let encoded: [u8; 32] = public.to_bytes().into();
            prop_assert!(is_sound_x25519(&encoded));
        }

        #[test]
        fn what_is_sound_can_be_sealed_to(encoded in any::<[u8; 32]>()) {
            prop_assume!(is_sound_x25519(&encoded));
            prop_assert!(can_be_sealed_to(&encoded));
        }
    }
}
