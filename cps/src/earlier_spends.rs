//! What a data directory says of the tokens that were spent over it, and whether the
//! configured store may open there. **A store never begins over a directory whose spends
//! are elsewhere**: their tokens would be good again. Nothing is opened or made here.

use std::path::{Path, PathBuf};

use pennyblack_service::start_error::{StartContext as _, StartError};

use crate::config::Config;
use crate::store::redis::{MOVED_MARK, MOVED_STORE, RedisStore};

/// Where spends of this directory may be.
#[derive(Debug)]
pub(crate) struct EarlierSpends {
    /// The embedded store, if there is one.
    embedded: Option<PathBuf>,
    /// What says that this node's spends are in a Redis, if anything does.
    in_redis: Option<PathBuf>,
    /// The journal of a node of `[never_twice]`, if there is one.
    never_twice: Option<PathBuf>,
}

impl EarlierSpends {
    /// Looks into the data directory.
    pub(crate) fn of(config: &Config) -> Result<Self, StartError> {
        let there = |path: PathBuf| path.exists().then_some(path);
        let redis = config.redis_directory();
        let joined = RedisStore::has_joined(&redis).context("cannot open the store")?;
        let moved = config.embedded_directory().with_file_name(MOVED_STORE);
        // It may have been given its old name again, by hand.
        let renamed = config.embedded_directory().join(MOVED_MARK);
        Ok(Self {
            embedded: there(config.embedded_directory()),
            in_redis: joined
                .then_some(redis)
                .or_else(|| there(moved))
                .or_else(|| there(renamed)),
            never_twice: there(config.never_twice_directory()),
        })
    }

    /// Refuses a configuration whose store would not know of them, whatever was
    /// configured in between.
    pub(crate) fn allow(&self, config: &Config) -> Result<(), StartError> {
        let Self {
            embedded,
            in_redis,
            never_twice,
        } = self;
        if config.never_twice.is_some() {
            let other = embedded.as_ref().or(in_redis.as_ref());
            return other.map_or(Ok(()), |other| Err(other_level(other)));
        }
        if let Some(journal) = never_twice {
            return Err(other_level(journal));
        }
        match (embedded, in_redis) {
            (Some(embedded), None) if config.store.is_some() => Err(not_moved(embedded)),
            (Some(embedded), Some(_)) => Err(half_moved(embedded)),
            (None, Some(says)) if config.store.is_none() => Err(moved(says)),
            _ => Ok(()),
        }
    }
}

/// A Redis is configured, and the data directory holds spent tokens.
fn not_moved(embedded: &Path) -> StartError {
    let embedded = embedded.display();
    StartError::new(
        format!("{embedded} holds spent tokens that the Redis of [store] does not know"),
        "move them with \"pennyblack-cps --config FILE --move-store-to-redis\" (docs/redis.md)",
    )
}

/// No Redis is configured, and the spent tokens are in one.
fn moved(says: &Path) -> StartError {
    let says = says.display();
    StartError::new(
        format!("{says} says that the spent tokens of this CPS are in a Redis"),
        "a store that begins here would accept them again. Set [store] to that Redis, as it was; \
         spent tokens do not move back (docs/redis.md)",
    )
}

/// A move that broke off; or the configuration from before a move was used after it.
fn half_moved(embedded: &Path) -> StartError {
    let embedded = embedded.display();
    StartError::new(
        format!("spent tokens of this CPS are in {embedded} and in a Redis"),
        "neither knows those of the other. Set [store] to that Redis and move the rest with \
         \"pennyblack-cps --config FILE --move-store-to-redis\" (docs/redis.md)",
    )
}

/// Tokens were spent at another level of durability.
fn other_level(directory: &Path) -> StartError {
    let directory = directory.display();
    StartError::new(
        format!("{directory} holds tokens that were spent before or after [never_twice] was set"),
        "nodes would not know of each other's tokens. Put the configuration back; or wait until \
         every key epoch of that time has ended, and move the directory away at each node \
         (docs/redis.md)",
    )
}

#[cfg(test)]
mod tests;
