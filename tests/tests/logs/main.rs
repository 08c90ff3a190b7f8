//! Transparency logs from the outside: issuers and CPSs that keep one, auditors and
//! witnesses that read it, and operators that cheat.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test has no better answer to a failure than to end"
)]

mod audit;
mod bytes_a_day;
mod issuer_log;
mod newest_key;
mod one_log;
mod strangers_word;
mod tallies;
mod transparency_log;
mod witness;
