#![no_main]
//! One `TokenRequest`, as the issuer gets it (RFC 9578 sections 5.1 and 6.1).

use pennyblack_privacypass::issuance::TokenRequest;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    if let Ok(request) = TokenRequest::parse(bytes) {
        assert_eq!(request.to_bytes(), bytes);
    }
}
