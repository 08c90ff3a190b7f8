#![no_main]
//! The claim constraints of a certificate, in both forms (RFC 8226 section 8,
//! RFC 9118 section 5).

use pennyblack_stir::ClaimConstraints;
use serde_json::{Map, Value, json};

pennyblack_fuzz::fuzz_bytes!(check);

fn check(der: &[u8]) {
    let forms = [
        ClaimConstraints::parse(der),
        ClaimConstraints::parse_enhanced(der),
    ];
    for constraints in forms.into_iter().flatten() {
        let _ = constraints.evaluate(&Map::new());
        if let Value::Object(claims) = json!({"attest": "A", "dest": {"tn": ["12"]}, "foo": [1]}) {
            let _ = constraints.evaluate(&claims);
        }
    }
}
