//! Calls through real switches: SIPp calls, three Kamailios pass the call on (one that asks the
//! gateway to sign, one that loses what a network without SIP loses, one that asks for a
//! verdict), and SIPp answers. The gateway is the program, with an issuer and a CPS; the
//! configurations are in `tests/sip`. And the gateway alone, asked as odd switches ask.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test has no better answer to a failure than to end"
)]

mod callee;
mod caller;
mod case;
mod judge;
mod kamailio;
mod line;
mod odd_requests;
mod program;
mod redirect;
mod rest;
mod secsipidx;

/// The program of issuer, CPS and gateway.
const SERVICE: &str = env!("CARGO_BIN_EXE_service");
