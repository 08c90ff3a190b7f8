#![no_main]
//! `WWW-Authenticate` of a CPS, with other schemes around it (RFC 9577 section 2.1).

use pennyblack_privacypass::token::parse_www_authenticate;

pennyblack_fuzz::fuzz_text!(check);

fn check(value: &str) {
    for challenge in parse_www_authenticate(value).unwrap_or_default() {
        let again = parse_www_authenticate(&challenge.to_header());
        assert_eq!(again, Ok(vec![challenge]));
    }
}
