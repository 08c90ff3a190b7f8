//! Every refusal that docs/protocol.md sections 3 to 5 know, provoked over HTTP:
//! each is a problem document of its type that says what to do, and none costs
//! the token.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod keys;
mod limits;
mod poll;
mod store;
