//! Redis as a place that keeps things: the connection with its time-outs and its
//! circuit breaker, and what a server must promise before it is trusted
//! (docs/redis.md). What is kept there and in which layout is the business of the
//! services.

mod answer;
pub mod breaker;
mod cluster;
mod connection;
pub mod durability;
mod error;
mod options;
mod permit;
mod script;
mod server_connection;
mod slot;
mod slot_map;
mod survey;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod transport;
mod trial;
mod url;

pub use connection::Redis;
pub use durability::{Durability, NodeReport, Shortfall};
pub use error::{RedisError, SetUpError};
pub use options::RedisOptions;
pub use redis::{Cmd, FromRedisValue, Value, cmd};
pub use script::Script;
pub use slot::{SLOTS, slot_of};
pub use url::{RedisUrl, Topology, UrlError};
