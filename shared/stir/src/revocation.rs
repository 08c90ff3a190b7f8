//! A certificate revocation list (RFC 5280 section 5), the indirect kind included:
//! SHAKEN's policy administrator publishes one list for all authorities. A list is
//! verified when it is loaded; looking a certificate up is then one hash. Not here: which
//! lists a certificate needs (`revocation_lists`).

use std::collections::HashSet;
use std::sync::Arc;

use x509_parser::prelude::{CertificateRevocationList, FromDer as _, RevokedCertificate};
use x509_parser::x509::X509Name;

use super::anchors::{AnchorId, TrustAnchors, TrustError, blocks_from_pem, certificates_from_pem};
use super::certificate::{Certificate, CertificateError, unix_time};
use super::chain_error::ChainError;
use super::der::{DerError, DerReader, tag};
use super::list_identity::{ListAge, ListIdentity, ListScope};
use super::name::{Name, NameError};
use super::path::verify_path;
use super::signature::{SignatureError, Signed};
use pennyblack_base::encoding;
use pennyblack_base::time::UnixTime;

/// Largest list that is read, in bytes.
pub const MAX_LIST_SIZE: usize = 16 * 1024 * 1024;

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
    /// The name of its issuer is more than any honest one.
    #[error("the revocation list's issuer: {0}")]
    Name(#[from] NameError),
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
    /// An extension that is critical, or limits the list, and is not understood: the list
    /// is one of changes, of some reasons, or of attribute certificates, only.
    #[error("the revocation list's extension {0} is not understood: fetch the complete list")]
    UnknownExtension(String),
    /// An entry names a foreign issuer in a list that is not indirect, or does
    /// not name it readably.
    #[error("a revoked entry's certificateIssuer cannot be used: {0}")]
    EntryIssuer(String),
}

/// One list, verified: only [`Self::verify`] makes one.
#[derive(Debug)]
pub struct RevocationList {
    identity: ListIdentity,
    issuer_text: String,
    age: ListAge,
    next_update: UnixTime,
    revoked: HashSet<CertificateKey>,
    /// The certificates by which the signer is believed, without the anchor.
    signers: Vec<CertificateKey>,
    anchor: AnchorId,
    digest: [u8; 32],
}

/// Which certificate: SHA-256 over the issuer's name and the serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CertificateKey([u8; 32]);

impl CertificateKey {
    pub(super) fn of(certificate: &Certificate) -> Self {
        Self::new(&certificate.issuer, &certificate.serial)
    }

    /// Serial numbers are integers: zeros before one change nothing.
    fn new(issuer: &Name, serial: &[u8]) -> Self {
        let zeros = serial.iter().take_while(|byte| **byte == 0).count();
        let serial = serial.get(zeros..).unwrap_or_default();
        let name = issuer.as_bytes();
        let length = (name.len() as u64).to_be_bytes();
        Self(encoding::sha256(&[&length, name, serial].concat()))
    }
}

impl RevocationList {
    /// Reads and verifies the lists of a PEM file, of which there is at least one.
    /// Certificates in the same file are those of the lists' issuers, as far as they are
    /// not anchors themselves.
    ///
    /// # Errors
    /// [`RevocationError`], if anything is wrong with one of them.
    pub fn verify_pem(
        pem: &[u8],
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> Result<Vec<Arc<Self>>, RevocationError> {
        let lists = blocks_from_pem(pem, "X509 CRL")?;
        let certificates = certificates_from_pem(pem)?;
        if lists.is_empty() {
            return Err(RevocationError::NoList);
        }
        let verified = lists.iter().map(|list| {
            let list = Self::verify(list, &certificates, anchors, now)?;
            Ok(Arc::new(list))
        });
        verified.collect()
    }

    /// Reads and verifies one list in DER, with the certificates of its issuer.
    ///
    /// # Errors
    /// [`RevocationError`].
    pub fn verify<D: AsRef<[u8]>>(
        list: &[u8],
        certificates: &[D],
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> Result<Self, RevocationError> {
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
        let scope = ListScope::of(&read).map_err(RevocationError::UnknownExtension)?;
        let issuer = Name::of(read.issuer())?;
        let signer = verify_signature(&read, &issuer, certificates, anchors, now)?;
        let revoked = entries(&read, &issuer, scope.is_indirect())?;
        Ok(Self {
            identity: ListIdentity::new(issuer, signer.key, scope),
            issuer_text: read.issuer().to_string(),
            age: ListAge::of(&read, this_update),
            next_update: unix_time(next_update),
            revoked,
            signers: signer.path,
            anchor: signer.anchor,
            digest: encoding::sha256(list),
        })
    }

    /// Which list it is.
    #[must_use]
    pub const fn identity(&self) -> &ListIdentity {
        &self.identity
    }

    /// The issuer's name as text, for messages.
    #[must_use]
    pub fn issuer_text(&self) -> &str {
        &self.issuer_text
    }

    /// How old it is.
    #[must_use]
    pub const fn age(&self) -> &ListAge {
        &self.age
    }

    /// When the next one is due.
    #[must_use]
    pub const fn next_update(&self) -> UnixTime {
        self.next_update
    }

    /// Through which anchor its signer is believed.
    #[must_use]
    pub const fn anchor(&self) -> &AnchorId {
        &self.anchor
    }

    /// True when this list belongs to the series of the list with that identity and
    /// anchor: the same issuer's, of the same scope. Another key may have signed it, if the
    /// same anchor vouches for it: authorities below different ones may have one name.
    #[must_use]
    pub fn is_of_the_series(&self, identity: &ListIdentity, anchor: &AnchorId) -> bool {
        self.identity == *identity
            || self.identity.is_of_the_series(identity) && self.anchor == *anchor
    }

    /// True when `other` is of this list's series and newer, or says all that this one
    /// says.
    #[must_use]
    pub fn is_followed_by(&self, other: &Self) -> bool {
        other.is_of_the_series(&self.identity, &self.anchor)
            && (other.age > self.age || other.digest == self.digest)
    }

    /// How many certificates it revokes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.revoked.len()
    }

    /// True when it revokes no certificate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty()
    }

