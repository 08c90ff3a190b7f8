//! The issuer: checks STIR certificates and blind-signs one-time tokens
//! (docs/protocol.md section 2). It knows nothing of mailboxes and PASSporTs.

pub mod attest;
pub mod config;
pub mod issue;
pub mod issuer;
pub mod key_log;
mod key_maintenance;
pub mod ledger;
pub mod node_memory;
mod nodes;
mod outside;
mod persistence;
mod program;
pub mod quota;
pub mod refusal;
mod routes;
pub mod signer;
pub mod signing_pool;
pub mod token_keys;

pub use config::Config;
pub use issuer::Issuer;
pub use program::run;
