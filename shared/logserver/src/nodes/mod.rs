//! One log of several nodes (docs/decisions/0005-one-log.md). One of them keeps it, on
//! its disk; the others follow it, as any reader does, believing nothing that is not
//! signed, and pass on to it what readers ask. So there is one order of entries, and
//! one key. Not here: the log itself, and what a service states in it.
//!
//! That only one node keeps the log is seen to in the Redis that they share ([`Claim`]).

mod claim;
mod config;
mod followed;
mod keeper;
mod kept;
mod memory;

pub use self::claim::{Claim, ClaimError};
pub use self::config::TransparencyLogConfig;
pub use self::followed::{FollowedError, FollowedLog};
pub use self::keeper::{ASKED_BY_NODE, Keeper};
pub use self::kept::{KeptLog, NotKept};
pub use self::memory::MemoryError;

#[cfg(test)]
mod tests;
