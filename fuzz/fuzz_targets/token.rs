#![no_main]
//! A token as it lies in a `PrivateToken` header, decoded (RFC 9577 section 2.2).

use pennyblack_privacypass::token::Token;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    if let Ok(token) = Token::parse(bytes) {
        assert_eq!(token.to_bytes(), bytes);
        assert_eq!(Token::from_authorization(&token.authorization()), Ok(token));
    }
}
