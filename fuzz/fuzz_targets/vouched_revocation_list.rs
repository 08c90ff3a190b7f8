#![no_main]
//! A revocation list that the world's root has signed, whatever is in it: what
//! comes after the signature has to stand it, too.

use pennyblack_fuzz::world::{NOW, world};
use pennyblack_stir::RevocationLists;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(signed_part: &[u8]) {
    let list = world().root.sign(signed_part);
    let (anchors, mut lists) = (world().trust.anchors(), RevocationLists::none());
    let none: [&[u8]; 0] = [];
    let added = lists.add_der(&list, &none, anchors, NOW);
    // An entry has 20 bytes at the least.
    assert!(lists.len() * 20 <= signed_part.len());
    assert!(added.is_ok() || lists.is_empty());
}
