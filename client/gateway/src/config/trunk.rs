//! `[[trunk]]`: a switch, by which requests it is known, how it writes numbers, and what its
//! calls are signed with.

use std::collections::HashSet;
use std::path::PathBuf;

use ipnet::IpNet;
use pennyblack_engine::{AttestPolicy, OrigSource};
use pennyblack_passport::Attestation;
use pennyblack_runtime::config::ConfigurationError;
use pennyblack_stir::jws::X5u;
use serde::{Deserialize, Serialize};

/// `[[trunk]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkSection {
    /// Its name, in log lines and metrics.
    pub name: String,
    /// The networks that its requests come from. Default: any.
    #[serde(default)]
    pub addresses: Vec<IpNet>,
    /// The names of its API keys. Default: any.
    #[serde(default)]
    pub api_keys: Vec<String>,
    /// The country code of national numbers. Without it they are refused, not guessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country_code: Option<String>,
    /// What stands before national numbers, such as `0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub national_prefix: Option<String>,
    /// What stands before international ones, such as `00` or `011`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub international_prefix: Option<String>,
    /// Which header fields of SIP name the caller. Default: pai, then from.
    #[serde(default = "orig_from")]
    pub orig_from: Vec<OrigFrom>,
    /// Whether its `P-Asserted-Identity` is believed. Default: true.
    #[serde(default = "yes")]
    pub trust_pai: bool,
    /// The attestation level of calls that are signed here. Default: request.
    #[serde(default)]
    pub attest: Attest,
    /// Dialled numbers that are passed over, besides emergency numbers and short codes.
    #[serde(default)]
    pub never: Vec<String>,
    /// File of the STIR certificate with its path. Without it, calls that come without an
    /// Identity are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// PEM file of its key, mode 0600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Where verifiers fetch the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x5u: Option<String>,
    /// The SPC or number that the certificate acts for. Default: its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// File of the calling numbers that may have attestation level A, one a line. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orig_numbers: Option<PathBuf>,
    /// The agreement under which a third party signs, for the lines of `[calls]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<String>,
}

fn orig_from() -> Vec<OrigFrom> {
    vec![OrigFrom::Pai, OrigFrom::From]
}

const fn yes() -> bool {
    true
}

/// A header field that names the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrigFrom {
    /// `P-Asserted-Identity`.
    Pai,
    /// `From`.
    From,
}

impl From<OrigFrom> for OrigSource {
    fn from(from: OrigFrom) -> Self {
        match from {
            OrigFrom::Pai => Self::AssertedIdentity,
            OrigFrom::From => Self::From,
        }
    }
}

/// Who says how well the caller is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attest {
    /// Always A.
    A,
    /// Always B.
    B,
    /// Always C.
    C,
    /// The request; C if it does not say.
    #[default]
    #[serde(rename = "request")]
    Request,
}

impl From<Attest> for AttestPolicy {
    fn from(attest: Attest) -> Self {
        match attest {
            Attest::A => Self::Always(Attestation::Full),
            Attest::B => Self::Always(Attestation::Partial),
            Attest::C => Self::Always(Attestation::Gateway),
            Attest::Request => Self::default(),
        }
    }
}

/// Checks all of them together.
pub(super) fn check(trunks: &[TrunkSection], has_keys: bool) -> Result<(), ConfigurationError> {
    if trunks.is_empty() {
        return Err(ConfigurationError::refused(
            "trunk",
            "no switch may ask",
            "add [[trunk]] with a name; without addresses and api_keys it is for all requests",
        ));
    }
    let mut names = HashSet::new();
    for trunk in trunks {
        if trunk.name.is_empty() || !names.insert(trunk.name.as_str()) {
            return Err(ConfigurationError::refused(
                "trunk.name",
                format!("{:?} is empty, or names two trunks", trunk.name),
                "give each trunk a name of its own",
            ));
        }
        trunk.check(has_keys)?;
    }
    Ok(())
}

impl TrunkSection {
    fn check(&self, has_keys: bool) -> Result<(), ConfigurationError> {
        let refused = |key: &str, reason: &str, advice: &str| {
            let reason = format!("of trunk {:?}: {reason}", self.name);
            Err(ConfigurationError::refused(key, reason, advice))
        };
        if !self.api_keys.is_empty() && !has_keys {
            return refused(
                "trunk.api_keys",
                "no request is asked for a key",
                "set http.api_keys to the file of API keys, or leave trunk.api_keys out",
            );
        }
        let digits = [
            ("trunk.country_code", &self.country_code),
            ("trunk.national_prefix", &self.national_prefix),
            ("trunk.international_prefix", &self.international_prefix),
        ];
        for (key, value) in digits {
            let is_digits = |text: &String| {
                (1..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
            };
            if value.as_ref().is_some_and(|text| !is_digits(text)) {
                return refused(
                    key,
                    "it must be 1 to 6 digits",
                    "write digits only, without +",
                );
            }
        }
        match (&self.certificate, &self.key, &self.x5u) {
            (None, None, None) => Ok(()),
            (Some(_), Some(_), Some(x5u)) => match x5u.parse::<X5u>() {
                Ok(_) => Ok(()),
                Err(error) => refused("trunk.x5u", &error.to_string(), "write an https:// URL"),
            },
            _ => refused(
                "trunk.certificate",
                "certificate, key and x5u belong together, and one of them is missing",
                "set all three, or none",
            ),
        }
    }
}
