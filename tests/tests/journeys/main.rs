//! What a carrier, a caller, a called party and an operator live through, told over real
//! sockets: calls, tokens, certificates, key records, every refusal, the dashboard.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test has no better answer to a failure than to end"
)]

mod agreement;
mod bad_input;
mod call_journey;
mod carrier_journey;
mod certificates;
mod constant_draws;
mod dashboard;
mod directory_budgets;
mod double_spend;
mod federation_tokens;
mod feed;
mod followed_mailbox;
mod full_mailbox;
mod key_directory;
mod load_generator;
mod mailbox_ends;
mod mirrored_keys;
mod odd_inputs;
mod odd_issuers;
mod privacy;
mod retention;
mod revocation;
mod token_types;
