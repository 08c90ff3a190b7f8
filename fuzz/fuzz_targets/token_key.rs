#![no_main]
//! An issuer's RSASSA-PSS SubjectPublicKeyInfo (RFC 9578 section 6.5).

use pennyblack_shared::blind_rsa::{TokenPublicKey, TokenVerifyingKey};

pennyblack_fuzz::fuzz_bytes!(check);

fn check(spki: &[u8]) {
    if let Ok(key) = TokenPublicKey::parse(spki) {
        assert_eq!(key.spki(), spki);
        let _ = TokenVerifyingKey::new(key);
    }
}
