//! A development PKI that lives in a directory: authorities, issued
//! credentials, the register and the current CRL.
//!
//! ```text
//! roots/root.pem                      the root: give this directory to services
//! revocation/sti-pa.crl               the current list and its signer, PEM: this one too
//! root.key                            signs the two below
//! intermediate.pem intermediate.key   signs leaves
//! crl-signer.pem crl-signer.key       signs the list
//! register.json                       what was issued and revoked
//! issued/NAME.pem issued/NAME.key     leaf first, then its path; private key
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_storage::atomic_file;
use rcgen::KeyPair;
use zeroize::Zeroizing;

use super::PkiError;
use super::authority::{DevelopmentCa, Signer};
use super::credential::{Credential, certificate_pem, pem_text};
use super::register::{IssuedRecord, Register, RevocationRecord};
use super::request::{CaNames, LeafRequest};
use super::revocation_list::{RevocationReason, RevokedCertificate};

const LONGEST_NAME: usize = 64;
const CRL_FILE: &str = "revocation/sti-pa.crl";

/// An open PKI directory. While it is open no other process changes it.
pub struct PkiDirectory {
    path: PathBuf,
    ca: DevelopmentCa,
    register: Register,
    _lock: File,
}

impl PkiDirectory {
    /// Makes a new PKI with an empty CRL in `path`, which may exist if it is empty of one.
    ///
    /// # Errors
    /// [`PkiError::AlreadyInitialized`], or what the file system says.
    pub fn init(
        path: &Path,
        names: &CaNames,
        crl_validity: Duration,
        now: UnixTime,
    ) -> Result<Self, PkiError> {
        refuse_initialized(path)?;
        for part in ["issued", "roots", "revocation"] {
            let part = path.join(part);
            fs::create_dir_all(&part).map_err(at(&part))?;
        }
        let lock = lock(path)?;
        // Once more: another process may have been first.
        refuse_initialized(path)?;
        let mut directory = Self {
            path: path.to_owned(),
            ca: DevelopmentCa::generate(names, now)?,
            register: Register::default(),
            _lock: lock,
        };
        for (name, signer) in directory.authorities() {
            let key = Zeroizing::new(signer.key.serialize_pem());
            directory.write_private(&format!("{name}.key"), key.as_bytes())?;
            let certificate = certificate_pem(&signer.der);
            directory.write_public(&certificate_file(name), certificate.as_bytes())?;
        }
        // The register comes last: its presence says that the rest is complete.
        directory.publish_revocation_list(crl_validity, now)?;
        Ok(directory)
    }

    /// Opens the PKI in `path`, waiting for another process that has it open.
    ///
    /// # Errors
    /// [`PkiError::NotInitialized`], [`PkiError::Damaged`], or what the file
    /// system says.
    pub fn open(path: &Path) -> Result<Self, PkiError> {
        if !path.join("register.json").exists() {
            return Err(PkiError::NotInitialized(path.to_owned()));
        }
        let lock = lock(path)?;
        let register = path.join("register.json");
        let text = fs::read_to_string(&register).map_err(at(&register))?;
        let register = serde_json::from_str(&text).map_err(|error| PkiError::Damaged {
            what: register.display().to_string(),
            why: error.to_string(),
        })?;
        let ca = DevelopmentCa {
            root: read_signer(path, "root")?,
            intermediate: read_signer(path, "intermediate")?,
            crl_signer: read_signer(path, "crl-signer")?,
        };
        Ok(Self {
            path: path.to_owned(),
            ca,
            register,
            _lock: lock,
        })
    }

    /// What was issued and revoked.
    #[must_use]
    pub const fn register(&self) -> &Register {
        &self.register
    }

    /// The directory of roots, for services and verifiers.
    #[must_use]
    pub fn roots_path(&self) -> PathBuf {
        self.path.join("roots")
    }

    /// The directory of revocation lists, for services and verifiers.
    #[must_use]
    pub fn revocation_path(&self) -> PathBuf {
        self.path.join("revocation")
    }

    /// The certificate file of the credential called `name`.
    #[must_use]
    pub fn certificate_path(&self, name: &str) -> PathBuf {
        self.path.join(format!("issued/{name}.pem"))
    }

    /// The key file of the credential called `name`.
    #[must_use]
    pub fn key_path(&self, name: &str) -> PathBuf {
        self.path.join(format!("issued/{name}.key"))
    }

    /// Issues a certificate called `name`, below the intermediate or below the
    /// delegating certificate called `parent`, and writes its files.
    ///
    /// # Errors
    /// [`PkiError::Name`], [`PkiError::NameTaken`], [`PkiError::UnknownName`]
    /// for the parent, or what making and writing it says.
    pub fn issue(
        &mut self,
        name: &str,
        request: &LeafRequest,
        parent: Option<&str>,
        now: UnixTime,
    ) -> Result<Credential, PkiError> {
        check_name(name)?;
        if self.register.find(name).is_some() {
            return Err(PkiError::NameTaken(name.to_owned()));
        }
        let credential = match parent {
            None => self.ca.issue(request, now)?,
            Some(parent) => {
                let above = self.credential(parent)?;
                if !above.may_delegate {
                    return Err(PkiError::ParentCannotDelegate(parent.to_owned()));
                }
                self.ca.issue_delegate(&above, request, now)?
            }
        };
        self.write_private(
            &format!("issued/{name}.key"),
            credential.key_pem().as_bytes(),
        )?;
        self.write_public(
            &format!("issued/{name}.pem"),
            credential.path_pem().as_bytes(),
        )?;
        self.register.issued.push(IssuedRecord {
            name: name.to_owned(),
            serial: credential.serial.clone(),
            holds: request.holds.clone(),
            not_after: now.plus(request.validity),
            parent: parent.map(str::to_owned),
            revoked: None,
        });
        self.write_register()?;
        Ok(credential)
    }

