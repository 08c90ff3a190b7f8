//! Whether an issuer is one node or one of several: decided once, when it starts. Not
//! here: where keys and accounts are, and the roles about the log, which
//! `pennyblack_logserver` has.

use std::time::Duration;

use pennyblack_redis::{Redis, RedisError};

/// The longest time between two rotations, by a clock that nobody sets.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// The same for a node among several: how soon it hears of a key that another one
/// made early, and notices that clocks run apart or that Redis lost something.
const LONGEST_WAIT_AMONG_SEVERAL: Duration = Duration::from_secs(15);

/// The nodes of the issuer.
#[derive(Debug, Clone)]
pub(crate) enum Nodes {
    /// This one alone.
    One,
    /// Several, over this Redis.
    Several(Redis),
}

impl Nodes {
    /// The longest time between two rotations.
    pub(crate) const fn longest_wait(&self) -> Duration {
        match self {
            Self::One => LONGEST_WAIT,
            Self::Several(_) => LONGEST_WAIT_AMONG_SEVERAL,
        }
    }

    /// What is wrong with the durability of what they share, if anything is.
    ///
    /// # Errors
    /// When Redis does not say.
    pub(crate) async fn shortfalls(&self) -> Result<Option<String>, RedisError> {
        match self {
            Self::One => Ok(None),
            Self::Several(redis) => {
                let shortfalls = redis.shortfalls().await?;
                let sentences: Vec<_> = shortfalls.iter().map(ToString::to_string).collect();
                Ok((!sentences.is_empty()).then(|| sentences.join("; ")))
            }
        }
    }
}
