//! The challenges for which tokens are drawn, as a refused store has them
//! (docs/protocol.md section 2.2). Which keys they name is the issuers'.

use pennyblack_base::authority::Authority;
use pennyblack_privacypass::blind_rsa::SPKI_SIZE;
use pennyblack_privacypass::token::{AuthenticateChallenge, TokenChallenge, TokenType};

/// A challenge for tokens of a type, and of the key with this encoding.
pub(crate) fn challenge(
    issuer: &Authority,
    cps: &Authority,
    (token_type, token_key): (TokenType, Vec<u8>),
) -> String {
    let challenge = AuthenticateChallenge {
        challenge: TokenChallenge::of_cps(token_type, issuer, cps),
        token_key,
        max_age: None,
    };
    challenge.to_header()
}

/// A challenge of this issuer that is as long as any: blind RSA has the longest keys.
pub(crate) fn longest_challenge(issuer: &Authority, cps: &Authority) -> String {
    let key = (TokenType::BLIND_RSA_2048, vec![0; SPKI_SIZE]);
    challenge(issuer, cps, key)
}
