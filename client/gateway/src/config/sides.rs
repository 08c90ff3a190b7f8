//! The sections of the two sides of a call, `[store]` and `[verify]`, and `[trust]`, which
//! both need.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_client::follower::FollowerConfig;
use pennyblack_engine::{KeyRecordsConfig, SigningConfig, StoreConfig, VerifyConfig};
use pennyblack_http::ServiceAddress;
use pennyblack_passport::FRESHNESS;
use pennyblack_runtime::config::ConfigurationError;
use serde::{Deserialize, Serialize};

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSection {
    /// The CPS that key records are read from: its URL, or `authority=URL` if it is known by
    /// another name than it is reached by. Copies go to the CPSs that the records name. With
    /// `directory` it is not asked, and may say how one CPS of the roster is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cps: Option<ServiceAddress>,
    /// The file of `pennyblack directory sync`: key records come of it, and no CPS is asked for
    /// any. Copies go to the CPSs of the roster alone. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// The directory in which `pennyblack federation fetch` keeps rosters. For `directory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rosters: Option<PathBuf>,
    /// The wallet, which `pennyblack carrier run` fills.
    pub wallet: PathBuf,
    /// A file for the key records, so that they are at hand after a restart. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_file: Option<PathBuf>,
    /// How old a token must be. Default: 1h.
    #[serde(default = "minimum_age", with = "humantime_serde")]
    pub minimum_age: Duration,
    /// Most keys of a number that get a copy, a token each. Default: 8.
    #[serde(default = "max_copies")]
    pub max_copies: usize,
    /// Calls in a second that the stock of tokens must be enough for; 0 if it is not
    /// watched. Default: 0.
    #[serde(default)]
    pub calls_per_second: u32,
    /// `[store.key_records]`: which key records to have at hand.
    #[serde(default)]
    pub key_records: KeyRecordsConfig,
}

fn minimum_age() -> Duration {
    StoreConfig::default().minimum_age
}

fn max_copies() -> usize {
    StoreConfig::default().max_copies
}

impl StoreSection {
    /// What the engine goes by.
    #[must_use]
    pub fn engine(&self) -> StoreConfig {
        StoreConfig {
            minimum_age: self.minimum_age,
            max_copies: self.max_copies,
            calls_per_second: self.calls_per_second,
            key_records: self.key_records.clone(),
        }
    }

    /// The directory of keys, and that of rosters, if keys come of one.
    #[must_use]
    pub fn mirror(&self) -> Option<(&Path, &Path)> {
        self.directory.as_deref().zip(self.rosters.as_deref())
    }

    fn check_source(&self) -> Result<(), ConfigurationError> {
        let refused = |key: &str, what: &str, advice: &str| {
            Err(ConfigurationError::refused(
                key,
                what.to_owned(),
                advice.to_owned(),
            ))
        };
        match (&self.cps, &self.directory, &self.rosters) {
            (None, None, _) => refused(
                "store.cps",
                "there is nothing that keys come from",
                "name the CPS to ask, or store.directory and store.rosters",
            ),
            (_, Some(_), None) => refused(
                "store.rosters",
                "a directory's keys lead to the CPSs of a roster alone, and there is none",
                "name the directory of `pennyblack federation fetch`",
            ),
            (_, None, Some(_)) => refused(
                "store.rosters",
                "nothing is checked by them without store.directory",
                "name the directory's file, or leave it out",
            ),
            _ => Ok(()),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigurationError> {
        self.check_source()?;
        if self.key_records.prefixes.is_empty() && self.directory.is_none() {
            return Err(ConfigurationError::refused(
                "store.key_records.prefixes",
                "without key records at hand no call can be stored",
                "name the first digits of the numbers that are called, such as [\"1215\"]",
            ));
        }
        let KeyRecordsConfig {
            every,
            max_records,
            max_bytes,
            ..
        } = self.key_records;
        check_time("store.key_records.every", every, MIN_EVERY..=MAX_EVERY)?;
        check_count("store.key_records.max_records", max_records)?;
        check_count("store.key_records.max_bytes", max_bytes)?;
        check_count("store.max_copies", self.max_copies)
    }
}

/// `[signing]`: a value of nothing, or of more than a call lasts, is a slip.
pub(super) fn check_signing(signing: &SigningConfig) -> Result<(), ConfigurationError> {
    check_time(
        "signing.deadline",
        signing.deadline,
        MIN_DEADLINE..=MAX_DEADLINE,
    )?;
    check_time(
        "signing.keep_trying",
        signing.keep_trying,
        MIN_DEADLINE..=FRESHNESS,
    )?;
    check_count("signing.max_stores", signing.max_stores)
}

/// A reading of nothing but pauses would ask a CPS without end.
const MIN_EVERY: Duration = Duration::from_secs(1);
const MAX_EVERY: Duration = Duration::from_secs(86_400);

/// What a switch waits for an answer, at the least and at the most.
const MIN_DEADLINE: Duration = Duration::from_millis(10);
const MAX_DEADLINE: Duration = Duration::from_secs(10);

fn check_time(
    key: &str,
    time: Duration,
    sensible: RangeInclusive<Duration>,
) -> Result<(), ConfigurationError> {
    if sensible.contains(&time) {
        return Ok(());
    }
    Err(ConfigurationError::refused(
        key,
        format!("{time:?} is no sensible time"),
        format!("set {:?} to {:?}", sensible.start(), sensible.end()),
    ))
}

fn check_count(key: &str, count: usize) -> Result<(), ConfigurationError> {
    match count {
        0 => Err(ConfigurationError::refused(
            key,
            "with 0 no call can be stored",
            "set 1 or more, or leave it out",
        )),
        _ => Ok(()),
    }
}

/// `[verify]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifySection {
    /// The files of the mailbox keys. Read again on SIGHUP.
    pub mailboxes: Vec<PathBuf>,
    /// The CPSs that the mailboxes are at. Default: `store.cps`.
    #[serde(default)]
    pub cps: Vec<ServiceAddress>,
    /// The file of used PASSporTs, made if missing. Gateways that follow the same mailboxes
    /// share one, or a PASSporT is good once for each.
    pub used: PathBuf,
    /// Whose word on a number counts when the certificate has an SPC. Default: any.
    #[serde(default)]
    pub spc: SpcTrust,
    /// How long a call waits for a PASSporT that is late. Default: 250ms.
    #[serde(default = "wait", with = "humantime_serde")]
    pub wait: Duration,
    /// The answer leaves after this time at the latest. Longer than `wait`. Default: 300ms.
    #[serde(default = "deadline", with = "humantime_serde")]
    pub deadline: Duration,
    /// Whether a call with a bad Identity is Failed although a good PASSporT came out of
    /// band. Default: false.
    #[serde(default)]
    pub strict_in_band: bool,
    /// `[verify.follow]`: the rhythm at which mailboxes are followed.
    #[serde(default)]
    pub follow: FollowerConfig,
}

fn wait() -> Duration {
    VerifyConfig::default().wait
}

fn deadline() -> Duration {
    VerifyConfig::default().deadline
}

/// Whether a certificate for an SPC is good for a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpcTrust {
    /// An SPC may vouch for any number, as in SHAKEN.
    #[default]
    Any,
    /// `trust.numbering` says for which.
    Table,
    /// For none: only certificates that name the number count.
    None,
}

