//! X25519, as the curve of a DHKEM.

use aws_lc_rs::agreement::{self, Algorithm, PrivateKey};
use hpke::kdf::{HkdfSha256, Kdf as _};
use hpke::kem::X25519HkdfSha256;
use zeroize::Zeroizing;

use crate::dhkem::Curve;

pub(crate) enum X25519 {}

impl Curve for X25519 {
    type Library = X25519HkdfSha256;
    const ALGORITHM: &'static Algorithm = &agreement::X25519;

    fn derive(ikm: &[u8]) -> Option<PrivateKey> {
        let scalar = HkdfSha256::derive_x25519_sk_eph_bytes(&Self::SUITE_ID, ikm);
        PrivateKey::from_private_key(Self::ALGORITHM, Zeroizing::new(scalar).as_slice()).ok()
    }
}
