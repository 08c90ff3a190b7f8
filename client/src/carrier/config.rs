//! The carrier's configuration. Every key stands, with an explanation and its
//! default, in `client/carrier.example.toml` too, which a test reads.

mod oblivious;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_evidence::key_log_view::{Demand, LogPolicy};
use pennyblack_privacypass::token::TokenScope;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::{Configuration, ConfigurationError, LogConfig};
use pennyblack_tlog::VerifierKey;
use serde::{Deserialize, Serialize};

use super::{Carrier, Class, MAX_BATCH, Schedule};
use crate::identity::{IdentityError, StirIdentity};
use crate::oblivious::{KeyFetcher, KeyTimer, TrustedKeys, check_fetch_every};
use crate::wallet::Wallet;
use pennyblack_http::{HttpOptions, RetryPolicy, ServiceAddress, TrustRoots};

pub use self::oblivious::ObliviousSection;

/// Everything that a carrier is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarrierConfig {
    /// `[carrier]`: the issuer to ask, the identity to ask with, the CPSs to draw for.
    pub carrier: CarrierSection,
    /// `[schedule]`: when to draw, and how much.
    #[serde(default)]
    pub schedule: ScheduleSection,
    /// `[oblivious]`: whose keys for requests through relays are kept in the wallet.
    #[serde(default)]
    pub oblivious: ObliviousSection,
    /// `[http]`.
    #[serde(default)]
    pub http: HttpSection,
    /// `[log]`.
    #[serde(default)]
    pub log: LogConfig,
}

/// `[carrier]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarrierSection {
    /// The issuer's URL, or `authority=URL` if it is known by another name than
    /// it is reached by.
    pub issuer: ServiceAddress,
    /// The authorities of the CPSs that tokens of their own are drawn for. Default: none.
    #[serde(default)]
    pub cps: Vec<Authority>,
    /// Whether federation tokens are drawn: each is good once at every CPS that takes them
    /// of this issuer. Default: false.
    #[serde(default)]
    pub federation: bool,
    /// File of the STIR certificate with its path, in PEM or DER.
    pub certificate: PathBuf,
    /// PEM file of its key, mode 0600.
    pub key: PathBuf,
    /// The SPC or number to draw for. Default: the certificate's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The wallet's file; made (mode 0600) when it is not there.
    pub wallet: PathBuf,
    /// Whether a token key must be in the issuer's log: required, published (if
    /// the issuer has, or ever had, a log) or off. Default: published.
    #[serde(default)]
    pub issuer_log: Demand,
    /// The verifier key of that log, `<name>+<id>+<key>`; with it the log is
    /// required. Default: the first that the issuer shows, and no other from then
    /// on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_log_key: Option<VerifierKey>,
    /// How long a key of the issuer signs, as its operator says: no token is drawn of one
    /// that began longer ago, because a later log may be kept from this carrier. Default:
    /// `schedule.epoch`.
    #[serde(
        default,
        with = "humantime_serde",
        skip_serializing_if = "Option::is_none"
    )]
    pub longest_epoch: Option<Duration>,
}

impl CarrierSection {
    /// What tokens are drawn for.
    #[must_use]
    pub fn scopes(&self) -> Vec<TokenScope> {
        let federation = self.federation.then_some(TokenScope::Federation);
        federation
            .into_iter()
            .chain(self.cps.iter().map(TokenScope::from))
            .collect()
    }
}

/// `[schedule]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleSection {
    /// Tokens of each token key for all CPSs together, drawn whatever is spent: a power of
    /// two. Default: 4096.
    pub class: Class,
    /// Tokens in a batch: a power of two up to 256. Default: 64.
    pub batch: NonZeroUsize,
    /// How long a token key of the issuer signs. Default: 1day.
    #[serde(with = "humantime_serde")]
    pub epoch: Duration,
}

impl Default for ScheduleSection {
    fn default() -> Self {
        Self {
            class: Class::default(),
            batch: NonZeroUsize::MIN.saturating_add(63),
            epoch: Duration::from_secs(86_400),
        }
    }
}

