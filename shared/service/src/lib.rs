//! What a daemon is made of: listeners with their time-outs, TLS, the admin listener,
//! problem responses, requests to other nodes and the worker pool. Nothing here knows
//! what an issuer or a CPS does.

pub mod admin;
mod connection;
mod exchanges;
mod in_hand;
pub mod listener;
pub mod peer;
mod places;
pub mod problem_response;
mod request_limits;
pub mod server;
pub mod tls;
pub mod worker_pool;