    pub(super) fn revokes(&self, certificate: &CertificateKey) -> bool {
        self.revoked.contains(certificate)
    }

    pub(super) fn signers(&self) -> &[CertificateKey] {
        &self.signers
    }
}

/// Who signed a list.
struct Signer {
    key: String,
    path: Vec<CertificateKey>,
    anchor: AnchorId,
}

fn verify_signature<D: AsRef<[u8]>>(
    list: &CertificateRevocationList<'_>,
    issuer: &Name,
    certificates: &[D],
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<Signer, RevocationError> {
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
    for (signer, is_anchor) in candidates.filter(|(c, _)| c.subject == *issuer) {
        let checked = check_signer(signer, is_anchor, &certificates, anchors, now);
        match checked.and_then(|found| Ok(signed.verify(&signer.key).map(|()| found)?)) {
            Ok(found) => return Ok(found),
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
) -> Result<Signer, RevocationError> {
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
    let path = if is_anchor {
        vec![signer]
    } else {
        verify_path(signer, certificates, anchors, now).map_err(RevocationError::Issuer)?
    };
    let (anchor, below) = path.split_last().ok_or(RevocationError::UnknownIssuer)?;
    Ok(Signer {
        key: signer.key.digest(),
        path: below.iter().map(|c| CertificateKey::of(c)).collect(),
        anchor: AnchorId::of(anchor),
    })
}

/// All revoked certificates. In an indirect list an entry's issuer holds for those after
/// it too, until another is named (RFC 5280 section 5.3.3).
fn entries(
    list: &CertificateRevocationList<'_>,
    issuer: &Name,
    indirect: bool,
) -> Result<HashSet<CertificateKey>, RevocationError> {
    let mut current = issuer.clone();
    // Most entries name the issuer of the one before, in the same bytes.
    let mut named: Option<&[u8]> = None;
    let mut revoked = HashSet::new();
    for entry in list.iter_revoked_certificates() {
        let der = entry_issuer(entry)?;
        if let Some(der) = der.filter(|der| named != Some(*der)) {
            current = read_name(der)?;
            named = Some(der);
            if !indirect && current != *issuer {
                let what = "the list is not an indirect one".to_owned();
                return Err(RevocationError::EntryIssuer(what));
            }
        }
        revoked.insert(CertificateKey::new(&current, entry.raw_serial()));
    }
    Ok(revoked)
}

/// The name of an entry's issuer in DER, if it has its own.
fn entry_issuer<'a>(
    entry: &'a RevokedCertificate<'_>,
) -> Result<Option<&'a [u8]>, RevocationError> {
    let mut issuer = None;
    for extension in entry.extensions() {
        let oid = extension.oid.to_id_string();
        if oid == CERTIFICATE_ISSUER_OID {
            let name = directory_name(extension.value)
                .map_err(|error| RevocationError::EntryIssuer(error.to_string()))?;
            issuer = Some(name);
        } else if extension.critical {
            return Err(RevocationError::UnknownExtension(oid));
        }
    }
    Ok(issuer)
}

/// The name in GeneralNames that hold exactly one directory name.
fn directory_name(der: &[u8]) -> Result<&[u8], DerError> {
    let mut reader = DerReader::new(der);
    let mut names = reader.inside(tag::SEQUENCE)?;
    reader.finish()?;
    let name = names.element(DIRECTORY_NAME)?;
    names.finish()?;
    Ok(name)
}

fn read_name(der: &[u8]) -> Result<Name, RevocationError> {
    let (rest, name) =
        X509Name::from_der(der).map_err(|error| RevocationError::EntryIssuer(error.to_string()))?;
    if rest.is_empty() {
        return Name::of(&name).map_err(|error| RevocationError::EntryIssuer(error.to_string()));
    }
    let what = format!("{} bytes follow the name", rest.len());
    Err(RevocationError::EntryIssuer(what))
}
