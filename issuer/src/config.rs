//! The issuer's configuration. Every key stands, with an explanation and its
//! default, in `issuer/issuer.example.toml` too, which a test reads.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_evidence::key_calendar::{MAX_KEYS_A_DAY, SHORTEST_EPOCH};
use pennyblack_logserver::nodes::TransparencyLogConfig;
use pennyblack_redis::RedisOptions;
use pennyblack_runtime::config::{
    AdminConfig, Configuration, ConfigurationError, LogConfig, PublicConfig,
};
use pennyblack_service::start::{CommonSections, ServiceConfig};
use pennyblack_service::worker_pool::WorkerPool;
use pennyblack_stir::Extent;
use pennyblack_trust::TrustConfig;
use serde::{Deserialize, Serialize};

use crate::quota::Allowance;
use crate::signer::KeyType;
use crate::token_keys::KeyPlan;
use crate::token_keys::schedule::KeySchedule;

/// How much of the time from a key's announcement to its beginning must be left to
/// nodes to hear of it.
const LEAST_NOTICE: Duration = Duration::from_secs(120);

/// The least that a key is listed before it begins: a CPS looks every ten minutes at
/// least, whatever `max-age` says. A key is made when the one before it has begun, so
/// they begin as far apart, and carriers draw of no others.
const SHORTEST_ANNOUNCEMENT: Duration = SHORTEST_EPOCH;

/// In seconds.
const DAY: u64 = 86_400;

// An epoch is longer than its announcement, so a log has room for the keys of a day.
const _: () = assert!(SHORTEST_ANNOUNCEMENT.as_secs() * MAX_KEYS_A_DAY as u64 >= DAY);

/// Everything that an issuer is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[issuer]`.
    pub issuer: IssuerConfig,
    /// `[public]`: where carriers ask.
    pub public: PublicConfig,
    /// `[admin]`.
    #[serde(default)]
    pub admin: AdminConfig,
    /// `[log]`.
    #[serde(default)]
    pub log: LogConfig,
    /// `[trust]`: whose certificates count.
    pub trust: TrustConfig,
    /// `[store]`: the Redis that several issuer nodes share. Without it there is one
    /// node, and all is in its data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<RedisOptions>,
    /// `[transparency_log]`: the leader of the log of all nodes over one `[store]`.
    #[serde(default)]
    pub transparency_log: TransparencyLogConfig,
    /// `[token_keys]`: token keys and their epochs.
    #[serde(default)]
    pub token_keys: TokenKeysConfig,
    /// `[quota]`.
    #[serde(default)]
    pub quota: QuotaConfig,
    /// `[signing]`.
    #[serde(default)]
    pub signing: SigningConfig,
}

/// `[issuer]`: who this issuer is and where it keeps its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// The host, with the port unless it is 443, under which carriers know this
    /// issuer: the `aud` of their attestations and the issuer name in challenges.
    pub authority: Authority,
    /// Token keys and quota accounts; of a node with `[store]` only what it remembers
    /// of that. Back it up together; never run two issuers on one.
    pub data_directory: PathBuf,
}

/// `[token_keys]`: how long a token key signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenKeysConfig {
    /// How long one key signs; also the delay with which a revoked carrier runs
    /// out of tokens, and the period of quotas. More than `announce_ahead`, and so more
    /// than 20 minutes; a log has room for 50,000 keys. Default: 1day.
    #[serde(with = "humantime_serde")]
    pub epoch: Duration,
    /// How long clients and services may keep a copy of the directory. Default: 1h.
    #[serde(with = "humantime_serde")]
    pub directory_max_age: Duration,
    /// How long before it signs a key is in the directory: at least twice
    /// `directory_max_age`, and at least 20 minutes. Default: 3h.
    #[serde(with = "humantime_serde")]
    pub announce_ahead: Duration,
    /// What the keys sign: `blind-rsa`, `voprf-ristretto255` or `voprf-p384`. Keys
    /// that exist stay what they are; the next one is made so. Default: blind-rsa.
    pub token_type: KeyType,
    /// Most tokens that one VOPRF key evaluates; when half of them are drawn, its
    /// successor is announced early. Default: 2^32.
    pub most_evaluations: u64,
    /// With `[store]`: a file (mode 600) of 64 hexadecimal digits, the same on every
    /// node, under which token keys are sealed in Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrapping_key: Option<PathBuf>,
    /// With `[store]`: how far the clock of a node may be from that of Redis before it
    /// ceases to sign. Default: 5s.
    #[serde(with = "humantime_serde")]
    pub clock_tolerance: Duration,
}

