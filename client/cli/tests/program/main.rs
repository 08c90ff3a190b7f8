//! The program `pennyblack`, run as a user runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test has no better answer to a failure than to end"
)]

mod audit_limits;
mod check_config;
mod compare;
mod demo;
mod demo_end;
mod directory;
mod earlier_calls;
mod failures;
mod federation;
mod hostile_service;
mod locked_wallet;
mod numbering;
mod one_call;
mod polls;
mod practice;
mod renewal;
mod terminal;
mod witness;
