#![no_main]
//! A compact JWS (RFC 7515), as it comes and with fuzzed JSON inside.

use pennyblack_fuzz::compact;
use pennyblack_fuzz::world::world;
use pennyblack_stir::jws::UnverifiedJws;

pennyblack_fuzz::fuzz_text!(check);

fn check(text: &str) {
    if let Ok(jws) = UnverifiedJws::parse(text) {
        assert_eq!(jws.as_str(), text);
        let _ = jws.claims();
    }
    for token in compact::tokens(text) {
        if let Ok(jws) = UnverifiedJws::parse(&token) {
            assert_eq!(jws.verify(world().chain.public_key()), Ok(()));
            let _ = jws.claims();
        }
    }
}
