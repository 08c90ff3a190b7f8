#![no_main]
//! A SIP `Identity` header field (RFC 8224 section 4), as it comes and around a
//! PASSporT of fuzzed JSON: header, claims, parameters, each on its line.

use pennyblack_fuzz::compact;
use pennyblack_passport::IdentityHeader;

pennyblack_fuzz::fuzz_text!(check);

fn check(text: &str) {
    check_value(text);
    if let [header, claims, parameters] = text.splitn(3, '\n').collect::<Vec<_>>()[..] {
        check_value(&format!("{}{parameters}", compact::token(header, claims)));
    }
}

fn check_value(value: &str) {
    if let Ok(header) = value.parse::<IdentityHeader>() {
        let again: IdentityHeader = header.to_string().parse().expect("what it wrote itself");
        assert_eq!(again.passport(), header.passport());
    }
}
