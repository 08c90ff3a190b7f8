//! Certificate revocation lists (RFC 5280 section 5), the indirect kind
//! included: SHAKEN's policy administrator publishes one list for all
//! authorities. Lists are verified when they are loaded; looking a certificate
//! up is then one hash.

use std::collections::HashSet;
use std::time::Duration;

use x509_parser::prelude::{
    CertificateRevocationList, FromDer as _, ParsedExtension, RevokedCertificate, X509Extension,
};

use super::anchors::{TrustAnchors, TrustError, blocks_from_pem, certificates_from_pem};
use super::certificate::{Certificate, CertificateError, unix_time};
use super::chain_error::ChainError;
use super::der::{DerError, DerReader, tag};
use super::path::verify_path;
use super::signature::{SignatureError, Signed};
use pennyblack_base::encoding;
use pennyblack_base::time::UnixTime;

/// Largest list that is read, in bytes.
pub const MAX_LIST_SIZE: usize = 16 * 1024 * 1024;

const ISSUING_DISTRIBUTION_POINT_OID: &str = "2.5.29.28";
const CERTIFICATE_ISSUER_OID: &str = "2.5.29.29";
/// `[4]` of GeneralName: a directory name.
const DIRECTORY_NAME: u8 = tag::explicit(4);

/// A list that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// Larger than is read.
    #[error("a revocation list has at most {MAX_LIST_SIZE} bytes, not {0}")]
    TooLarge(usize),
    /// Not a list in DER.
    #[error("not a certificate revocation list in DER: {0}")]
    Form(String),
    /// The file holds no list.
    #[error("no X509 CRL block in the file")]
    NoList,
    /// The file is not PEM.
    #[error("{0}")]
    Pem(#[from] TrustError),
    /// The list says not until when it holds (RFC 5280 section 5.1.2.5).
    #[error("the revocation list has no nextUpdate")]
    NoNextUpdate,
    /// The list is of the future.
    #[error("the revocation list is of {this_update}, and it is {now}")]
    FromTheFuture {
        /// When it was made.
        this_update: UnixTime,
        /// The present.
        now: UnixTime,
    },
    /// A certificate that came with the list.
    #[error("the issuer's certificate {index}: {error}")]
    Certificate {
        /// Its place, from 0.
        index: usize,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// Nobody known signed the list.
    #[error(
        "the revocation list's issuer is neither a trust anchor nor among the certificates \
         that came with it: put its certificates into the same PEM file"
    )]
    UnknownIssuer,
    /// The signer is not to be believed.
    #[error("the revocation list's issuer: {0}")]
    Issuer(ChainError),
    /// The signer may not sign lists.
    #[error("{0}: key usage does not include cRLSign")]
    KeyUsage(String),
    /// The list's signature.
    #[error("the revocation list: {0}")]
    Signature(#[from] SignatureError),
    /// A critical extension that is not understood, or a list of some reasons,
    /// or of attribute certificates, only.
    #[error("the revocation list's critical extension {0} is not understood")]
    UnknownCritical(String),
    /// An entry names a foreign issuer in a list that is not indirect, or does
    /// not name it readably.
    #[error("a revoked entry's certificateIssuer cannot be used: {0}")]
    EntryIssuer(String),
}

/// Every list that is configured, verified.
#[derive(Debug, Clone, Default)]
pub struct RevocationLists {
    /// SHA-256 over the issuer's name and the serial number.
    revoked: HashSet<[u8; 32]>,
    next_updates: Vec<UnixTime>,
}

impl RevocationLists {
    /// No list; nothing is revoked.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds the lists of a PEM file. Certificates in the same file are those of
    /// the lists' issuers, as far as they are not anchors themselves.
    ///
    /// # Errors
    /// [`RevocationError`]; nothing has been added then.
    pub fn add_pem(
        &mut self,
        pem: &[u8],
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> Result<(), RevocationError> {
        let lists = blocks_from_pem(pem, "X509 CRL")?;
        let certificates = certificates_from_pem(pem)?;
        if lists.is_empty() {
            return Err(RevocationError::NoList);
        }
        let mut added = self.clone();
        for list in lists {
            added.add_der(&list, &certificates, anchors, now)?;
        }
        *self = added;
        Ok(())
    }

    /// Adds one list in DER, with the certificates of its issuer.
    ///
    /// # Errors
    /// [`RevocationError`]; nothing has been added then.
    pub fn add_der<D: AsRef<[u8]>>(
        &mut self,
        list: &[u8],
        certificates: &[D],
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> Result<(), RevocationError> {
        if list.len() > MAX_LIST_SIZE {
            return Err(RevocationError::TooLarge(list.len()));
        }
        let (rest, read) = CertificateRevocationList::from_der(list)
            .map_err(|error| RevocationError::Form(error.to_string()))?;
        if !rest.is_empty() {
            let what = format!("{} bytes follow it", rest.len());
            return Err(RevocationError::Form(what));
        }
        let this_update = unix_time(read.last_update());
        if this_update > now {
            return Err(RevocationError::FromTheFuture { this_update, now });
        }
        let next_update = read.next_update().ok_or(RevocationError::NoNextUpdate)?;
        let indirect = scope(read.extensions())?;
        verify_signature(&read, certificates, anchors, now)?;
        let revoked = entries(&read, indirect)?;
        self.revoked.extend(revoked);
        self.next_updates.push(unix_time(next_update));
        Ok(())
    }

    /// True when the certificate with this issuer (a Name in DER) and serial
    /// number is on a list.
    #[must_use]
    pub fn is_revoked(&self, issuer: &[u8], serial: &[u8]) -> bool {
        self.revoked.contains(&key(issuer, serial))
    }

    /// When the oldest list was due, if that plus `grace` has passed.
    #[must_use]
    pub fn overdue(&self, now: UnixTime, grace: Duration) -> Option<UnixTime> {
        let oldest = self.next_updates.iter().min().copied();
        oldest.filter(|due| now > due.plus(grace))
    }

    /// How many certificates are revoked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.revoked.len()
    }

    /// True when no certificate is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty()
    }
}

