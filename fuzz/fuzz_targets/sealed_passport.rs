#![no_main]
//! An entry of a mailbox (docs/protocol.md section 6): as it comes, and with any
//! plaintext sealed by somebody who has the recipient's key.

use pennyblack_fuzz::world::world;
use pennyblack_sealing::mailbox::Kem;
use pennyblack_sealing::sealed::{open_passport, passport_capacity};

/// Bytes in front of the PASSporT.
const LENGTH_SIZE: usize = 2;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    let world = world();
    for key in &world.recipients {
        let _ = open_passport(key, &world.cps, bytes);
    }
    let mut plaintext = bytes.to_vec();
    plaintext.resize(LENGTH_SIZE + passport_capacity(Kem::DhkemX25519), 0);
    let sealed = world.seal(b"pennyblack passport v1", &plaintext);
    if let Ok(passport) = open_passport(world.recipient(), &world.cps, &sealed) {
        let (length, rest) = plaintext.split_at(LENGTH_SIZE);
        let (found, padding) = rest.split_at(passport.len());
        assert_eq!(length, (passport.len() as u16).to_be_bytes());
        assert_eq!(found, passport.as_bytes());
        assert!(padding.iter().all(|&byte| byte == 0));
    }
}