/// `[http]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSection {
    /// PEM file of certification authorities to trust besides the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Proxy to go through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// How long one request may take. Default: 10s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for HttpSection {
    fn default() -> Self {
        Self {
            ca_file: None,
            proxy: None,
            timeout: Duration::from_secs(10),
        }
    }
}

impl CarrierConfig {
    /// The carrier that this describes; reads certificate and key.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn carrier(&self) -> Result<Carrier, IdentityError> {
        let section = &self.carrier;
        let iss = section.iss.as_deref();
        let identity = StirIdentity::load(&section.certificate, &section.key, iss)?;
        Ok(self.carrier_as(identity))
    }

    /// The same with an identity that is at hand.
    #[must_use]
    pub fn carrier_as(&self, identity: StirIdentity) -> Carrier {
        let section = &self.carrier;
        Carrier {
            issuer: section.issuer.clone(),
            identity,
            batch: self.schedule.batch,
            retry: RetryPolicy::SHORT,
            log: self.log_policy(),
        }
    }

    fn log_policy(&self) -> LogPolicy {
        let section = &self.carrier;
        LogPolicy {
            longest_epoch: section.longest_epoch.or(Some(self.schedule.epoch)),
            ..LogPolicy::new(section.issuer_log, section.issuer_log_key.clone())
        }
    }

    /// The schedule that this describes.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        Schedule {
            scopes: self.carrier.scopes(),
            class: self.schedule.class,
            epoch: self.schedule.epoch,
        }
    }

    /// What keeps the keys of `[oblivious]` in the wallet; nothing if it names no CPS.
    ///
    /// # Errors
    /// [`ConfigurationError`] for witnesses that cannot be demanded.
    pub fn key_timer(
        &self,
        wallet: &Wallet,
        clock: &Clock,
    ) -> Result<Option<KeyTimer>, ConfigurationError> {
        let section = &self.oblivious;
        let fetcher = KeyFetcher {
            wallet: wallet.clone(),
            log_keys: section.log_keys.clone(),
            witnesses: section.witness_policy()?,
            retry: RetryPolicy::SHORT,
            keys: TrustedKeys::default(),
        };
        Ok((!section.cps.is_empty()).then(|| KeyTimer {
            fetcher,
            cpss: section.cps.clone(),
            http: self.http(),
            every: section.fetch_every,
            clock: clock.clone(),
        }))
    }

    /// How services are reached.
    #[must_use]
    pub fn http(&self) -> HttpOptions {
        HttpOptions {
            trust_roots: TrustRoots::system_and(self.http.ca_file.clone()),
            proxy: self.http.proxy.clone(),
            timeout: self.http.timeout,
            ..HttpOptions::default()
        }
    }
}

impl Configuration for CarrierConfig {
    const SERVICE: &'static str = "carrier";

