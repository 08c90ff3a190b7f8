//! The telephone gateway as a daemon: the interfaces that switches speak, in front of the
//! engine (`pennyblack_engine`), which signs, stores and verifies calls. Not here: what is
//! done with a call.

pub mod access;
pub mod call_log;
pub mod calls;
pub mod config;
mod counts;
mod engine_parts;
mod gateway;
pub mod in_force;
mod lines;
mod oblivious;
mod outside;
mod program;
mod redirects;
mod rereading;
mod rosters;
mod routes;
pub mod sip_call;
#[cfg(test)]
mod stand_in;
pub mod stir_rest;
pub mod trunks;
mod watching;

pub use config::Config;
pub use gateway::Gateway;
pub use program::run;
