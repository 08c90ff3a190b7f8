//! Several nodes of one service over one Redis.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test has no better answer to a failure than to end"
)]

mod cps_epochs;
mod one_token;
mod redis_clocks;
mod redis_issuers;
mod rolling_restart;
mod several_cps;
mod three_steps;
