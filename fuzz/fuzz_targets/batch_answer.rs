#![no_main]
//! A generic batch of token responses, as a carrier gets it.

use pennyblack_privacypass::issuance::{batch_answer_to_bytes, parse_batch_answer};

const MAX: usize = 64;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    if let Ok(batch) = parse_batch_answer(bytes, MAX) {
        assert!((1..=MAX).contains(&batch.len()));
        assert_eq!(
            parse_batch_answer(&batch_answer_to_bytes(&batch), MAX),
            Ok(batch)
        );
    }
}
