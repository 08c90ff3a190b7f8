//! The trunks of the configuration with what their files hold, and which of them a request
//! belongs to. Not here: what a trunk means for a call (`pennyblack_engine`).

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use pennyblack_client::identity::{IdentityError, StirIdentity};
use pennyblack_engine::{SigningIdentity, Trunk};
use pennyblack_runtime::reload::{FromFiles, Reload};
use pennyblack_service::findings::Findings;
use pennyblack_service::start_error::StartContext as _;
use pennyblack_stir::jws::{X5u, X5uError};
use pennyblack_stir::telephone_number::{TelephoneNumber, TelephoneNumberError};
use pennyblack_storage::limited_file;

use crate::access::api_keys::KeyName;
use crate::config::TrunkSection;

/// Most bytes of a file of calling numbers.
const MAX_NUMBERS_FILE: usize = 64 * 1024 * 1024;

/// Why a trunk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrunkError {
    /// Certificate or key.
    #[error("trunk {trunk}: {source}")]
    Identity {
        /// Which trunk.
        trunk: String,
        /// What is wrong.
        source: IdentityError,
    },
    /// `x5u`.
    #[error("trunk {trunk}: x5u: {source}")]
    X5u {
        /// Which trunk.
        trunk: String,
        /// What is wrong.
        source: X5uError,
    },
    /// The file of calling numbers cannot be read.
    #[error("trunk {trunk}: orig_numbers {}: {source}", path.display())]
    File {
        /// Which trunk.
        trunk: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of it is no number.
    #[error("trunk {trunk}: orig_numbers {}, line {line}: {source}", path.display())]
    Number {
        /// Which trunk.
        trunk: String,
        /// The file.
        path: PathBuf,
        /// Which line, the first is 1.
        line: usize,
        /// What is wrong.
        source: TelephoneNumberError,
    },
}

/// One trunk, and the requests that belong to it.
#[derive(Debug)]
pub struct KnownTrunk {
    addresses: Vec<IpNet>,
    api_keys: Vec<String>,
    /// The agreement under which its calls are signed.
    pub agreement: Option<String>,
    /// What holds for its calls.
    pub trunk: Trunk,
}

/// All of them, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Trunks(Vec<Arc<KnownTrunk>>);

impl Trunks {
    /// Reads what the files of `sections` hold; nothing if one of them cannot be used. Waits
    /// for the disk.
    pub(crate) fn read(
        sections: &[TrunkSection],
        identities: &Identities,
        findings: &mut Findings,
    ) -> Option<Self> {
        let mut known = Vec::new();
        for section in sections {
            let trunk = findings.keep(trunk(section, identities).context("[[trunk]]"));
            known.push(trunk.map(|trunk| {
                Arc::new(KnownTrunk {
                    addresses: section.addresses.clone(),
                    api_keys: section.api_keys.clone(),
                    agreement: section.agreement.clone(),
                    trunk,
                })
            }));
        }
        known.into_iter().collect::<Option<_>>().map(Self)
    }

    /// The first trunk that a request from `address` with the API key `key` belongs to.
    #[must_use]
    pub fn of(&self, address: IpAddr, key: Option<&KeyName>) -> Option<&Arc<KnownTrunk>> {
        self.0.iter().find(|known| known.has(address, key))
    }

    /// What holds for the calls of each.
    pub fn iter(&self) -> impl Iterator<Item = &Trunk> {
        self.0.iter().map(|known| &known.trunk)
    }
}

impl KnownTrunk {
    fn has(&self, address: IpAddr, key: Option<&KeyName>) -> bool {
        let is_here = self.addresses.is_empty()
            || self
                .addresses
                .iter()
                .any(|network| network.contains(&address));
        let is_named = |key: &KeyName| self.api_keys.iter().any(|name| name == key.as_str());
        is_here && (self.api_keys.is_empty() || key.is_some_and(is_named))
    }
}

/// The certificates and keys of trunks, each opened once however often the configuration is
/// read again.
#[derive(Debug)]
pub struct Identities {
    reload: Reload,
    opened: Mutex<Vec<(IdentityFiles, Arc<FromFiles<StirIdentity>>)>>,
}

/// Certificate, key, and the subject that they act for.
type IdentityFiles = (PathBuf, PathBuf, Option<String>);

impl Identities {
    /// None yet. Those that are opened are read again by `reload`.
    #[must_use]
    pub const fn new(reload: Reload) -> Self {
        Self {
            reload,
            opened: Mutex::new(Vec::new()),
        }
    }

    /// What reads them again.
    pub(crate) const fn reload(&self) -> &Reload {
        &self.reload
    }

    fn open(&self, files: IdentityFiles) -> Result<Arc<FromFiles<StirIdentity>>, IdentityError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, identity)) = opened.iter().find(|(known, _)| *known == files) {
            return Ok(Arc::clone(identity));
        }
        let (certificate, key, iss) = &files;
        let identity = StirIdentity::renewed(certificate, key, iss.as_deref())?;
        self.reload.add(Arc::clone(&identity) as Arc<_>);
        opened.push((files, Arc::clone(&identity)));
        Ok(identity)
    }
}

fn trunk(section: &TrunkSection, identities: &Identities) -> Result<Trunk, TrunkError> {
    let name = || section.name.clone();
    let identity = match (&section.certificate, &section.key, &section.x5u) {
        (Some(certificate), Some(key), Some(x5u)) => {
            let x5u: Result<X5u, _> = x5u.parse();
            let x5u = x5u.map_err(|source| TrunkError::X5u {
                trunk: name(),
                source,
            })?;
            let files = (certificate.clone(), key.clone(), section.iss.clone());
            let files = identities.open(files);
            let files = files.map_err(|source| TrunkError::Identity {
                trunk: name(),
                source,
            })?;
            Some(SigningIdentity { files, x5u })
        }
        // `Config::check` has refused one without the others.
        _ => None,
    };
    let numbers = section.orig_numbers.as_deref();
    let numbers = numbers.map(|path| numbers_of(path, &section.name));
    Ok(Trunk {
        name: name(),
        country_code: section.country_code.clone(),
        national_prefix: section.national_prefix.clone(),
        international_prefix: section.international_prefix.clone(),
        orig_from: section.orig_from.iter().copied().map(Into::into).collect(),
        trust_pai: section.trust_pai,
        attest: section.attest.into(),
        never: section.never.clone(),
        orig_numbers: numbers.transpose()?.map(Arc::new),
        identity,
    })
}

/// Numbers with their country codes, one a line; what follows a comma is passed over.
fn numbers_of(path: &Path, trunk: &str) -> Result<HashSet<TelephoneNumber>, TrunkError> {
    let file = limited_file::read(path, MAX_NUMBERS_FILE).map_err(|source| TrunkError::File {
        trunk: trunk.to_owned(),
        path: path.to_owned(),
        source,
    })?;
    let text = String::from_utf8_lossy(&file);
    let lines = (1..).zip(text.lines());
    let fields = lines.map(|(line, text)| (line, text.split(',').next().unwrap_or("").trim()));
    let numbers = fields.filter(|(_, field)| !field.is_empty() && !field.starts_with("//"));
    numbers
        .map(|(line, field)| {
            field.parse().map_err(|source| TrunkError::Number {
                trunk: trunk.to_owned(),
                path: path.to_owned(),
                line,
                source,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
