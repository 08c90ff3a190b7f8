//! P-256, as the curve of a DHKEM.

use aws_lc_rs::agreement::{Algorithm, ECDH_P256, PrivateKey};
use hpke::hybrid_array::typenum::U32;
use hpke::kdf::{HkdfSha256, Kdf as _};
use hpke::kem::DhP256HkdfSha256;
use zeroize::Zeroize as _;

use crate::dhkem::Curve;

pub(crate) enum P256 {}

impl Curve for P256 {
    type Library = DhP256HkdfSha256;
    const ALGORITHM: &'static Algorithm = &ECDH_P256;

    /// Hardly ever is the first candidate not a key: zero, or not less than the order of
    /// the group.
    fn derive(ikm: &[u8]) -> Option<PrivateKey> {
        (0..=u8::MAX).find_map(|counter| {
            let mut candidate =
                HkdfSha256::derive_nistp_sk_eph_bytes::<U32>(&Self::SUITE_ID, ikm, counter);
            let key = PrivateKey::from_private_key(Self::ALGORITHM, &candidate);
            candidate.zeroize();
            key.ok()
        })
    }
}
