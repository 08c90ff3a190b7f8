//! What a daemon is made of: the program and its start, listeners with their time-outs,
//! TLS, the admin listener, header fields, problem responses, requests to other nodes and
//! the worker pool. Nothing here knows what an issuer or a CPS does.

pub mod admin;
mod allocator;
mod answer_body;
pub mod answer_room;
pub mod answer_times;
pub mod client_address;
pub mod clock_evidence;
mod connection;
pub mod examination;
mod exchanges;
pub mod findings;
mod head_requests;
pub mod headers;
mod held_bytes;
mod http2_frames;
mod http2_watch;
pub mod inner_requests;
pub mod known_clients;
pub mod listener;
mod one_exchange;
pub mod peer;
mod places;
pub mod problem_response;
pub mod program;
pub mod public_router;
mod request_limits;
pub mod server;
pub mod start;
pub mod start_error;
mod stream;
mod stream_tasks;
#[cfg(any(test, feature = "testing"))]
pub mod time_classifier;
pub mod tls;
mod turns;
mod untaken;
pub mod worker_pool;

pub use pennyblack_runtime::repeated_causes;
