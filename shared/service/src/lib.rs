//! What both services are made of and neither owns: configuration, listeners
//! with their time-outs, TLS, the admin listener, problem responses, shutdown, the
//! clock and the worker pool. Nothing here knows what an issuer or a CPS does.

pub mod admin;
pub mod clock;
pub mod config;
mod connection;
mod exchanges;
mod in_hand;
pub mod listener;
pub mod logging;
pub mod peer;
mod places;
pub mod problem_response;
mod request_limits;
pub mod server;
pub mod shutdown;
pub mod tls;
pub mod trust;
pub mod worker_pool;
