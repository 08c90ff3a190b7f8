//! What an issuer reads of the world before it opens anything of its own: the files that the
//! operator named, its token keys, and what the Redis of several nodes promises. A start and
//! `--check-config` do it here alike. Not here: roots and revocation lists, which
//! `pennyblack_trust` has, and what is in the stores of the data directory.

use pennyblack_redis::Redis;
use pennyblack_runtime::clock::Clock;
use pennyblack_service::examination::examine;
use pennyblack_service::findings::Findings;
use pennyblack_service::peer;
use pennyblack_service::start_error::{StartContext as _, StartError, blocking};

use crate::config::Config;
use crate::token_keys::key_files::KeyFiles;
use crate::token_keys::shared::wrapping_key::WrappingKey;

/// What is said of token keys that cannot be read.
pub(crate) const OPEN_KEYS: &str = "cannot open the token keys";

/// What was read.
#[derive(Debug)]
pub(crate) enum Outside {
    /// One node keeps all on its disk.
    OneNode,
    /// Several nodes share a Redis.
    Several(SharedOutside),
}

/// What a node reads that shares a Redis.
#[derive(Debug)]
pub(crate) struct SharedOutside {
    pub(crate) redis: Redis,
    pub(crate) wrapping: WrappingKey,
}

impl Outside {
    /// Reads it; nothing if a part cannot be read.
    pub(crate) async fn load(config: &Config, findings: &mut Findings) -> Option<Self> {
        let directory = config.key_directory();
        // Missing, it is made.
        if directory.is_dir() {
            let read = blocking(move || KeyFiles::check(&directory).context(OPEN_KEYS));
            findings.keep(read.await);
        }
        let Some(options) = &config.store else {
            return Some(Self::OneNode);
        };
        let roots = config.transparency_log.tls_roots.clone();
        findings.keep(peer::client(roots).context("transparency_log.tls_roots"));
        let wrapping = findings.keep(wrapping_key(config));
        let redis = Redis::new(options).context("cannot use the Redis of [store]");
        let redis = findings.keep(redis)?;
        match redis.shortfalls().await.context("store.url") {
            Ok(shortfalls) => {
                for shortfall in shortfalls {
                    let why = shortfall.to_string();
                    findings.keep::<()>(Err(StartError::new("store.durability", why)));
                }
            }
            Err(error) => {
                findings.keep::<()>(Err(error));
            }
        }
        let wrapping = wrapping?;
        Some(Self::Several(SharedOutside { redis, wrapping }))
    }
}

/// All that `--check-config` finds out.
pub(crate) async fn check(config: &Config, clock: &Clock) -> Findings {
    let mut findings = Findings::new();
    examine(config, &mut findings);
    let _ = Outside::load(config, &mut findings).await;
    let marks = config.trust_directory();
    pennyblack_trust::examine(&config.trust, &marks, clock.now(), &mut findings);
    findings
}

fn wrapping_key(config: &Config) -> Result<WrappingKey, StartError> {
    let file = config.token_keys.wrapping_key.as_deref();
    let file = file
        .ok_or("set it to the file of the wrapping key, [store] needs one")
        .context("token_keys.wrapping_key")?;
    WrappingKey::read(file).context(OPEN_KEYS)
}

#[cfg(test)]
mod tests;
