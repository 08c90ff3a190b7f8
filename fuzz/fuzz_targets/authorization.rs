#![no_main]
//! `Authorization: PrivateToken …` as anybody may write it (RFC 9577 section 2.2).

use pennyblack_privacypass::token::Token;

pennyblack_fuzz::fuzz_text!(check);

fn check(value: &str) {
    if let Ok(token) = Token::from_authorization(value) {
        assert_eq!(Token::from_authorization(&token.authorization()), Ok(token));
    }
}
