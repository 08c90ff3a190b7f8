//! The telephone gateway as a program, asked as switches ask, with an issuer and a CPS that
//! are programs, too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test has no better answer to a failure than to end"
)]

mod addresses;
mod calls;
mod directory;
mod diverted;
mod hostile;
mod losses;
mod numbers;
mod operating;
mod pair;
mod renewal;
mod silence;
mod sip;
mod switch;

/// The program of issuer, CPS and gateway.
const SERVICE: &str = env!("CARGO_BIN_EXE_service");
