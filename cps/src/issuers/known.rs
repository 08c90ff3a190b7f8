//! What is known of one issuer when a CPS starts: its keys and its log as they were
//! remembered, and how it is asked. Nothing is changed here.

use std::io;
use std::path::{Path, PathBuf};

use pennyblack_base::authority::Authority;
use pennyblack_http::HttpError;
use pennyblack_storage::limited_file;

use super::epochs::KeyEpochs;
use super::fetch::Fetcher;
use super::key_log::KeyLog;
use crate::config::IssuerConfig;

/// An issuer that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerMaintenanceError {
    /// What is known of it cannot be read.
    #[error("{}: {why}: restore the file; without it the CPS would trust any key that the issuer shows next", path.display())]
    Known {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The HTTP client for it.
    #[error("the issuer {authority} cannot be asked: {error}: check issuer.tls_roots")]
    Client {
        /// The issuer.
        authority: Authority,
        /// What is wrong.
        error: HttpError,
    },
}

/// An issuer as it is known.
#[derive(Debug)]
pub(crate) struct KnownIssuer {
    /// Where its keys are remembered.
    pub(super) file: PathBuf,
    pub(super) epochs: KeyEpochs,
    pub(super) key_log: KeyLog,
    pub(super) fetcher: Fetcher,
}

impl KnownIssuer {
    /// Reads what `directory` remembers of it.
    ///
    /// # Errors
    /// [`IssuerMaintenanceError`].
    pub(crate) fn read(
        config: &IssuerConfig,
        directory: &Path,
    ) -> Result<Self, IssuerMaintenanceError> {
        let authority = config.authority.clone();
        let file = directory.join(format!("{authority}.json"));
        let known = |why: String| IssuerMaintenanceError::Known {
            path: file.clone(),
            why,
        };
        let epochs = match limited_file::read(&file, KeyEpochs::MAX_JSON_SIZE) {
            Ok(json) => KeyEpochs::from_json(&json).map_err(known)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => KeyEpochs::default(),
            Err(error) => return Err(known(error.to_string())),
        };
        let remembered = directory.join(format!("{authority}.log.json"));
        let key_log = KeyLog::open(authority.clone(), config.log_policy(), remembered.clone());
        let key_log = key_log.map_err(|error| IssuerMaintenanceError::Known {
            path: remembered,
            why: error.to_string(),
        })?;
        let fetcher = Fetcher::new(config.url(), config.tls_roots.clone());
        let fetcher =
            fetcher.map_err(|error| IssuerMaintenanceError::Client { authority, error })?;
        Ok(Self {
            file,
            epochs,
            key_log,
            fetcher,
        })
    }
}
