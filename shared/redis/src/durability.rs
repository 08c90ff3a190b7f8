//! What servers must be like for what is promised: judged from what they say of
//! themselves. Asking them is not here.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The oldest major version whose scripts and replication are relied upon.
const OLDEST_VERSION: u32 = 7;

/// What an acknowledged write survives (docs/redis.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// The death and loss of power of the server, whose disk stays: every write is
    /// synced before it is acknowledged.
    #[default]
    SingleFsync,
    /// The loss of the server with its disk, as long as one of the replicas that
    /// had the write takes over.
    Replicated,
    /// Nothing in particular.
    BestEffort,
}

/// What one primary says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// Host and port, or nothing when there is only one.
    pub address: String,
    /// The fields of `INFO`.
    pub info: HashMap<String, String>,
    /// What `CONFIG GET` says, or `None` where it is forbidden.
    pub settings: Option<HashMap<String, String>>,
}

/// What a server lacks, as a sentence that says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shortfall {
    /// Too old, or it does not say.
    Version {
        /// Which node.
        node: String,
        /// What it says.
        actual: String,
    },
    /// A setting of another value.
    Setting {
        /// Which node.
        node: String,
        /// The setting's name.
        name: &'static str,
        /// Its value, or nothing.
        actual: String,
        /// The value it must have.
        wanted: String,
    },
    /// `CONFIG GET` is forbidden and nobody vouches.
    SettingsHidden {
        /// Which node.
        node: String,
    },
    /// Fewer replicas than each write must be on.
    Replicas {
        /// Which node.
        node: String,
        /// Replicas that follow it.
        actual: u64,
        /// Replicas that must.
        wanted: u8,
        /// Whether it is a server of a cluster, in which no `REPLICAOF` is allowed.
        is_cluster: bool,
    },
    /// It follows another one.
    NotPrimary {
        /// Which node.
        node: String,
    },
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { node, actual } => write!(
                f,
                "{node} runs Redis {actual}: version {OLDEST_VERSION} or later is needed"
            ),
            Self::Setting {
                node,
                name,
                actual,
                wanted,
            } => write!(
                f,
                "{node} has {name} {actual:?}: run \"CONFIG SET {name} {wanted}\" there and write \
                 \"{name} {wanted}\" into its redis.conf"
            ),
            Self::SettingsHidden { node } => write!(
                f,
                "{node} forbids CONFIG GET, so its settings cannot be checked: allow it, or check \
                 them by hand and set store.settings_vouched_for = true"
            ),
            Self::Replicas {
                node,
                actual,
                wanted,
                is_cluster,
            } => {
                let how = match is_cluster {
                    true => "redis-cli --cluster add-node NEW:PORT SERVER:PORT --cluster-slave",
                    false => "REPLICAOF",
                };
                write!(
                    f,
                    "{node} has {actual} replicas in sync, and store.replicas asks for {wanted}: \
                     start those that are away, or add replicas with \"{how}\""
                )
            }
            Self::NotPrimary { node } => write!(
                f,
                "{node} is a replica: point the store's URL at the primary, or at Sentinels"
            ),
        }
    }
}

/// What keeps servers from a level. Empty when they carry it; at
/// [`Durability::BestEffort`] what is missing from `single-fsync`, for a warning.
#[must_use]
pub fn verify(
    level: Durability,
    replicas: u8,
    vouched_for: bool,
    reports: &[NodeReport],
) -> Vec<Shortfall> {
    let judged = reports.iter().flat_map(|report| {
        let mut found = Vec::new();
        verify_info(level, replicas, report, &mut found);
        verify_settings(level, replicas, vouched_for, report, &mut found);
        found
    });
    judged.collect()
}

fn verify_info(level: Durability, replicas: u8, report: &NodeReport, found: &mut Vec<Shortfall>) {
    let node = report.name();
    let field = |name| report.info.get(name).map_or("", String::as_str);
    let version = field("redis_version");
    let major = version.split('.').next().and_then(|n| n.parse().ok());
    if major.is_none_or(|major: u32| major < OLDEST_VERSION) {
        found.push(Shortfall::Version {
            node: node.clone(),
            actual: version.to_owned(),
        });
    }
    if field("role") != "master" {
        found.push(Shortfall::NotPrimary { node: node.clone() });
    }
    let actual = field("connected_slaves").parse().unwrap_or(0);
    if level == Durability::Replicated && actual < u64::from(replicas) {
        found.push(Shortfall::Replicas {
            node,
            actual,
            wanted: replicas,
            is_cluster: field("cluster_enabled") == "1",
        });
    }
}

