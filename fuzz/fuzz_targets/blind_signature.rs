#![no_main]
//! An issuer's answer to a blinded message: only its signature makes a token.

use std::sync::OnceLock;

use pennyblack_fuzz::world::world;
use pennyblack_privacypass::blind_rsa::PendingToken;
use pennyblack_privacypass::token::{ChallengeDigest, Nonce};
use pennyblack_privacypass::token_key::TokenVerifier;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    if let Ok(token) = pending().finalize(bytes) {
        assert!(world().issuer.key.verify(token).is_ok());
    }
}

fn pending() -> &'static PendingToken {
    static PENDING: OnceLock<PendingToken> = OnceLock::new();
    PENDING.get_or_init(|| {
        let TokenVerifier::BlindRsa(key) = &world().issuer.key else {
            unreachable!("the world's issuer signs blind RSA tokens")
        };
        let rng = &mut StdRng::seed_from_u64(3);
        PendingToken::blind(key.public(), Nonce([1; 32]), ChallengeDigest([2; 32]), rng)
            .expect("a key")
    })
}
