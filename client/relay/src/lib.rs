//! An Oblivious HTTP relay (RFC 9458): it passes sealed requests of many clients to a few
//! gateways that its operator has named, and their answers back. It can read neither, and
//! the gateways do not learn whose they are. Not here: cryptography, and anything that is
//! kept.

mod answer;
mod clients;
pub mod config;
mod counts;
mod gateway;
mod outside;
mod program;
mod refusal;
mod relay;
mod routes;
mod turns;

pub use config::Config;
pub use program::run;
pub use relay::Relay;
