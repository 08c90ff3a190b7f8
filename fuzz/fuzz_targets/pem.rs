#![no_main]
//! Certificates and roots in PEM.

use pennyblack_stir::{TrustAnchors, certificates_of_file};

pennyblack_fuzz::fuzz_bytes!(check);

fn check(pem: &[u8]) {
    let _ = certificates_of_file(pem);
    let _ = TrustAnchors::of_file(pem);
}
