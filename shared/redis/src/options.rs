//! What an operator says about a Redis. Only values; they are read from the
//! configuration of a service.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::durability::Durability;
use super::url::RedisUrl;

/// `[store]`: where the Redis is, how it is spoken to, and what it must promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisOptions {
    /// Where; see [`RedisUrl`].
    pub url: RedisUrl,
    /// A file (mode 600) with the password, in place of one in the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Root certificates (PEM) for the servers' TLS, in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// What the names of all keys begin with, for services that share a Redis:
    /// letters, digits, `-` and `_`. Default: the service's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What an acknowledged write must survive. Default: `single-fsync`.
    #[serde(default)]
    pub durability: Durability,
    /// How many replicas must have a write before it is acknowledged, at the level
    /// `replicated`. Default: 1.
    #[serde(default = "one")]
    pub replicas: u8,
    /// Says that the operator vouches for the settings of servers that forbid
    /// `CONFIG GET`. Default: false.
    #[serde(default)]
    pub settings_vouched_for: bool,
    /// Connections to each server. Requests share them. Default: 4.
    #[serde(default = "four")]
    pub connections: NonZeroUsize,
    /// Time for connecting, TLS and log-in included. Default: 2s.
    #[serde(default = "two_seconds", with = "humantime_serde")]
    pub connect: Duration,
    /// Time for one answer, waiting for replicas included. Default: 2s.
    #[serde(default = "two_seconds", with = "humantime_serde")]
    pub answer: Duration,
}

const fn one() -> u8 {
    1
}

fn four() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(3)
}

const fn two_seconds() -> Duration {
    Duration::from_secs(2)
}

impl RedisOptions {
    /// The defaults, for this address.
    #[must_use]
    pub fn new(url: RedisUrl) -> Self {
        Self {
            url,
            password_file: None,
            ca_file: None,
            namespace: None,
            durability: Durability::default(),
            replicas: one(),
            settings_vouched_for: false,
            connections: four(),
            connect: two_seconds(),
            answer: two_seconds(),
        }
    }
}
