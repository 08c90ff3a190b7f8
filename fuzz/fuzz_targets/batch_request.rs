#![no_main]
//! A generic batch of token requests, as the issuer gets it.

use pennyblack_privacypass::issuance::{batch_to_bytes, parse_batch};

const MAX: usize = 64;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    if let Ok(batch) = parse_batch(bytes, MAX) {
        assert!((1..=MAX).contains(&batch.len()));
        assert_eq!(parse_batch(&batch_to_bytes(&batch), MAX), Ok(batch));
    }
}