impl Default for TokenKeysConfig {
    fn default() -> Self {
        Self {
            token_type: KeyType::default(),
            most_evaluations: 1 << 32,
            wrapping_key: None,
            clock_tolerance: Duration::from_secs(5),
            epoch: Duration::from_secs(24 * 3600),
            directory_max_age: Duration::from_secs(3600),
            announce_ahead: Duration::from_secs(3 * 3600),
        }
    }
}

/// `[quota]`: how many tokens a subject may draw in each key epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaConfig {
    /// For every subject that is not named below. Default: 8192, twice the default class of a
    /// carrier: one that has lost its wallet can draw its class again.
    pub tokens: u64,
    /// `[[quota.subject]]`: for those that are.
    pub subject: Vec<SubjectQuota>,
}

impl Default for QuotaConfig {
    fn default() -> Self {
        Self {
            tokens: 8_192,
            subject: Vec::new(),
        }
    }
}

/// `[[quota.subject]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectQuota {
    /// `spc:683G` for a service provider, in any case; for a block of numbers its first
    /// number and size, `tn:12155550100+100`, where those that touch in the certificate
    /// are one block.
    pub name: String,
    /// Tokens in each key epoch.
    pub tokens: u64,
}

/// `[signing]`: the threads that sign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SigningConfig {
    /// Threads. Default: as many as there are cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<NonZeroUsize>,
    /// Requests that may wait for a thread; further ones are answered 503.
    /// Default: 64 for each thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<NonZeroUsize>,
    /// Tokens in one batch. Default: 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<NonZeroUsize>,
}

impl SigningConfig {
    /// The number of threads.
    #[must_use]
    pub fn workers(&self) -> NonZeroUsize {
        self.workers.unwrap_or_else(WorkerPool::one_worker_a_core)
    }

    /// The length of the queue, in requests.
    #[must_use]
    pub fn queue(&self) -> NonZeroUsize {
        let each = NonZeroUsize::MIN.saturating_add(63);
        self.queue
            .unwrap_or_else(|| self.workers().saturating_mul(each))
    }

    /// The largest batch, in tokens.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.batch.map_or(256, NonZeroUsize::get)
    }
}

/// Bytes of a request's header section by default: a JWT with its certificates may have
/// 32768.
const HEADER_BYTES: u32 = 40 * 1024;

impl Config {
    /// An issuer at `127.0.0.1` with a free port and defaults for all else.
    #[must_use]
    pub fn local(authority: Authority, data_directory: PathBuf, roots: PathBuf) -> Self {
        let mut public = PublicConfig::plain(([127, 0, 0, 1], 0).into());
        public.limits.header_bytes = HEADER_BYTES;
        Self {
            issuer: IssuerConfig {
                authority,
                data_directory,
            },
            public,
            admin: AdminConfig::default(),
            log: LogConfig::default(),
            trust: TrustConfig::new(roots),
            store: None,
            transparency_log: TransparencyLogConfig::default(),
            token_keys: TokenKeysConfig::default(),
            quota: QuotaConfig::default(),
            signing: SigningConfig::default(),
        }
    }

    pub(crate) const fn key_plan(&self) -> KeyPlan {
        KeyPlan {
            schedule: KeySchedule {
                epoch: self.token_keys.epoch,
                announce_ahead: self.token_keys.announce_ahead,
            },
            key_type: self.token_keys.token_type,
        }
    }

    /// Where token keys are: of one node, or the copies that a node among several has.
    pub(crate) fn key_directory(&self) -> PathBuf {
        match &self.store {
            // Not where a node that was alone had its keys: those are not ours to delete.
            Some(_) => self.node_directory().join("keys"),
            None => self.issuer.data_directory.join("keys"),
        }
    }

    /// Where a node keeps what it has seen of the Redis that it shares.
    pub(crate) fn node_directory(&self) -> PathBuf {
        self.issuer.data_directory.join("node")
    }

