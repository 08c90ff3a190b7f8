//! The client side of Pennyblack as a library: the carrier that draws tokens (its
//! wallet too), the out-of-band authentication service (OOB-AS) that stores sealed
//! PASSporTs, and the out-of-band verification service (OOB-VS) that fetches and
//! verifies them. A program that embeds it links no server, no Redis and no
//! OpenSSL.

pub mod assignments;
pub mod auth_service;
pub mod block_look_ups;
pub mod carrier;
pub mod certificates;
mod database;
pub mod directory;
pub mod follower;
pub mod hints;
pub mod identity;
mod log_source;
mod missing_file;
pub mod oblivious;
mod request_length;
pub mod rosters;
pub mod trust;
pub mod verification_service;
pub mod wallet;

pub use database::DatabaseFileError;
