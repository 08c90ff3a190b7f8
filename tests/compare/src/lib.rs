//! Measures the services against floors and peers in the same run. The program
//! `compare` prints a verdict for every goal.

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
pub mod floors;
pub mod http_load;
pub mod latency;
pub mod machine;
pub mod no_op;
pub mod pairs;
pub mod report;
pub mod rows;
pub mod services;
pub mod setting;
