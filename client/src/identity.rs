//! A STIR identity: a certificate with its path, its private key, and the SPC
//! or number it acts for. Carriers attest with it, OOB-ASs sign PASSporTs with
//! it, recipients key records. Not here: judging other parties' certificates.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_passport::MAX_CLOCK_SKEW;
use pennyblack_runtime::reload::FromFiles;
use pennyblack_stir::jws::{
    CertificateReference, HeaderError, SigningKeyError, StirSigningKey, X5c,
};
use pennyblack_stir::telephone_number::TelephoneNumber;
use pennyblack_stir::{
    Certificate, CertificateError, ChainError, MAX_CHAIN_LENGTH, TnAuthList, TnEntry, TrustError,
    TrustPolicy, certificates_of_file, verify_chain,
};
use pennyblack_storage::atomic_file::{self, PrivateFileError};
use pennyblack_storage::limited_file;

use crate::certificates::MAX_FILE_SIZE;
use crate::missing_file;

const FOR_TESTS: &str = "`pennyblack pki issue` makes a certificate with its key for tests";

fn advice_on_key(error: &PrivateFileError) -> String {
    match error {
        PrivateFileError::Io { error, .. } => missing_file::advice(error, FOR_TESTS),
        _ => String::new(),
    }
}

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file could not be read.
    #[error("certificate {}: {source}{}", path.display(), missing_file::advice(source, FOR_TESTS))]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key file could not be read, or others can read it too.
    #[error("key {}{}", .0, advice_on_key(.0))]
    KeyFile(#[from] PrivateFileError),
    /// The certificate file holds no certificates, or cannot be read.
    #[error("certificate {}: {error}", path.display())]
    Pem {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: TrustError,
    },
    /// More certificates in the file than a path has.
    #[error(
        "certificate {} holds {count} certificates, and a path has {MAX_CHAIN_LENGTH} at most: \
         leave in it the certificate and those between it and a root",
        path.display()
    )]
    TooMany {
        /// Which file.
        path: PathBuf,
        /// How many it holds.
        count: usize,
    },
    /// The certificates of the file make no path.
    #[error("certificate {}: {error}", path.display())]
    Path {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: HeaderError,
    },
    /// The leaf cannot be read.
    #[error("certificate {}: {error}", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: CertificateError,
    },
    /// The key file holds no key.
    #[error("key {}: {error}", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: SigningKeyError,
    },
    /// Key and certificate are of two parties.
    #[error(
        "the key {} belongs to no certificate of {}: use the key that the certificate was \
         issued for",
        key.display(), certificate.display()
    )]
    OtherKey {
        /// The key's file.
        key: PathBuf,
        /// The certificate's.
        certificate: PathBuf,
    },
    /// The certificate speaks for nobody.
    #[error("the certificate has no TNAuthList: it is not a STIR certificate (RFC 8226)")]
    NoAuthority,
    /// A certificate of the path had ended, or had not begun.
    #[error(
        "{certificate} is not valid at {now}, only from {from} to {until}: use a new certificate, or set this machine's clock"
    )]
    NotCurrent {
        /// Which of the path.
        certificate: String,
        /// When it begins.
        from: UnixTime,
        /// When it ends.
        until: UnixTime,
        /// The time of this machine.
        now: UnixTime,
    },
    /// A certificate of the path is on a revocation list that is at hand.
    #[error(
        "{0} is revoked, by the revocation lists here: use another certificate, or ask your \
         certification authority why"
    )]
    Revoked(String),
    /// The certificate does not speak for what was asked.
    #[error("the certificate speaks for {certificate}, not for {iss:?}")]
    NotSpokenFor {
        /// The subject that it was to act for.
        iss: String,
        /// The subjects that it can act for.
        certificate: TnAuthList,
    },
}

impl IdentityError {
    /// True when the key's file is wrong; else the certificate's is.
    #[must_use]
    pub const fn is_of_the_key(&self) -> bool {
        matches!(self, Self::KeyFile(_) | Self::Key { .. })
    }
}

/// A certificate, its path and its key.
#[derive(Debug, Clone)]
pub struct StirIdentity {
    certificate: CertificateReference,
    key: StirSigningKey,
    authority: TnAuthList,
    iss: String,
    /// From when to when each certificate of the path is valid, the leaf first.
    validity: Vec<(UnixTime, UnixTime)>,
}

/// The same certificate has the same key: another one is refused.
impl PartialEq for StirIdentity {
    fn eq(&self, other: &Self) -> bool {
        (&self.certificate, &self.iss) == (&other.certificate, &other.iss)
    }
}

