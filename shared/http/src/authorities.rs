//! CAs in files, of which some are read again while a program runs. Not here: when they are
//! read again (`pennyblack_runtime::reload`), and whom they vouch for.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pennyblack_base::pem;
use pennyblack_runtime::reload::{FromFiles, Reload};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::HttpError;

/// Certificates in DER.
pub(super) type Authorities = Vec<Vec<u8>>;

/// The CAs of a file, as they were read last. Clones share it.
#[derive(Debug, Clone)]
pub struct RenewedAuthorities(Arc<FromFiles<Authorities>>);

impl RenewedAuthorities {
    /// Reads `file`, which `reload` reads again. `what` is its configuration key.
    ///
    /// # Errors
    /// [`HttpError::CaFile`]. A later reading that fails keeps what was read before.
    pub fn open(what: &'static str, file: PathBuf, reload: &Reload) -> Result<Self, HttpError> {
        let files = FromFiles::open(what, move || {
            let authorities = read_authorities(&file)?;
            let usable = only(authorities.clone());
            usable.map_err(|error| unusable(&file, error.to_string()))?;
            Ok::<_, HttpError>(authorities)
        })?;
        reload.add(Arc::clone(&files) as Arc<_>);
        Ok(Self(files))
    }

    /// As `reload` does.
    #[cfg(test)]
    pub(super) fn reread(&self) {
        use pennyblack_runtime::reload::Reread as _;
        self.0.reread();
    }

    pub(super) fn current(&self) -> Arc<Authorities> {
        self.0.current()
    }
}

impl PartialEq for RenewedAuthorities {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for RenewedAuthorities {}

pub(super) fn unusable(path: &Path, why: String) -> HttpError {
    HttpError::CaFile {
        path: path.to_owned(),
        why,
    }
}

/// In PEM or, one of them, in DER. What cannot be read is not passed over: a service would
/// be of an unknown CA without anybody knowing why.
pub(super) fn read_authorities(path: &Path) -> Result<Vec<Vec<u8>>, HttpError> {
    let refused = |why: String| unusable(path, why);
    let file = fs::read(path).map_err(|error| refused(error.to_string()))?;
    pem::certificates(&file).map_err(|error| refused(error.to_string()))
}

pub(super) fn only(ders: Vec<Vec<u8>>) -> Result<RootCertStore, HttpError> {
    let mut roots = RootCertStore::empty();
    for der in ders {
        let added = roots.add(CertificateDer::from(der));
        added.map_err(HttpError::Tls)?;
    }
    Ok(roots)
}
