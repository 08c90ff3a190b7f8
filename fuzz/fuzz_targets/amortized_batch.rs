#![no_main]
//! An amortized batch of VOPRF requests as the issuer gets it, and of answers as a
//! client does.

use pennyblack_privacypass::voprf::{AmortizedRequest, AmortizedResponse, VoprfKind};

const MAX: usize = 64;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    if let Ok(request) = AmortizedRequest::parse(bytes, MAX) {
        assert!((1..=MAX).contains(&request.blinded.len()));
        assert_eq!(request.to_bytes(), bytes);
    }
    for kind in [VoprfKind::P384, VoprfKind::Ristretto255] {
        if let Ok(response) = AmortizedResponse::parse(kind, bytes, MAX) {
            assert_eq!(response.to_bytes(), bytes);
        }
    }
}
