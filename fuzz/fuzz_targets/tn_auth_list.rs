#![no_main]
//! A certificate's TNAuthList (RFC 8226 section 9).

use pennyblack_stir::{TnAuthList, TnEntry};

pennyblack_fuzz::fuzz_bytes!(check);

fn check(der: &[u8]) {
    if let Ok(list) = TnAuthList::parse(der) {
        assert!(!list.entries().is_empty());
        assert_eq!(list.not_encompassed(&list), None);
        for entry in list.entries() {
            match entry {
                TnEntry::Spc(spc) => assert!(list.covers_spc(spc)),
                TnEntry::Numbers(range) => assert!(list.covers(range.start())),
            }
        }
    }
}
