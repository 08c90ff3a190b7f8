#![no_main]
//! A `TokenChallenge` (RFC 9577 section 2.1.1).

use pennyblack_privacypass::token::TokenChallenge;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    if let Ok(challenge) = TokenChallenge::parse(bytes) {
        assert_eq!(challenge.to_bytes(), bytes);
    }
}
