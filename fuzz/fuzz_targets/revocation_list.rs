#![no_main]
//! A certificate revocation list as it comes, in DER and in PEM (RFC 5280
//! section 5). Only the world's root may revoke anything.

use pennyblack_fuzz::world::{NOW, world};
use pennyblack_stir::RevocationLists;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    let anchors = world().trust.anchors();
    let mut lists = RevocationLists::none();
    let _ = lists.add_der(bytes, &[&world().root.certificate], anchors, NOW);
    let _ = lists.add_file(bytes, anchors, NOW);
    // The root has signed one list, with two entries.
    assert!(lists.len() <= 2);
}
