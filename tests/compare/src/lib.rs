//! Measures the services against floors and peers in the same run: the program
//! `compare` prints a verdict for every goal. And it measures what costs do while
//! that grows which they should not depend on: the program `growth` draws them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement has no better answer to a failure of its scenery than to end; \
              the row then says that it was not measured, and why"
)]

pub mod cpu_time;
pub mod finding;
pub mod floor_process;
pub mod floors;
pub mod gateway;
pub mod growth;
pub mod handshakes;
pub mod http_load;
pub mod latency;
pub mod machine;
pub mod no_op;
pub mod pairs;
pub mod parts;
pub mod pass_through;
pub mod peer;
pub mod relayed;
pub mod report;
pub mod roles;
pub mod rows;
pub mod services;
pub mod setting;
pub mod store;
pub mod terminal;