    /// Where a node keeps how far revocation lists have come.
    pub(crate) fn trust_directory(&self) -> PathBuf {
        self.issuer.data_directory.join("trust")
    }

    pub(crate) fn allowance(&self) -> Allowance {
        let named = self.quota.subject.iter();
        // Names that are none were refused by `check`.
        let named = named.filter_map(|quota| Some((quota.name.parse().ok()?, quota.tokens)));
        Allowance {
            named: named.collect(),
            ..Allowance::of_all(self.quota.tokens)
        }
    }
}

impl Configuration for Config {
    const SERVICE: &'static str = "issuer";
    // `HEADER_BYTES`.
    const DEFAULTS: &'static str = "public.limits.header_bytes = 40960";

    fn check(&self) -> Result<(), ConfigurationError> {
        self.public.check()?;
        self.admin.check()?;
        self.admin.check_apart_from(&self.public)?;
        self.check_keys()?;
        self.check_sharing()?;
        self.transparency_log.check(self.store.is_some())?;
        self.check_quota()?;
        self.trust.check()
    }
}

impl ServiceConfig for Config {
    fn common(&self) -> CommonSections<'_> {
        CommonSections {
            authority: Some(&self.issuer.authority),
            data_directory: Some(&self.issuer.data_directory),
            public: &self.public,
            admin: &self.admin,
            log: &self.log,
        }
    }
}

impl Config {
    fn check_keys(&self) -> Result<(), ConfigurationError> {
        let keys = &self.token_keys;
        if keys.directory_max_age.as_secs() == 0 {
            return Err(ConfigurationError::refused(
                "token_keys.directory_max_age",
                "clients would fetch the directory for every request",
                "set a second or more",
            ));
        }
        if keys.announce_ahead < keys.directory_max_age * 2 {
            return Err(ConfigurationError::refused(
                "token_keys.announce_ahead",
                "a client could hold a directory without the key that signs",
                "set at least twice token_keys.directory_max_age",
            ));
        }
        if keys.announce_ahead < SHORTEST_ANNOUNCEMENT {
            return Err(ConfigurationError::refused(
                "token_keys.announce_ahead",
                "a CPS that looks every ten minutes could miss a key before it begins",
                "set 20m or more",
            ));
        }
        if keys.epoch <= keys.announce_ahead {
            return Err(ConfigurationError::refused(
                "token_keys.epoch",
                "a key would be announced before the one before it signs",
                "set more than token_keys.announce_ahead",
            ));
        }
        Ok(())
    }

    fn check_sharing(&self) -> Result<(), ConfigurationError> {
        let keys = &self.token_keys;
        match (&self.store, &keys.wrapping_key) {
            (Some(_), None) => Err(ConfigurationError::refused(
                "token_keys.wrapping_key",
                "token keys could be read by anybody who reads Redis",
                "name a file made with \"(umask 077; openssl rand -hex 32 > wrapping.key)\"",
            )),
            (None, Some(_)) => Err(ConfigurationError::refused(
                "token_keys.wrapping_key",
                "without [store] token keys stay in the data directory, unsealed",
                "add [store], or take it away",
            )),
            (Some(_), Some(_)) if keys.announce_ahead < keys.clock_tolerance * 2 + LEAST_NOTICE => {
                Err(ConfigurationError::refused(
                    "token_keys.clock_tolerance",
                    "a node could not be sure to hear of a key before it begins",
                    "set less than half of token_keys.announce_ahead, and two minutes less than that",
                ))
            }
            _ => Ok(()),
        }
    }

    fn check_quota(&self) -> Result<(), ConfigurationError> {
        let mut names = std::collections::HashSet::new();
        for quota in &self.quota.subject {
            let name = &quota.name;
            let extent = name.parse::<Extent>().map_err(|error| {
                ConfigurationError::refused(
                    "quota.subject.name",
                    error.to_string(),
                    "write \"spc:683G\" or \"tn:12155550100+100\"",
                )
            })?;
            if !names.insert(extent) {
                return Err(ConfigurationError::refused(
                    "quota.subject.name",
                    format!("{name:?} is named twice"),
                    "keep one of the two",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
