#![no_main]
//! A CPS advertisement (RFC 9888 section 4).

use pennyblack_stir::{Advertisement, MAX_ADVERTISED};

pennyblack_fuzz::fuzz_bytes!(check);

fn check(json: &[u8]) {
    let Ok(advertisement) = Advertisement::parse(json) else {
        return;
    };
    assert!((1..=MAX_ADVERTISED).contains(&advertisement.len()));
    let written = serde_json::to_vec(&advertisement).expect("it is JSON");
    assert_eq!(Advertisement::parse(&written), Ok(advertisement));
}
