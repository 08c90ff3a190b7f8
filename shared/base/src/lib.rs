//! What every other part is built on: readers and writers of wire forms, encodings,
//! times, authorities, addresses and paths of services, PEM, and problem documents. No
//! sockets, no clock, no cryptography of ours.

pub mod authority;
pub mod clock_tolerance;
pub mod cps_uri;
pub mod curve25519;
pub mod encoding;
pub mod foreign_text;
pub mod pem;
pub mod problem;
pub mod service_paths;
pub mod span;
pub mod time;
pub mod wire;
