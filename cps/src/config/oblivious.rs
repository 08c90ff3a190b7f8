//! `[oblivious]`: the CPS as an oblivious gateway.

use std::path::PathBuf;
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_evidence::oblivious_keys::SHORTEST_VALIDITY;
use pennyblack_ohttp::key_ratchet::{Epochs, OfferedKem};
use pennyblack_ohttp::size_class::ResponseClass;
use pennyblack_runtime::config::{ConfigurationError, Limits};
use pennyblack_service::known_clients::{KnownClients, SpkiDigest};
use serde::{Deserialize, Serialize};

use super::IssuerConfig;
use crate::challenges::longest_challenges;

/// Shorter, and readers of the log refuse its keys.
const SHORTEST_EPOCH: Duration = SHORTEST_VALIDITY;
/// Longer, and a stolen seed would open a year of recordings.
const LONGEST_EPOCH: Duration = Duration::from_secs(90 * 86_400);

/// Most relays that are known: they may have half of all places together.
const MOST_RELAYS: usize = 16;
/// Most bytes of a relay's name.
const LONGEST_NAME: usize = 64;

/// The class of answers that clients ask for with a store.
const STORES: ResponseClass = ResponseClass::Kib9;
/// Bytes that a refused store has beside its challenges: status, fields, problem document.
const BESIDE_CHALLENGES: usize = 1_024;

/// `[oblivious]`. Where the section is, even empty, the CPS is a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObliviousConfig {
    /// The file with the secret that the keys of this and later epochs are derived from.
    /// Default: `oblivious-seed` in the data directory. Made when it is missing, but not
    /// with `[store]`, where every node needs a copy of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<PathBuf>,
    /// The KEMs that are offered, the preferred one first. Default: x25519.
    pub kems: Vec<OfferedKem>,
    /// How long each key is offered. Default: 7days.
    #[serde(with = "humantime_serde")]
    pub epoch: Duration,
    /// Whether stores and look-ups are refused that come without a relay. Default: false.
    pub relays_only: bool,
    /// `[[oblivious.relay]]`: relays that this CPS knows. Default: none; any relay may ask.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relay: Vec<RelayConfig>,
}

/// `[[oblivious.relay]]`: a relay whose connections last and have room for more at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    /// By which metrics name it.
    pub name: String,
    /// SHA-256 of the SubjectPublicKeyInfo of its TLS client certificate, in hexadecimal.
    pub spki: RelayKey,
}

const NOT_A_KEY: &str = "spki is the SHA-256 of a public key, 64 hexadecimal digits: \
     docs/operating.md says how to get it";

/// A relay's key as the configuration has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelayKey(pub SpkiDigest);

impl TryFrom<String> for RelayKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let mut digest = [0; 32];
        let decoded = hex::decode_to_slice(text, &mut digest);
        decoded.map_err(|_| NOT_A_KEY)?;
        Ok(Self(SpkiDigest(digest)))
    }
}

impl From<RelayKey> for String {
    fn from(RelayKey(SpkiDigest(digest)): RelayKey) -> Self {
        hex::encode(digest)
    }
}

impl Default for ObliviousConfig {
    fn default() -> Self {
        Self {
            seed: None,
            kems: vec![OfferedKem::X25519],
            epoch: Epochs::DEFAULT.length(),
            relays_only: false,
            relay: Vec::new(),
        }
    }
}

impl ObliviousConfig {
    pub(super) fn check(&self) -> Result<(), ConfigurationError> {
        let mut seen = self.kems.clone();
        seen.sort_unstable();
        seen.dedup();
        if self.kems.is_empty() || seen.len() != self.kems.len() {
            return Err(ConfigurationError::refused(
                "oblivious.kems",
                "each KEM stands there at most once, and one at least",
                "set [\"x25519\"], or [\"x25519\", \"x-wing\"]",
            ));
        }
        if !(SHORTEST_EPOCH..=LONGEST_EPOCH).contains(&self.epoch) {
            return Err(ConfigurationError::refused(
                "oblivious.epoch",
                "a key is offered for 4 hours to 90 days",
                "leave it out (7days)",
            ));
        }
        self.check_relays()?;
        self.epochs().map(drop)
    }

    fn check_relays(&self) -> Result<(), ConfigurationError> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        for (place, relay) in self.relay.iter().enumerate() {
            let RelayConfig { name, spki } = relay;
            if !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(is_part) {
                return Err(ConfigurationError::refused(
                    "oblivious.relay.name",
                    format!("{name:?} is not a name of 1 to {LONGEST_NAME} letters and digits"),
                    "use letters, digits, and - . _",
                ));
            }
            let mut before = self.relay.iter().take(place);
            if before.any(|other| other.name == *name || other.spki == *spki) {
                return Err(ConfigurationError::refused(
                    "oblivious.relay",
                    format!("{name}, or its spki, stands there twice"),
                    "keep one of the two",
                ));
            }
        }
        if self.relay.len() > MOST_RELAYS {
            return Err(ConfigurationError::refused(
                "oblivious.relay",
                format!("{} relays: at most {MOST_RELAYS}", self.relay.len()),
                "leave some out: relays that are not named are served, too",
            ));
        }
        Ok(())
    }

    /// The relays as the listener knows them.
    pub(super) fn known_clients(&self, limits: &Limits) -> KnownClients {
        let relays = self.relay.iter();
        let relays = relays.map(|relay| (relay.name.as_str(), relay.spki.0));
        KnownClients::new(relays, limits)
    }

    /// A store without a good token is answered with a challenge of each issuer. Too many, and
    /// that answer would be of a longer class than one that is granted, which a relay sees.
    pub(super) fn check_challenges(
        cps: &Authority,
        issuers: &[IssuerConfig],
    ) -> Result<(), ConfigurationError> {
        /// With the lengths of name and value in front of each (RFC 9292).
        const NAME: usize = "www-authenticate".len() + 4;
        let sizes = issuers
            .iter()
            .flat_map(|issuer| longest_challenges(&issuer.authority, issuer.tokens, cps))
            .map(|challenge| NAME + challenge.len());
        let (bytes, max) = (sizes.sum::<usize>(), STORES.size() - BESIDE_CHALLENGES);
        if bytes <= max {
            return Ok(());
        }
        Err(ConfigurationError::refused(
            "issuer",
            format!(
                "the challenges of {} issuers have {bytes} bytes, and with [oblivious] at most \
                 {max} fit an answer to a store: a relay would tell by its length which stores \
                 are refused",
                issuers.len()
            ),
            "leave out some issuers, or [oblivious]",
        ))
    }

    /// The lengths of epochs as the keys have them.
    pub(crate) fn epochs(&self) -> Result<Epochs, ConfigurationError> {
        Epochs::new(self.epoch).map_err(|error| {
            ConfigurationError::refused(
                "oblivious.epoch",
                error.to_string(),
                "leave it out (7days)",
            )
        })
    }
}
