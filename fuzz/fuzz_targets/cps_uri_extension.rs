#![no_main]
//! The extension by which a certificate names its CPS.

use pennyblack_stir::parse_cps_uri;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(der: &[u8]) {
    if let Ok(uri) = parse_cps_uri(der) {
        assert!(uri.starts_with("https://") && uri.is_ascii());
    }
}
