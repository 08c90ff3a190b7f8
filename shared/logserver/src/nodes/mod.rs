//! One log of several nodes (docs/decisions/0005-one-log.md). The leader keeps it on
//! its disk; the followers read it as any reader does, trusting nothing that is not
//! signed, and pass readers' requests on to the leader. So there is one order of entries,
//! and one key. Which of the two a node is, or that it has no others, is decided once, at
//! the start: [`LogRole`]. Not here: the log itself, and what a service states in it.
//!
//! That there is one leader at most is enforced by the Redis that the nodes share
//! ([`LeaderRecord`]).

mod config;
mod follower;
mod leader;
mod leader_client;
mod leader_record;
mod memory;
mod reports;
mod role;
mod state_error;

pub use self::config::TransparencyLogConfig;
pub use self::follower::{FollowerError, FollowerLog};
pub use self::leader::{LeaderLog, NotStated};
pub use self::leader_client::{ASKED_BY_NODE, LeaderClient};
pub use self::leader_record::{LeaderRecord, LeaderRecordError};
pub use self::memory::MemoryError;
pub use self::reports::{NodeCredential, Reports};
pub use self::role::{LogRole, OpenRoleError, PublishError, Sharing};
pub use self::state_error::StateError;

#[cfg(test)]
mod tests;
