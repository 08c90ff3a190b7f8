#![no_main]
//! An issuer's directory, as CPSs and carriers fetch it (RFC 9578 section 4).

use pennyblack_privacypass::directory::IssuerDirectory;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(json: &[u8]) {
    if let Ok(directory) = IssuerDirectory::parse(json) {
        let written = directory.to_json().expect("JSON");
        assert_eq!(IssuerDirectory::parse(&written).ok(), Some(directory));
    }
}
