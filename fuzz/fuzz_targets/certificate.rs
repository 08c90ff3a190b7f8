#![no_main]
//! One certificate in DER (RFC 5280, RFC 8226).

use pennyblack_stir::Certificate;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(der: &[u8]) {
    let _ = Certificate::parse(der);
}