    /// The credential called `name`, from its files.
    ///
    /// # Errors
    /// [`PkiError::UnknownName`], [`PkiError::Damaged`], or what the file
    /// system says.
    pub fn credential(&self, name: &str) -> Result<Credential, PkiError> {
        if self.register.find(name).is_none() {
            return Err(PkiError::UnknownName(name.to_owned()));
        }
        let (certificate, key) = (self.certificate_path(name), self.key_path(name));
        let path_pem = fs::read_to_string(&certificate).map_err(at(&certificate))?;
        let key_pem = fs::read_to_string(&key).map_err(at(&key))?;
        Credential::from_pem(&certificate.display().to_string(), &path_pem, &key_pem)
    }

    /// Revokes the certificate called `name` and publishes a new CRL. A second
    /// revocation changes nothing but the list's age.
    ///
    /// # Errors
    /// [`PkiError::UnknownName`], or what signing and writing say.
    pub fn revoke(
        &mut self,
        name: &str,
        reason: RevocationReason,
        crl_validity: Duration,
        now: UnixTime,
    ) -> Result<(), PkiError> {
        let record = self
            .register
            .issued
            .iter_mut()
            .find(|record| record.name == name)
            .ok_or_else(|| PkiError::UnknownName(name.to_owned()))?;
        record
            .revoked
            .get_or_insert(RevocationRecord { at: now, reason });
        self.publish_revocation_list(crl_validity, now)
    }

    /// Signs a new CRL with everything that is revoked and still valid, and
    /// replaces the files of the last one.
    ///
    /// # Errors
    /// What signing and writing say.
    pub fn publish_revocation_list(
        &mut self,
        validity: Duration,
        now: UnixTime,
    ) -> Result<(), PkiError> {
        self.register.crl_number += 1;
        let revoked = self.revoked(now)?;
        let list = self
            .ca
            .revocation_list(self.register.crl_number, &revoked, now, validity)?;
        let signer = certificate_pem(&self.ca.crl_signer.der);
        let file = pem_text("X509 CRL", &list) + &signer;
        self.write_public(CRL_FILE, file.as_bytes())?;
        self.write_register()
    }

    /// Expired certificates leave the list (RFC 5280 section 3.3).
    fn revoked(&self, now: UnixTime) -> Result<Vec<RevokedCertificate>, PkiError> {
        let mut revoked = Vec::new();
        for record in &self.register.issued {
            let Some(revocation) = record.revoked else {
                continue;
            };
            if record.not_after < now {
                continue;
            }
            let issuer = match &record.parent {
                None => self.ca.intermediate.name()?,
                Some(parent) => self.credential(parent)?.subject()?,
            };
            revoked.push(RevokedCertificate {
                serial: record.serial.clone(),
                issuer,
                at: revocation.at,
                reason: revocation.reason,
            });
        }
        Ok(revoked)
    }

    fn authorities(&self) -> [(&'static str, &Signer); 3] {
        [
            ("root", &self.ca.root),
            ("intermediate", &self.ca.intermediate),
            ("crl-signer", &self.ca.crl_signer),
        ]
    }

    fn write_register(&self) -> Result<(), PkiError> {
        let text =
            serde_json::to_string_pretty(&self.register).map_err(|error| PkiError::Damaged {
                what: "the register".to_owned(),
                why: error.to_string(),
            })?;
        self.write_public("register.json", text.as_bytes())
    }

    fn write_private(&self, name: &str, bytes: &[u8]) -> Result<(), PkiError> {
        let path = self.path.join(name);
        atomic_file::write_private(&path, bytes).map_err(at(&path))
    }

    fn write_public(&self, name: &str, bytes: &[u8]) -> Result<(), PkiError> {
        let path = self.path.join(name);
        atomic_file::write_public(&path, bytes).map_err(at(&path))
    }
}

/// Anchors lie apart, since services are given a directory of nothing else.
fn certificate_file(authority: &str) -> String {
    match authority {
        "root" => "roots/root.pem".to_owned(),
        other => format!("{other}.pem"),
    }
}

fn refuse_initialized(path: &Path) -> Result<(), PkiError> {
    if path.join("register.json").exists() {
        return Err(PkiError::AlreadyInitialized(path.to_owned()));
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, PkiError> {
    let path = path.join(".lock");
    let file = File::create(&path).map_err(at(&path))?;
    file.lock().map_err(at(&path))?;
    Ok(file)
}

fn read_signer(path: &Path, name: &str) -> Result<Signer, PkiError> {
    let certificate = path.join(certificate_file(name));
    let text = fs::read(&certificate).map_err(at(&certificate))?;
    let (_, block) =
        x509_parser::pem::parse_x509_pem(&text).map_err(|error| PkiError::Damaged {
            what: certificate.display().to_string(),
            why: error.to_string(),
        })?;
    let key = path.join(format!("{name}.key"));
    let text = fs::read_to_string(&key).map_err(at(&key))?;
    Ok(Signer {
        der: block.contents,
        key: KeyPair::from_pem(&text)?,
    })
}

/// A name becomes part of a path, so it holds nothing that leads elsewhere.
fn check_name(name: &str) -> Result<(), PkiError> {
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    let all_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if starts_well && all_plain && name.len() <= LONGEST_NAME {
        Ok(())
    } else {
        Err(PkiError::Name(name.to_owned()))
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> PkiError + use<> {
    let path = path.to_owned();
    |source| PkiError::File { path, source }
}
