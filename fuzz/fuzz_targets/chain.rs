#![no_main]
//! A chain of certificates as a stranger sends it: each with its length, a
//! `uint16`, in front. Only what the world's root vouches for may be trusted.

use pennyblack_fuzz::world::{NOW, world};
use pennyblack_stir::verify_chain;
use pennyblack_base::wire::Reader;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut chain = Vec::new();
    while let Ok(certificate) = reader.vec_u16() {
        chain.push(certificate);
    }
    if let Ok(verified) = verify_chain(&chain, &world().trust, NOW) {
        assert_eq!(verified.public_key(), world().chain.public_key());
        assert_eq!(verified.tn_auth_list(), world().chain.tn_auth_list());
    }
}
