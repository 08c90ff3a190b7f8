#![no_main]
//! A chain whose every certificate the world's root has signed, whatever is in
//! it: the signed parts, each with its length, a `uint16`, in front.

use pennyblack_fuzz::world::{NOW, world};
use pennyblack_stir::{Certificate, TnEntry, verify_chain};
use pennyblack_base::wire::Reader;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut chain = Vec::new();
    while let Ok(signed_part) = reader.vec_u16() {
        chain.push(world().root.sign(signed_part));
    }
    let Ok(verified) = verify_chain(&chain, &world().trust, NOW) else {
        return;
    };
    let leaf = Certificate::parse(&chain[0]).expect("what was verified");
    assert_eq!(Some(verified.tn_auth_list()), leaf.tn_auth_list());
    assert!(leaf.not_before() <= NOW && NOW <= verified.not_after());
    assert!(verified.not_after() <= leaf.not_after());
    for entry in verified.tn_auth_list().entries() {
        if let TnEntry::Numbers(range) = entry {
            assert!(verified.tn_auth_list().covers_range(range));
        }
    }
    let _ = verified.check_claims(&serde_json::Map::new());
}
