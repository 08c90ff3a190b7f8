//! The authorities in memory: they make certificates and lists, and remember
//! nothing of what they made. Not here: files (`directory`).

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use rcgen::{CertificateParams, Issuer, KeyPair};

use super::credential::{Credential, Serial};
use super::request::{CaNames, LeafRequest};
use super::revocation_list::{self, ListHeader, RevokedCertificate};
use super::{PkiError, profile};

/// One certificate with its key.
pub(super) struct Signer {
    pub(super) der: Vec<u8>,
    pub(super) key: KeyPair,
}

impl Signer {
    fn issuer(&self) -> Result<Issuer<'static, &KeyPair>, PkiError> {
        issuer(&self.der, &self.key)
    }

    /// DER of the subject's name.
    pub(super) fn name(&self) -> Result<Vec<u8>, PkiError> {
        let (_, certificate) = x509_parser::parse_x509_certificate(&self.der).map_err(damaged)?;
        Ok(certificate.subject().as_raw().to_vec())
    }

    fn key_identifier(&self) -> Result<Vec<u8>, PkiError> {
        Ok(CertificateParams::default().key_identifier(&self.key))
    }
}

/// A root, an intermediate below it, and a CRL signer.
pub struct DevelopmentCa {
    pub(super) root: Signer,
    pub(super) intermediate: Signer,
    pub(super) crl_signer: Signer,
}

impl DevelopmentCa {
    /// Makes new authorities with new keys, valid for ten years from `now`.
    ///
    /// # Errors
    /// [`PkiError`] when the certificate library refuses the names.
    pub fn generate(names: &CaNames, now: UnixTime) -> Result<Self, PkiError> {
        let key = KeyPair::generate()?;
        let certificate = profile::root(names, now)?.self_signed(&key)?;
        let root = Signer {
            der: certificate.der().to_vec(),
            key,
        };
        let intermediate = below(&root, &profile::intermediate(names, now)?)?;
        let crl_signer = below(&root, &profile::crl_signer(names, now)?)?;
        Ok(Self {
            root,
            intermediate,
            crl_signer,
        })
    }

    /// The root, DER.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        &self.root.der
    }

    /// Issues a certificate with a fresh key, signed by the intermediate.
    ///
    /// # Errors
    /// [`PkiError::EmptyTnAuthList`], [`PkiError::Validity`], or what the
    /// certificate library refuses.
    pub fn issue(&self, request: &LeafRequest, now: UnixTime) -> Result<Credential, PkiError> {
        let above = vec![self.intermediate.der.clone()];
        self.issue_below(&self.intermediate.issuer()?, above, request, now)
    }

    /// Issues a delegate certificate signed by `parent` (RFC 9060). That its
    /// numbers lie within the parent's is not checked here: a development PKI
    /// must be able to make certificates that verifiers refuse.
    ///
    /// # Errors
    /// [`PkiError::ParentCannotDelegate`], and those of [`Self::issue`].
    pub fn issue_delegate(
        &self,
        parent: &Credential,
        request: &LeafRequest,
        now: UnixTime,
    ) -> Result<Credential, PkiError> {
        let refused = || PkiError::ParentCannotDelegate(parent.serial.to_string());
        if !parent.may_delegate {
            return Err(refused());
        }
        let der = parent.path.first().ok_or_else(refused)?;
        let issuer = issuer(der, &parent.key)?;
        self.issue_below(&issuer, parent.path.clone(), request, now)
    }

    /// Signs an indirect CRL, DER. `number` must grow with every list.
    ///
    /// # Errors
    /// [`PkiError::Certificate`] when signing fails.
    pub fn revocation_list(
        &self,
        number: u64,
        revoked: &[RevokedCertificate],
        this_update: UnixTime,
        validity: Duration,
    ) -> Result<Vec<u8>, PkiError> {
        let header = ListHeader {
            issuer: &self.crl_signer.name()?,
            key_identifier: &self.crl_signer.key_identifier()?,
            number,
            this_update,
            validity,
        };
        revocation_list::sign(&header, revoked, &self.crl_signer.key)
    }

    fn issue_below(
        &self,
        issuer: &Issuer<'_, &KeyPair>,
        above: Vec<Vec<u8>>,
        request: &LeafRequest,
        now: UnixTime,
    ) -> Result<Credential, PkiError> {
        let serial = Serial::random();
        let params = profile::leaf(request, &serial, &self.crl_signer.name()?, now)?;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, issuer)?;
        let mut path = vec![certificate.der().to_vec()];
        path.extend(above);
        Ok(Credential {
            serial,
            path,
            key,
            may_delegate: request.may_delegate,
        })
    }
}

fn below(above: &Signer, params: &CertificateParams) -> Result<Signer, PkiError> {
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &above.issuer()?)?;
    Ok(Signer {
        der: certificate.der().to_vec(),
        key,
    })
}

fn issuer<'k>(der: &[u8], key: &'k KeyPair) -> Result<Issuer<'static, &'k KeyPair>, PkiError> {
    Ok(Issuer::from_ca_cert_der(&der.to_vec().into(), key)?)
}

fn damaged(error: impl std::fmt::Display) -> PkiError {
    PkiError::Damaged {
        what: "a certificate of this PKI".to_owned(),
        why: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
