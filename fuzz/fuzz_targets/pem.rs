#![no_main]
//! Certificates and roots in PEM.

use pennyblack_stir::{TrustAnchors, certificates_from_pem};

pennyblack_fuzz::fuzz_bytes!(check);

fn check(pem: &[u8]) {
    let _ = certificates_from_pem(pem);
    let _ = TrustAnchors::from_pem(pem);
}
