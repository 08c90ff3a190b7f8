//! Oblivious HTTP, with its parts as programs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test has no better answer to a failure than to end"
)]

mod clients;
mod gateway_role;
mod ohttp_crate;
mod python;
mod relay;

/// The program of each service.
const SERVICE: &str = env!("CARGO_BIN_EXE_service");
