//! Services and Redis servers that are killed, emptied and cut off, again and again: what
//! was promised is there afterwards. Seeds and counts are set by environment
//! (docs/development.md).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test has no better answer to a failure than to end"
)]

mod hangup;
mod kill;
mod never_twice;
mod random_faults;
mod record_log;
mod redis_faults;
mod three_cpss;
