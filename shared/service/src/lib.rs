//! What both services are made of and neither owns: configuration, listeners
//! with their time-outs, TLS, the admin page, problem responses, shutdown, the
//! clock and the worker pool. Nothing here knows what an issuer or a CPS does.

pub mod clock;
pub mod config;
pub mod logging;
pub mod shutdown;
pub mod worker_pool;
