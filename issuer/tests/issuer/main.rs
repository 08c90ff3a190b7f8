//! The issuer over real sockets: drawing, every refusal, revocation, keys that change,
//! several nodes, and the program itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test has no better answer to a failure than to end"
)]

mod drawing;
mod program;
mod refusals;
mod revocation;
mod rotation;
mod scene;
mod several;
