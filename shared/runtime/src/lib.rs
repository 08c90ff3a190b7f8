//! What every program of this project has, daemon or not: configuration, the clock,
//! logging, shutdown, and files that are read again. No listener, no client.

pub mod clock;
pub mod config;
pub mod logging;
pub mod reload;
pub mod repeated_causes;
pub mod shutdown;
