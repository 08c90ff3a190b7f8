//! What every program of this project has, daemon or not: configuration, the clock,
//! logging and shutdown. No listener, no client.

pub mod clock;
pub mod config;
pub mod logging;
pub mod shutdown;
