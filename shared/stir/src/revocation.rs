//! A certificate revocation list (RFC 5280 section 5), the indirect kind included:
//! SHAKEN's policy administrator publishes one list for all authorities. A list is
//! verified when it is loaded; looking a certificate up is then one hash. Not here: which
//! lists a certificate needs (`revocation_lists`).

use std::collections::HashSet;
use std::sync::Arc;

use x509_parser::prelude::{CertificateRevocationList, FromDer as _};

use super::anchors::{AnchorId, TrustAnchors};
use super::certificate::{Certificate, unix_time};
use super::certificate_file::CertificateFile;
use super::certificate_key::CertificateKey;
use super::list_identity::{ListAge, ListIdentity, ListScope};
use super::name::Name;
use super::path::{check_common, verify_path};
use super::revocation_entries::revoked_in;
use super::revocation_error::{MAX_LIST_SIZE, RevocationError};
use super::signature::Signed;
use super::trust_error::TrustError;
use pennyblack_base::clock_tolerance;
use pennyblack_base::encoding;
use pennyblack_base::time::UnixTime;

/// Most lists in one file, and most certificates of their signers.
const MAX_LISTS_OF_FILE: usize = 16;
const MAX_CERTIFICATES_OF_FILE: usize = 64;

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

impl RevocationList {
    /// Reads and verifies the lists of a file: each by itself, or why not. Certificates in
    /// the same file are those of the lists' issuers, as far as they are not anchors
    /// themselves; one that cannot be read is reported, and signs nothing.
    #[must_use]
    pub fn verify_file(
        file: &[u8],
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> Vec<Result<Arc<Self>, RevocationError>> {
        let CertificateFile {
            certificates,
            lists,
            refused,
        } = CertificateFile::read(file);
        for (what, count, max) in [
            ("revocation lists", lists.len(), MAX_LISTS_OF_FILE),
            ("certificates", certificates.len(), MAX_CERTIFICATES_OF_FILE),
        ] {
            if count > max {
                return vec![Err(TrustError::TooMany { what, max }.into())];
            }
        }
        let mut verdicts: Vec<_> = refused.into_iter().map(|error| Err(error.into())).collect();
        let mut signers = Vec::new();
        for read in parse_each(&certificates) {
            match read {
                Ok(signer) => signers.push(signer),
                Err(error) => verdicts.push(Err(error)),
            }
        }
        for list in &lists {
            let verified = Self::verify_parsed(list, &signers, anchors, now);
            verdicts.push(verified.map(Arc::new));
        }
        if verdicts.is_empty() {
            verdicts.push(Err(RevocationError::NoList));
        }
        verdicts
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
        let certificates: Vec<_> = parse_each(certificates).collect::<Result<_, _>>()?;
        Self::verify_parsed(list, &certificates, anchors, now)
    }

    fn verify_parsed(
        list: &[u8],
        certificates: &[Certificate],
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
        if this_update > now.plus(clock_tolerance::CERTIFICATE) {
            return Err(RevocationError::FromTheFuture { this_update, now });
        }
        let next_update = read.next_update().ok_or(RevocationError::NoNextUpdate)?;
        let scope = ListScope::of(&read).map_err(RevocationError::UnknownExtension)?;
        let issuer = Name::of(read.issuer())?;
        let candidates = Candidates {
            certificates,
            anchors,
            is_indirect: scope.is_indirect(),
            now,
        };
        let signer = candidates.signer_of(&read, &issuer)?;
        let revoked = revoked_in(&read, &issuer, scope.is_indirect())?;
        Ok(Self {
            identity: ListIdentity::new(issuer, signer.key, scope),
            issuer_text: read.issuer().to_string(),
            age: ListAge::of(&read, this_update),
            next_update: unix_time(next_update),
            revoked,
            signers: signer.path,
            anchor: signer.anchor,
            // What it says: the same may be signed anew.
            digest: encoding::sha256(read.tbs_cert_list.as_ref()),
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

    /// SHA-256 over what it says, signature apart.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// True when `other` is the same authority's, of the same key and scope, and newer, or
    /// says all that this one says. No other key's list takes a list's place: an authority
    /// below a root could certify another key in any name.
    #[must_use]
    pub fn is_followed_by(&self, other: &Self) -> bool {
        other.identity == self.identity && (other.age > self.age || other.digest == self.digest)
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

/// Those who may have signed a list.
struct Candidates<'a> {
    /// What came with the list.
    certificates: &'a [Certificate],
    anchors: &'a TrustAnchors,
    is_indirect: bool,
    now: UnixTime,
}

impl Candidates<'_> {
    fn signer_of(
        &self,
        list: &CertificateRevocationList<'_>,
        issuer: &Name,
    ) -> Result<Signer, RevocationError> {
        let signed = Signed {
            message: list.tbs_cert_list.as_ref().into(),
            algorithm: list.signature_algorithm.algorithm.to_id_string(),
            signature: list.signature_value.data.as_ref().into(),
        };
        let mut refusal = RevocationError::UnknownIssuer;
        let candidates = self.anchors.iter().map(|c| (c, true));
        let candidates = candidates.chain(self.certificates.iter().map(|c| (c, false)));
        for (signer, is_anchor) in candidates.filter(|(c, _)| c.subject == *issuer) {
            let checked = self.check(signer, is_anchor);
            match checked.and_then(|found| Ok(signed.verify(&signer.key).map(|()| found)?)) {
                Ok(found) => return Ok(found),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// A root's certificate need not say what its key is for; any other's must.
    fn check(&self, signer: &Certificate, is_anchor: bool) -> Result<Signer, RevocationError> {
        if !signer.key_usage.map_or(is_anchor, |usage| usage.crl_sign) {
            return Err(RevocationError::KeyUsage(signer.subject_text().to_owned()));
        }
        check_common(signer, self.now).map_err(RevocationError::Issuer)?;
        let path = if is_anchor {
            vec![signer]
        } else {
            let path = verify_path(signer, self.certificates, self.anchors, self.now);
            path.map_err(RevocationError::Issuer)?
        };
        let (anchor, below) = path.split_last().ok_or(RevocationError::UnknownIssuer)?;
        let carrier = below.iter().find(|c| c.tn_auth_list().is_some());
        if let Some(carrier) = carrier.filter(|_| self.is_indirect) {
            let name = carrier.subject_text().to_owned();
            return Err(RevocationError::CarrierSigner(name));
        }
        Ok(Signer {
            key: signer.key.digest(),
            path: below.iter().map(|c| CertificateKey::of(c)).collect(),
            anchor: AnchorId::of(anchor),
        })
    }
}

fn parse_each<D: AsRef<[u8]>>(
    certificates: &[D],
) -> impl Iterator<Item = Result<Certificate, RevocationError>> {
    certificates.iter().enumerate().map(|(index, der)| {
        Certificate::parse(der.as_ref())
            .map_err(|error| RevocationError::Certificate { index, error })
    })
}
