#![no_main]
//! A token key of an issuer's directory, whichever its type (RFC 9578 sections 5.5
//! and 6.5): its type in the first byte.

use pennyblack_privacypass::blind_rsa::TokenVerifyingKey;
use pennyblack_privacypass::token::TokenType;
use pennyblack_privacypass::token_key::TokenKey;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    let Some((token_type, encoded)) = bytes.split_first() else {
        return;
    };
    let token_type = TokenType(u16::from(*token_type));
    if let Ok(key) = TokenKey::parse(token_type, encoded) {
        assert_eq!(key.encoded(), encoded);
        assert_eq!(key.token_type(), token_type);
        if let TokenKey::BlindRsa(key) = key {
            let _ = TokenVerifyingKey::new(key);
        }
    }
}
