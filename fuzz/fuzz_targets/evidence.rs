#![no_main]
//! A line of evidence of a double spend (docs/protocol.md section 7), as an
//! auditor reads it.

use pennyblack_fuzz::world::world;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;

pennyblack_fuzz::fuzz_text!(check);

fn check(line: &str) {
    if let Ok(evidence) = line.parse::<DoubleSpendEvidence>() {
        assert_eq!(evidence.to_json().parse().as_ref(), Ok(&evidence));
        if let Ok(proven) = evidence.verify(&world().issuer.key) {
            assert_eq!(proven.nonce(), world().spend_key.nonce());
        }
    }
}