fn verify_settings(
    level: Durability,
    replicas: u8,
    vouched_for: bool,
    report: &NodeReport,
    found: &mut Vec<Shortfall>,
) {
    let node = report.name();
    let Some(settings) = &report.settings else {
        if !vouched_for {
            found.push(Shortfall::SettingsHidden { node });
        }
        return;
    };
    let mut must_be = |name: &'static str, good: &dyn Fn(&str) -> bool, wanted: String| {
        let actual = settings.get(name).map_or("", String::as_str);
        if !good(actual) {
            found.push(Shortfall::Setting {
                node: node.clone(),
                name,
                actual: actual.to_owned(),
                wanted,
            });
        }
    };
    must_be(
        "maxmemory-policy",
        &|actual| actual == "noeviction",
        "noeviction".to_owned(),
    );
    must_be("appendonly", &|actual| actual == "yes", "yes".to_owned());
    match level {
        Durability::SingleFsync | Durability::BestEffort => must_be(
            "appendfsync",
            &|actual| actual == "always",
            "always".to_owned(),
        ),
        Durability::Replicated => {
            must_be(
                "appendfsync",
                &|actual| matches!(actual, "always" | "everysec"),
                "everysec".to_owned(),
            );
            must_be(
                "min-replicas-to-write",
                &|actual| {
                    actual
                        .parse::<u64>()
                        .is_ok_and(|n| n >= u64::from(replicas))
                },
                replicas.to_string(),
            );
        }
    }
}

impl NodeReport {
    fn name(&self) -> String {
        match self.address.as_str() {
            "" => "the Redis server".to_owned(),
            address => format!("the Redis server {address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HashMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        fields.iter().map(owned).collect()
    }

    fn good() -> NodeReport {
        NodeReport {
            address: "a:1".to_owned(),
            info: map(&[
                ("redis_version", "7.0.15"),
                ("role", "master"),
                ("connected_slaves", "2"),
            ]),
            settings: Some(map(&[
                ("maxmemory-policy", "noeviction"),
                ("appendonly", "yes"),
                ("appendfsync", "always"),
                ("min-replicas-to-write", "2"),
            ])),
        }
    }

    fn with(change: impl Fn(&mut NodeReport)) -> NodeReport {
        let mut report = good();
        change(&mut report);
        report
    }

    fn sentences(level: Durability, report: NodeReport) -> Vec<String> {
        let found = verify(level, 2, false, &[good(), report]);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn servers_that_carry_a_level_are_taken() {
        for level in [Durability::SingleFsync, Durability::Replicated] {
            assert!(sentences(level, good()).is_empty());
        }
        let everysec = with(|report| {
            let settings = report.settings.as_mut().unwrap();
            settings.insert("appendfsync".to_owned(), "everysec".to_owned());
        });
        assert!(sentences(Durability::Replicated, everysec).is_empty());
    }

    #[test]
    fn every_setting_that_falls_short_is_named_with_the_line_that_mends_it() {
        for (level, name, value, line) in [
            (
                Durability::SingleFsync,
                "maxmemory-policy",
                "allkeys-lru",
                "CONFIG SET maxmemory-policy noeviction",
            ),
            (
                Durability::SingleFsync,
                "appendonly",
                "no",
                "CONFIG SET appendonly yes",
            ),
            (
                Durability::SingleFsync,
                "appendfsync",
                "everysec",
                "CONFIG SET appendfsync always",
            ),
            (
                Durability::Replicated,
                "appendfsync",
                "no",
                "CONFIG SET appendfsync everysec",
            ),
            (
                Durability::Replicated,
                "min-replicas-to-write",
                "1",
                "CONFIG SET min-replicas-to-write 2",
            ),
        ] {
            let report = with(|report| {
                let settings = report.settings.as_mut().unwrap();
                settings.insert(name.to_owned(), value.to_owned());
            });
            let said = sentences(level, report);
            assert_eq!(said.len(), 1);
            assert!(
                said[0].contains(line) && said[0].contains("a:1"),
                "{said:?}"
            );
        }
    }

    #[test]
    fn age_replicas_and_role_are_judged() {
        for (field, value) in [
            ("redis_version", "6.2.14"),
            ("redis_version", ""),
            ("role", "slave"),
            ("connected_slaves", "1"),
        ] {
            let report = with(|report| {
                report.info.insert(field.to_owned(), value.to_owned());
            });
            assert_eq!(
                sentences(Durability::Replicated, report).len(),
                1,
                "{field}"
            );
        }
    }

    #[test]
    fn a_cluster_is_not_told_what_it_forbids() {
        for (cluster, how) in [("0", "REPLICAOF"), ("1", "redis-cli --cluster add-node")] {
            let report = with(|report| {
                let info = &mut report.info;
                info.insert("connected_slaves".to_owned(), "0".to_owned());
                info.insert("cluster_enabled".to_owned(), cluster.to_owned());
            });
            let said = sentences(Durability::Replicated, report).concat();
            assert!(said.contains(how), "{said}");
            assert_eq!(said.contains("REPLICAOF"), cluster == "0", "{said}");
        }
    }

    #[test]
    fn hidden_settings_count_as_missing_until_the_operator_vouches() {
        let hidden = with(|report| report.settings = None);
        let said = sentences(Durability::SingleFsync, hidden.clone());
        assert!(said[0].contains("settings_vouched_for"), "{said:?}");
        assert!(verify(Durability::SingleFsync, 1, true, &[hidden]).is_empty());
    }
}
