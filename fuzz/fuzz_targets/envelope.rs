#![no_main]
//! A CPS's answer to a recipient (docs/protocol.md section 4): as it comes, and
//! with any plaintext sealed to the recipient.

use pennyblack_fuzz::world::world;
use pennyblack_sealing::envelope::{Slots, open_envelope};
use pennyblack_sealing::mailbox::Kem;
use pennyblack_sealing::sealed::slot_size;

/// The page before its slots.
const HEADER_SIZE: usize = 20;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    let world = world();
    for key in &world.recipients {
        let _ = open_envelope(key, &world.cps, bytes);
    }
    let mut plaintext = bytes.to_vec();
    let page = HEADER_SIZE + usize::from(Slots::Four.count()) * slot_size(Kem::DhkemX25519);
    plaintext.resize(page, 0);
    let sealed = world.seal(b"pennyblack envelope v1", &plaintext);
    if let Ok(page) = open_envelope(world.recipient(), &world.cps, &sealed) {
        assert!(page.entries().len() <= usize::from(Slots::Four.count()));
        assert!(plaintext[HEADER_SIZE..].starts_with(&page.entries().collect::<Vec<_>>().concat()));
    }
}