    fn check(&self) -> Result<(), ConfigurationError> {
        let scopes = self.carrier.scopes().len() as u64;
        if scopes == 0 {
            return Err(ConfigurationError::refused(
                "carrier.cps",
                "no CPS is named that tokens are drawn for, and no federation tokens are drawn",
                "name at least one, such as [\"cps.example.net\"], or set carrier.federation to true",
            ));
        }
        let ScheduleSection {
            class,
            batch,
            epoch,
        } = &self.schedule;
        if batch.get() > MAX_BATCH || !batch.get().is_power_of_two() {
            return Err(ConfigurationError::refused(
                "schedule.batch",
                "issuers sign at most 256 tokens in one go, and a class is a whole number of batches",
                "set a power of two up to 256",
            ));
        }
        let batches = class.tokens() / batch.get() as u64;
        if batches == 0 {
            return Err(ConfigurationError::refused(
                "schedule.class",
                "it is less than one batch",
                "set at least schedule.batch, or a smaller batch",
            ));
        }
        if batches < scopes {
            return Err(ConfigurationError::refused(
                "schedule.class",
                "it has fewer batches than there are CPSs, so some would never get a token",
                "set at least schedule.batch times the number of carrier.cps (one more with \
                 carrier.federation), or a smaller batch",
            ));
        }
        check_fetch_every(self.oblivious.fetch_every)?;
        self.oblivious.witness_policy()?;
        if epoch.as_secs() < batches {
            return Err(ConfigurationError::refused(
                "schedule.epoch",
                "the issuer would be asked more often than once in a second",
                "set as long as the issuer's token_keys.epoch, or a larger batch",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pennyblack_runtime::config::example::{ExampleKeys, keys_of};
    use pennyblack_runtime::config::{Sources, load};

    use super::*;

    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/carrier.example.toml");

    fn example_with(settings: &[&str]) -> Result<CarrierConfig, ConfigurationError> {
        let settings: Vec<_> = settings.iter().map(|text| (*text).to_owned()).collect();
        load(Sources {
            file: Some(Path::new(EXAMPLE)),
            environment: &[],
            settings: &settings,
        })
    }

    #[test]
    fn the_example_has_the_defaults() {
        let example = example_with(&[]).unwrap();
        assert_eq!(example.schedule, ScheduleSection::default());
        assert_eq!(example.http, HttpSection::default());
        assert_eq!(example.oblivious, ObliviousSection::default());
        assert_eq!(example.carrier.iss.as_deref(), None);
        assert!(!example.carrier.federation);
    }

    #[test]
    fn what_the_example_shows_as_defaults_are_the_defaults() {
        let keys = keys_of::<CarrierConfig>(Path::new(EXAMPLE), &[]).unwrap();
        let without_default = [
            "carrier.iss",
            "carrier.issuer_log_key",
            "carrier.longest_epoch",
            "http.ca_file",
            "http.proxy",
            "oblivious.cps",
            "oblivious.log_keys",
            "oblivious.witnesses",
            "oblivious.witnesses_needed",
        ];
        assert_eq!(keys, ExampleKeys::all_default_but(without_default));
    }

    #[test]
    fn every_key_that_the_example_explains_exists() {
        let text = std::fs::read_to_string(EXAMPLE).unwrap();
        let uncommented = text.replace("#:", "");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("all.toml");
        std::fs::write(&path, uncommented).unwrap();
        let all: CarrierConfig = load(Sources {
            file: Some(&path),
            environment: &[],
            settings: &[],
        })
        .unwrap();
        assert!(all.http.ca_file.is_some() && all.http.proxy.is_some());
        assert_eq!(
            (all.oblivious.cps.len(), all.oblivious.log_keys.len()),
            (1, 1)
        );
        assert_eq!(all.carrier.iss.as_deref(), Some("683G"));
    }

    #[test]
    fn a_key_is_drawn_of_for_an_epoch_of_the_schedule_unless_it_is_said_otherwise() {
        for (settings, hours) in [
            (&[][..], 24),
            (&["schedule.epoch=2h"], 2),
            (&["schedule.epoch=2h", "carrier.longest_epoch=3h"], 3),
        ] {
            let longest = example_with(settings).unwrap().log_policy().longest_epoch;
            assert_eq!(longest, Some(Duration::from_secs(hours * 3_600)));
        }
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let three = "carrier.cps=[\"a.example\", \"b.example\", \"c.example\"]";
        assert!(example_with(&[three, "schedule.class=256"]).is_ok());
        let federation = ["carrier.cps=[]", "carrier.federation=true"];
        assert!(example_with(&federation).is_ok());
        for setting in [
            "carrier.cps=[]",
            "carrier.issuer_log_key=\"issuer.example/log\"",
            "schedule.batch=257",
            "schedule.batch=48",
            "schedule.class=10000",
            "schedule.class=32",
            // 64 tokens a batch, and three CPSs.
            "schedule.class=128",
            "schedule.epoch=63s",
            "oblivious.fetch_every=51min",
            "oblivious.fetch_every=59s",
        ] {
            let (key, _) = setting.split_once('=').unwrap();
            let error = example_with(&[three, setting]).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
