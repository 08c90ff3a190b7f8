//! The CPS's configuration. Every key stands, with an explanation and its
//! default, in `cps/cps.example.toml` too, which a test reads.

mod entries;
mod federation;
mod issuers;
mod key_records;
mod never_twice;
mod oblivious;
mod retrieval;
#[cfg(test)]
pub(crate) mod tests;

use std::path::PathBuf;
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_logserver::nodes::TransparencyLogConfig;
use pennyblack_protocol::store_request::Freshness;
use pennyblack_redis::RedisOptions;
use pennyblack_runtime::config::{
    AdminConfig, Configuration, ConfigurationError, LogConfig, PublicConfig, is_safe_url,
};
use pennyblack_service::known_clients::KnownClients;
use pennyblack_service::start::{CommonSections, ServiceConfig};
use pennyblack_tlog::VerifierKey;
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_trust::TrustConfig;
use serde::{Deserialize, Serialize};

pub use self::entries::EntriesConfig;
pub use self::federation::FederationConfig;
pub use self::issuers::IssuerConfig;
pub use self::key_records::KeyRecordsConfig;
pub use self::never_twice::NeverTwiceConfig;
pub use self::oblivious::{ObliviousConfig, RelayConfig, RelayKey};
pub use self::retrieval::RetrievalConfig;
pub use crate::challenges::AcceptedTokens;
use crate::store::Limits;

/// Most witnesses. Each has a line in the log's checkpoint, and so have those of before,
/// until there is a larger one; nobody reads more than 64 lines.
const MAX_WITNESSES: usize = 32;

/// Everything that a CPS is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[cps]`.
    pub cps: CpsConfig,
    /// `[public]`: where OOB-ASs and OOB-VSs ask.
    pub public: PublicConfig,
    /// `[admin]`.
    #[serde(default)]
    pub admin: AdminConfig,
    /// `[log]`.
    #[serde(default)]
    pub log: LogConfig,
    /// `[trust]`: whose certificates count in key records.
    pub trust: TrustConfig,
    /// `[[issuer]]`: whose tokens are taken.
    pub issuer: Vec<IssuerConfig>,
    /// `[[witness]]`: who cosigns the log's checkpoints.
    #[serde(default)]
    pub witness: Vec<WitnessConfig>,
    /// `[store]`: a Redis for spent tokens and entries. Default: the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<RedisOptions>,
    /// `[never_twice]`: nodes that keep spent tokens themselves, each its share, with
    /// entries in the Redis of `[store]`. Default: spent tokens are there too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never_twice: Option<NeverTwiceConfig>,
    /// `[transparency_log]`: the leader of the log of all nodes over one `[store]`.
    #[serde(default)]
    pub transparency_log: TransparencyLogConfig,
    /// `[entries]`.
    #[serde(default)]
    pub entries: EntriesConfig,
    /// `[retrieval]`: when polls are answered.
    #[serde(default)]
    pub retrieval: RetrievalConfig,
    /// `[key_records]`: the directory of recipients' keys.
    #[serde(default)]
    pub key_records: KeyRecordsConfig,
    /// `[oblivious]`: the CPS as an oblivious gateway. Default: it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oblivious: Option<ObliviousConfig>,
    /// `[federation]`: whose rosters are served. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federation: Option<FederationConfig>,
}

/// `[cps]`: who this CPS is and where it keeps its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpsConfig {
    /// The host, with the port unless it is 443, under which the world knows this
    /// CPS. Tokens, signatures and sealed PASSporTs are made for this name.
    pub authority: Authority,
    /// Spent tokens, entries and key records unless they are in a Redis, the
    /// double-spend log and the decoy secret. Never run two CPSs on one.
    pub data_directory: PathBuf,
}

/// `[[witness]]`: somebody else who watches that the log is one for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessConfig {
    /// Where it is asked (C2SP tlog-witness): `https://`, or `http://` on this
    /// machine; a path may follow.
    pub url: String,
    /// Its verifier key, `<name>+<id>+<key>`, with the signature type 0x04.
    pub key: String,
    /// Root certificates (PEM) for its TLS, in place of the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_roots: Option<PathBuf>,
}

impl Config {
    /// A CPS at `127.0.0.1` with a free port and defaults for all else.
    #[must_use]
    pub fn local(
        authority: Authority,
        data_directory: PathBuf,
        roots: PathBuf,
        issuer: IssuerConfig,
    ) -> Self {
        Self {
            cps: CpsConfig {
                authority,
                data_directory,
            },
            public: PublicConfig::plain(([127, 0, 0, 1], 0).into()),
            admin: AdminConfig::default(),
            log: LogConfig::default(),
            trust: TrustConfig::new(roots),
            issuer: vec![issuer],
            witness: Vec::new(),
            store: None,
            never_twice: None,
            transparency_log: TransparencyLogConfig::default(),
            entries: EntriesConfig::default(),
            retrieval: RetrievalConfig::default(),
            key_records: KeyRecordsConfig::default(),
            oblivious: None,
            federation: None,
        }
    }

    pub(crate) const fn limits(&self) -> Limits {
        Limits {
            entry_lifetime: self.entries.lifetime,
            mailbox_capacity: self.entries.mailbox_capacity,
        }
    }

    pub(crate) const fn freshness(&self) -> Freshness {
        Freshness {
            max_age: self.entries.oldest_signature,
            max_ahead: self.entries.clock_skew,
        }
    }