impl StirIdentity {
    /// Reads a file with the certificate and its path, PEM or DER, and a PEM file with the
    /// certificate's key. `iss` is the SPC or number to act for; the
    /// first that the certificate has, if none is given.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load(certificate: &Path, key: &Path, iss: Option<&str>) -> Result<Self, IdentityError> {
        let file = limited_file::read(certificate, MAX_FILE_SIZE).map_err(at(certificate))?;
        let path = certificates_of_file(&file).map_err(|error| IdentityError::Pem {
            path: certificate.to_owned(),
            error,
        })?;
        let text = atomic_file::read_private(key)?;
        let text = str::from_utf8(&text).unwrap_or_default();
        let signing_key = StirSigningKey::from_pem(text).map_err(|error| IdentityError::Key {
            path: key.to_owned(),
            error,
        })?;
        Self::from_parts((certificate, key), path, signing_key, iss)
    }

    /// The same, read again when the files are renewed, for the subject that it acts for now.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn renewed(
        certificate: &Path,
        key: &Path,
        iss: Option<&str>,
    ) -> Result<Arc<FromFiles<Self>>, IdentityError> {
        // The first of a new certificate may be another one.
        let iss = Self::load(certificate, key, iss)?.iss;
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        FromFiles::open("identity", move || {
            Self::load(&certificate, &key, Some(&iss))
        })
    }

    fn from_parts(
        (file, key_file): (&Path, &Path),
        mut path: Vec<Vec<u8>>,
        key: StirSigningKey,
        iss: Option<&str>,
    ) -> Result<Self, IdentityError> {
        // Wherever it stands in the file, the leaf is the one whose key this is.
        if let Some(leaf) = path.iter().position(|one| is_key_of(&key, one)) {
            let leaf = path.remove(leaf);
            path.insert(0, leaf);
        }
        let x5c = X5c::new(path).map_err(|error| no_path(file, error))?;
        let leaf = x5c.certificates().first().map_or(&[][..], Vec::as_slice);
        let parsed = Certificate::parse(leaf).map_err(|error| IdentityError::Certificate {
            path: file.to_owned(),
            error,
        })?;
        if !is_key_of(&key, leaf) {
            return Err(IdentityError::OtherKey {
                key: key_file.to_owned(),
                certificate: file.to_owned(),
            });
        }
        let authority = parsed.tn_auth_list().ok_or(IdentityError::NoAuthority)?;
        let iss = choose_iss(authority, iss)?;
        let path = x5c.certificates().iter();
        Ok(Self {
            validity: path.filter_map(|der| validity_of(der)).collect(),
            authority: authority.clone(),
            certificate: CertificateReference::X5c(x5c),
            key,
            iss,
        })
    }

    /// Whether what is signed at `now` can be verified: each certificate of the path is
    /// valid.
    ///
    /// # Errors
    /// [`IdentityError::NotCurrent`], of the first that is not.
    pub fn check_current(&self, now: UnixTime) -> Result<(), IdentityError> {
        let numbered = self.validity.iter().enumerate();
        for (place, &(from, until)) in numbered {
            if now > until || now.plus(MAX_CLOCK_SKEW) < from {
                let certificate = match place {
                    0 => "the certificate".to_owned(),
                    more => format!("certificate {} of the path", more + 1),
                };
                return Err(IdentityError::NotCurrent {
                    certificate,
                    from,
                    until,
                    now,
                });
            }
        }
        Ok(())
    }

    /// Whether a list that others are judged by says that a certificate of the path is revoked:
    /// who has that list refuses what is signed. What else could be wrong with the path is for
    /// others to say, whose roots and lists may be different ones.
    ///
    /// # Errors
    /// [`IdentityError::Revoked`].
    pub fn check_not_revoked(
        &self,
        trust: &TrustPolicy,
        now: UnixTime,
    ) -> Result<(), IdentityError> {
        let CertificateReference::X5c(path) = &self.certificate else {
            return Ok(());
        };
        match verify_chain(path.certificates(), trust, now) {
            Err(ChainError::Revoked(certificate)) => Err(IdentityError::Revoked(certificate)),
            _ => Ok(()),
        }
    }

    /// When the first certificate of the path ends.
    #[must_use]
    pub fn valid_until(&self) -> Option<UnixTime> {
        self.validity.iter().map(|(_, until)| *until).min()
    }

    /// The certificate with its path, as `x5c`.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateReference {
        &self.certificate
    }

    /// The private key.
    #[must_use]
    pub const fn key(&self) -> &StirSigningKey {
        &self.key
    }

    /// Whom the certificate speaks for.
    #[must_use]
    pub const fn authority(&self) -> &TnAuthList {
        &self.authority
    }

    /// The SPC or number it acts for here.
    #[must_use]
    pub fn iss(&self) -> &str {
        &self.iss
    }
}

/// None of what is no certificate: a verifier of its path passes it over, too.
fn validity_of(der: &[u8]) -> Option<(UnixTime, UnixTime)> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let time = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).map(UnixTime);
    let validity = certificate.validity();
    Some((
        time(validity.not_before).ok()?,
        time(validity.not_after).ok()?,
    ))
}

fn is_key_of(key: &StirSigningKey, leaf: &[u8]) -> bool {
    let public = key.public_key_der();
    match x509_parser::parse_x509_certificate(leaf) {
        Ok((_, certificate)) => public.is_ok_and(|public| public == certificate.public_key().raw),
        Err(_) => false,
    }
}

fn choose_iss(authority: &TnAuthList, wanted: Option<&str>) -> Result<String, IdentityError> {
    let Some(wanted) = wanted else {
        return authority
            .entries()
            .first()
            .map(|entry| match entry {
                TnEntry::Spc(spc) => spc.in_upper_case().to_string(),
                TnEntry::Numbers(range) => range.start().to_string(),
            })
            .ok_or(IdentityError::NoAuthority);
    };
    // Draws and records are counted by it, so it has one spelling.
    let mut spcs = authority.spcs();
    if let Some(spc) = spcs.find(|spc| spc.is_spelled(wanted)) {
        return Ok(spc.in_upper_case().into());
    }
    match wanted.parse::<TelephoneNumber>() {
        Ok(number) if authority.covers(&number) => Ok(number.to_string()),
        _ => Err(IdentityError::NotSpokenFor {
            iss: wanted.to_owned(),
            certificate: authority.clone(),
        }),
    }
}

fn no_path(file: &Path, error: HeaderError) -> IdentityError {
    let path = file.to_owned();
    match error {
        HeaderError::CertificateCount(count) if count > MAX_CHAIN_LENGTH => {
            IdentityError::TooMany { path, count }
        }
        error => IdentityError::Path { path, error },
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> IdentityError + use<> {
    let path = path.to_owned();
    |source| IdentityError::File { path, source }
}

#[cfg(test)]
mod tests;
