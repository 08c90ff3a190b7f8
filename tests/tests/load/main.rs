//! Clients that are many, slow or hostile. One test at a time: each measures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test has no better answer to a failure than to end"
)]

mod hostile_clients;
mod oblivious_times;
mod observer;
mod overload;
mod poll_times;
mod processor_time;
mod sip_rush;
mod store_times;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Latencies and capacities are measured: no other test runs while this is held.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
