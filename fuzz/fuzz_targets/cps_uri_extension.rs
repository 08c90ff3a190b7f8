#![no_main]
//! The extension by which a certificate names its CPS.

use pennyblack_stir::{MAX_CPS_URIS, parse_cps_uris};

pennyblack_fuzz::fuzz_bytes!(check);

fn check(der: &[u8]) {
    let Ok(uris) = parse_cps_uris(der) else {
        return;
    };
    assert!((1..=MAX_CPS_URIS).contains(&uris.len()));
    for uri in uris {
        let text = uri.to_string();
        assert!(text.starts_with("https://") && text.is_ascii());
        assert_eq!(text.parse(), Ok(uri));
    }
}