    /// For how long a request can come again (docs/protocol.md section 3).
    pub(crate) fn repeatable(&self) -> Duration {
        self.entries.oldest_signature + self.entries.clock_skew
    }

    /// Where the store is when there is no Redis.
    pub(crate) fn embedded_directory(&self) -> PathBuf {
        self.cps.data_directory.join("store")
    }

    /// Where key records are when there is no Redis.
    pub(crate) fn key_directory(&self) -> PathBuf {
        self.cps.data_directory.join("keys")
    }

    /// Where the transparency log is, at its leader.
    pub(crate) fn log_directory(&self) -> PathBuf {
        self.cps.data_directory.join("log")
    }

    /// The node's decoy secret, or its copy of that of all nodes.
    pub(crate) fn decoy_secret_file(&self) -> PathBuf {
        self.cps.data_directory.join("decoy-secret")
    }

    /// Where a node keeps what it has seen of its Redis.
    pub(crate) fn redis_directory(&self) -> PathBuf {
        self.cps.data_directory.join("redis")
    }

    /// Where a node keeps how far revocation lists have come.
    pub(crate) fn trust_directory(&self) -> PathBuf {
        self.cps.data_directory.join("trust")
    }

    /// Where a node of `[never_twice]` keeps its share of spent tokens.
    pub(crate) fn never_twice_directory(&self) -> PathBuf {
        self.cps.data_directory.join("never-twice")
    }

    /// The secret behind the oblivious keys, where the configuration names no other file.
    pub(crate) fn oblivious_seed(&self, section: &ObliviousConfig) -> PathBuf {
        let default = || self.cps.data_directory.join("oblivious-seed");
        section.seed.clone().unwrap_or_else(default)
    }

    /// What is known of issuers.
    pub(crate) fn issuers_directory(&self) -> PathBuf {
        self.cps.data_directory.join("issuers")
    }

    /// The answers of the numbering service.
    pub(crate) fn numbering_answers(&self) -> PathBuf {
        self.cps.data_directory.join("numbering-answers.csv")
    }

    fn check_never_twice(&self) -> Result<(), ConfigurationError> {
        match (&self.never_twice, &self.store) {
            (None, _) => Ok(()),
            (Some(never_twice), Some(_)) => never_twice.check(),
            (Some(_), None) => Err(ConfigurationError::refused(
                "never_twice",
                "the nodes share their entries in a Redis, and there is none",
                "add a [store] section with its url, or leave out [never_twice]: one CPS by \
                 itself keeps what it has spent on its disk",
            )),
        }
    }

    fn check_oblivious(&self) -> Result<(), ConfigurationError> {
        let Some(oblivious) = &self.oblivious else {
            return Ok(());
        };
        ObliviousConfig::check_challenges(&self.cps.authority, &self.issuer)?;
        if !oblivious.relay.is_empty() && self.public.tls.is_none() {
            return Err(ConfigurationError::refused(
                "oblivious.relay",
                "a relay shows its certificate in TLS, and this service has none",
                "add [public.tls], or leave out [[oblivious.relay]]",
            ));
        }
        oblivious.check()
    }
}

impl Config {
    fn check_witnesses(&self) -> Result<(), ConfigurationError> {
        if self.witness.len() > MAX_WITNESSES {
            return Err(ConfigurationError::refused(
                "witness",
                format!("{} witnesses: at most {MAX_WITNESSES}", self.witness.len()),
                "leave some out",
            ));
        }
        self.witness.iter().try_for_each(WitnessConfig::check)
    }
}

impl WitnessConfig {
    fn check(&self) -> Result<(), ConfigurationError> {
        let (scheme, rest) = self.url.split_once("://").unwrap_or_default();
        let host = rest.split_once('/').map_or(rest, |(host, _)| host);
        if !is_safe_url(&format!("{scheme}://{host}")) {
            return Err(ConfigurationError::refused(
                "witness.url",
                format!("{:?} is neither https nor on this machine", self.url),
                "write https://, a host, and the witness's path",
            ));
        }
        let why = match self.key.parse::<VerifierKey>() {
            Ok(key) if key.kind() == SignatureType::CosignatureV1 => return Ok(()),
            Ok(key) => format!("the key of {} is not a witness's", key.name()),
            Err(error) => error.to_string(),
        };
        Err(ConfigurationError::refused(
            "witness.key",
            why,
            "copy the line that the witness publishes",
        ))
    }
}

impl Configuration for Config {
    const SERVICE: &'static str = "cps";

    fn check(&self) -> Result<(), ConfigurationError> {
        self.public.check()?;
        self.admin.check()?;
        self.admin.check_apart_from(&self.public)?;
        self.trust.check()?;
        IssuerConfig::check_all(&self.issuer)?;
        self.check_never_twice()?;
        self.key_records.check(self.store.is_some())?;
        self.transparency_log.check(self.store.is_some())?;
        self.check_witnesses()?;
        self.check_oblivious()?;
        self.entries.check()?;
        self.retrieval.check()
    }
}

impl ServiceConfig for Config {
    fn known_clients(&self) -> KnownClients {
        let oblivious = self.oblivious.as_ref();
        let known = |oblivious: &ObliviousConfig| oblivious.known_clients(&self.public.limits);
        oblivious.map_or_else(KnownClients::default, known)
    }

    fn common(&self) -> CommonSections<'_> {
        CommonSections {
            authority: Some(&self.cps.authority),
            data_directory: Some(&self.cps.data_directory),
            public: &self.public,
            admin: &self.admin,
            log: &self.log,
        }
    }
}