fn key(issuer: &[u8], serial: &[u8]) -> [u8; 32] {
    // A Name is a SEQUENCE with its own length, so the two cannot run together.
    encoding::sha256(&[issuer, serial].concat())
}

/// Reads the list's extensions; true when it is indirect.
fn scope(extensions: &[X509Extension<'_>]) -> Result<bool, RevocationError> {
    let mut indirect = false;
    for extension in extensions {
        let oid = extension.oid.to_id_string();
        match extension.parsed_extension() {
            ParsedExtension::IssuingDistributionPoint(point)
                if point.only_some_reasons.is_none() && !point.only_contains_attribute_certs =>
            {
                indirect = point.indirect_crl;
            }
            ParsedExtension::AuthorityKeyIdentifier(_) | ParsedExtension::CRLNumber(_) => {}
            // Unreadable, it might have been the one that makes the list indirect.
            _ if extension.critical || oid == ISSUING_DISTRIBUTION_POINT_OID => {
                return Err(RevocationError::UnknownCritical(oid));
            }
            _ => {}
        }
    }
    Ok(indirect)
}

fn verify_signature<D: AsRef<[u8]>>(
    list: &CertificateRevocationList<'_>,
    certificates: &[D],
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<(), RevocationError> {
    let read = certificates.iter().enumerate().map(|(index, der)| {
        Certificate::parse(der.as_ref())
            .map_err(|error| RevocationError::Certificate { index, error })
    });
    let certificates: Vec<Certificate> = read.collect::<Result<_, _>>()?;
    let signed = Signed {
        message: list.tbs_cert_list.as_ref().into(),
        algorithm: list.signature_algorithm.algorithm.to_id_string(),
        signature: list.signature_value.data.as_ref().into(),
    };
    let mut refusal = RevocationError::UnknownIssuer;
    let candidates = anchors.iter().map(|c| (c, true));
    let candidates = candidates.chain(certificates.iter().map(|c| (c, false)));
    for (signer, is_anchor) in candidates.filter(|(c, _)| *c.subject == *list.issuer().as_raw()) {
        match check_signer(signer, is_anchor, &certificates, anchors, now)
            .and_then(|()| Ok(signed.verify(&signer.key)?))
        {
            Ok(()) => return Ok(()),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

fn check_signer(
    signer: &Certificate,
    is_anchor: bool,
    certificates: &[Certificate],
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<(), RevocationError> {
    if !signer.key_usage.is_none_or(|usage| usage.crl_sign) {
        return Err(RevocationError::KeyUsage(signer.subject_text().to_owned()));
    }
    let current = now >= signer.not_before() && now <= signer.not_after();
    if !current {
        return Err(RevocationError::Issuer(ChainError::Expired {
            subject: signer.subject_text().to_owned(),
            not_after: signer.not_after(),
            now,
        }));
    }
    if !is_anchor {
        verify_path(signer, certificates, anchors, now).map_err(RevocationError::Issuer)?;
    }
    Ok(())
}

/// The keys of all revoked certificates. In an indirect list an entry's issuer
/// holds for those after it too, until another is named (RFC 5280 section 5.3.3).
fn entries(
    list: &CertificateRevocationList<'_>,
    indirect: bool,
) -> Result<Vec<[u8; 32]>, RevocationError> {
    let mut issuer = list.issuer().as_raw().to_vec();
    let mut revoked = Vec::new();
    for entry in list.iter_revoked_certificates() {
        if let Some(named) = entry_issuer(entry)? {
            if !indirect && named != issuer {
                let what = "the list is not an indirect one".to_owned();
                return Err(RevocationError::EntryIssuer(what));
            }
            issuer = named;
        }
        revoked.push(key(&issuer, entry.raw_serial()));
    }
    Ok(revoked)
}

fn entry_issuer(entry: &RevokedCertificate<'_>) -> Result<Option<Vec<u8>>, RevocationError> {
    let mut issuer = None;
    for extension in entry.extensions() {
        let oid = extension.oid.to_id_string();
        if oid == CERTIFICATE_ISSUER_OID {
            let name = directory_name(extension.value)
                .map_err(|error| RevocationError::EntryIssuer(error.to_string()))?;
            issuer = Some(name);
        } else if extension.critical {
            return Err(RevocationError::UnknownCritical(oid));
        }
    }
    Ok(issuer)
}

/// The Name of GeneralNames that hold exactly one directory name.
fn directory_name(der: &[u8]) -> Result<Vec<u8>, DerError> {
    let mut reader = DerReader::new(der);
    let mut names = reader.inside(tag::SEQUENCE)?;
    reader.finish()?;
    let name = names.element(DIRECTORY_NAME)?;
    names.finish()?;
    let mut whole = DerReader::new(name);
    whole.element(tag::SEQUENCE)?;
    whole.finish()?;
    Ok(name.to_vec())
}