impl VerifySection {
    /// What the engine goes by.
    #[must_use]
    pub fn engine(&self) -> VerifyConfig {
        VerifyConfig {
            wait: self.wait,
            deadline: self.deadline,
            strict_in_band: self.strict_in_band,
            follow: self.follow.clone(),
        }
    }

    /// The CPSs that the mailboxes are at.
    #[must_use]
    pub fn cps(&self, store: Option<&StoreSection>) -> Vec<ServiceAddress> {
        match (self.cps.is_empty(), store) {
            (true, Some(store)) => store.cps.iter().cloned().collect(),
            _ => self.cps.clone(),
        }
    }

    pub(super) fn check(&self, store: Option<&StoreSection>) -> Result<(), ConfigurationError> {
        if self.mailboxes.is_empty() {
            return Err(ConfigurationError::refused(
                "verify.mailboxes",
                "there is no mailbox to look for PASSporTs in",
                "name the file of a mailbox key, which `pennyblack mailbox create` makes",
            ));
        }
        if self.deadline <= self.wait {
            return Err(ConfigurationError::refused(
                "verify.deadline",
                "the answer would leave before verify.wait has ended",
                "set more than verify.wait",
            ));
        }
        check_time(
            "verify.deadline",
            self.deadline,
            MIN_DEADLINE..=MAX_DEADLINE,
        )?;
        if let Err(error) = self.follow.check() {
            return Err(ConfigurationError::refused(
                "verify.follow",
                error.to_string(),
                "set it to what the message says, or leave it out",
            ));
        }
        let sensible_wait = self.engine().sensible_wait();
        if !self.wait.is_zero() && self.wait < sensible_wait {
            let sensible_ms = sensible_wait.as_millis();
            tracing::warn!(
                sensible_ms,
                "verify.wait is shorter than two requests at verify.follow.every take: some calls will not find a PASSporT that is stored as they arrive; set verify.wait longer or ask more often"
            );
        }
        if self.cps(store).is_empty() {
            return Err(ConfigurationError::refused(
                "verify.cps",
                "no CPS is named, and there is no store.cps",
                "name the CPSs at which the mailboxes are",
            ));
        }
        Ok(())
    }
}

/// `[trust]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustSection {
    /// Root certificates in PEM or DER: a file, or a directory. Read again each minute and on
    /// SIGHUP.
    pub roots: PathBuf,
    /// Revocation lists: a file, or a directory. Without them nothing counts as revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_lists: Option<PathBuf>,
    /// A directory of certificates, named like the last part of their `x5u`. What is in it is
    /// not fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<PathBuf>,
    /// The hosts that certificates are fetched from. Default: none.
    #[serde(default)]
    pub certificate_hosts: Vec<Authority>,
    /// A numbering table: CSV of SPC, first number, count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbering: Option<PathBuf>,
}
