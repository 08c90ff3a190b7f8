//! Real `redis-server` processes for tests: one alone, a primary with its
//! replica and a Sentinel, a cluster of six; and a proxy that harms connections to them. Not
//! here: any test but their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test's scenery has no better answer to a failure than to end the test"
)]

mod cluster;
mod port;
mod proxy;
mod replicated;
mod sentinel;
mod server;
#[cfg(test)]
mod tests;
mod wait;

pub use cluster::{Cluster, SLOTS};
#[cfg(test)]
pub(super) use port::free_port;
pub use proxy::{Manner, Proxy};
pub use replicated::Replicated;
pub use sentinel::Sentinel;
pub use server::{Backup, Options, RedisServer};
pub use wait::until;
