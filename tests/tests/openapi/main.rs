//! The descriptions of what services serve (docs/openapi), held against the services: in this
//! process, with everything that can be configured.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test has no better answer to a failure than to end"
)]

mod description;
mod problems;
mod routes;
mod schemathesis;
mod services;
