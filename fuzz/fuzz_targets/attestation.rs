#![no_main]
//! The JWT beside a token request (docs/protocol.md section 2), as it comes and
//! with fuzzed JSON inside.

use pennyblack_fuzz::compact;
use pennyblack_fuzz::world::{NOW, world};
use pennyblack_attestation::UnverifiedAttestation;
use pennyblack_base::encoding::sha256;

const BODY: &[u8] = b"a token request";

pennyblack_fuzz::fuzz_text!(check);

fn check(text: &str) {
    let _ = UnverifiedAttestation::from_authorization(text);
    for token in compact::tokens(text) {
        let current = UnverifiedAttestation::from_authorization(&format!("Bearer {token}"))
            .and_then(|attestation| attestation.check_current(&world().cps, NOW));
        if let Ok(attested) = current.and_then(|current| current.verify(&world().chain, BODY)) {
            assert_eq!(attested.body_digest(), &sha256(BODY));
            assert!(attested.exp() > NOW);
        }
    }
}
