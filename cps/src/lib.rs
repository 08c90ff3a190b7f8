//! The Call Placement Service: stores sealed PASSporTs against one-time tokens
//! and serves them to anyone (docs/protocol.md sections 3 to 5). It never
//! learns who stores, nor what.

mod challenges;
pub mod config;
mod counts;
pub mod cps;
mod dashboard;
pub mod decoy_secret;
mod double_spend_pages;
mod earlier_spends;
mod envelope_sealing;
pub mod forwarding;
pub mod issuers;
mod json_lines;
pub mod key_directory;
mod large_answers;
pub mod log;
mod nodes;
mod oblivious;
mod outside;
mod persistence;
mod prefix_pages;
mod program;
mod record_feed;
mod record_log;
pub mod refusal;
mod retrieve;
mod rosters;
mod routes;
mod sealed_pages;
mod spend;
pub mod store;

pub use config::{
    AcceptedTokens, Config, CpsConfig, EntriesConfig, FederationConfig, IssuerConfig,
    KeyRecordsConfig, NeverTwiceConfig, ObliviousConfig, RelayConfig, RelayKey, RetrievalConfig,
    WitnessConfig,
};
pub use cps::Cps;
pub use program::run;
