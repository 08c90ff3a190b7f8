//! The revocation lists in force, and whether they tell of a certificate. Once lists are
//! configured, a certificate that no current list tells of is refused: its revocation may
//! be what is missing. Not here: reading a list (`revocation`).

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::anchors::{AnchorId, TrustAnchors};
use super::certificate::Certificate;
use super::certificate_key::CertificateKey;
use super::chain_error::ChainError;
use super::list_identity::ListIdentity;
use super::revocation::RevocationList;
use super::revocation_error::RevocationError;
use pennyblack_base::time::UnixTime;

/// Every list that is configured, verified.
#[derive(Debug, Clone, Default)]
pub struct RevocationLists {
    lists: Vec<Arc<RevocationList>>,
    /// Lists that were in force and are not here.
    missing: Vec<ListIdentity>,
    /// The lists whose signers no list revokes, found once the lists are together.
    relied_upon: OnceLock<Vec<Arc<RevocationList>>>,
}

/// Who issued a certificate, besides the name that stands in it.
pub(super) struct Issuer<'a> {
    /// The digest of the key that signed the certificate.
    pub(super) key: String,
    /// The anchor of its path.
    pub(super) anchor: &'a AnchorId,
}

impl RevocationLists {
    /// No list. By these nothing can be told of any certificate.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds the lists of a file, as [`RevocationList::verify_file`] reads them. Returns why
    /// others have not been added.
    pub fn add_file(
        &mut self,
        file: &[u8],
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> Vec<RevocationError> {
        let mut refused = Vec::new();
        for verdict in RevocationList::verify_file(file, anchors, now) {
            match verdict {
                Ok(list) => self.add(list),
                Err(error) => refused.push(error),
            }
        }
        refused
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
        let list = RevocationList::verify(list, certificates, anchors, now)?;
        self.add(Arc::new(list));
        Ok(())
    }

    /// Adds a list in place of older ones with its identity. Beside a newer one it
    /// counts for nothing; two that claim to be equally new both count.
    pub fn add(&mut self, list: Arc<RevocationList>) {
        let same = |other: &Arc<RevocationList>| other.identity() == list.identity();
        let mut others = self.lists.iter();
        if others.any(|other| same(other) && list.is_followed_by(other)) {
            return;
        }
        self.lists
            .retain(|other| !same(other) || other.age() >= list.age());
        self.lists.push(list);
        self.relied_upon = OnceLock::new();
    }

    /// Remembers that a list was in force that is not here: of the certificates that it
    /// covers nothing can be told, whatever other lists say.
    pub fn expect(&mut self, missing: ListIdentity) {
        self.missing.push(missing);
    }

    /// The lists in force.
    #[must_use]
    pub fn lists(&self) -> &[Arc<RevocationList>] {
        &self.lists
    }

    /// The lists in force whose signers no list revokes: the key of one that is revoked may
    /// be in hands that leave entries out. Found when it is asked first, which takes a look
    /// into each list for each signer.
    #[must_use]
    pub fn relied_upon(&self) -> &[Arc<RevocationList>] {
        self.relied_upon.get_or_init(|| {
            let mut judged = HashMap::new();
            let mut is_revoked = |signer: &CertificateKey| {
                let revoked = judged.entry(*signer);
                *revoked.or_insert_with(|| self.revokes(signer))
            };
            let lists = self.lists.iter();
            let lists = lists.filter(|list| !list.signers().iter().any(&mut is_revoked));
            lists.cloned().collect()
        })
    }

    /// True when a certificate is on any list, a list that is out of date included.
    pub(super) fn is_revoked(&self, certificate: &Certificate) -> bool {
        self.revokes(&CertificateKey::of(certificate))
    }

    /// Until when the lists tell of a certificate that `issuer` issued: the latest time
    /// at which a list that covers it is due.
    ///
    /// # Errors
    /// [`ChainError::NoRevocationList`] or [`ChainError::StaleRevocation`].
    pub(super) fn told_until(
        &self,
        certificate: &Certificate,
        issuer: &Issuer<'_>,
        now: UnixTime,
    ) -> Result<UnixTime, ChainError> {
        let untold = || ChainError::NoRevocationList {
            subject: certificate.subject_text().to_owned(),
            authority: certificate.issuer_text().to_owned(),
        };
        if self.missing.iter().any(|list| list.covers(certificate)) {
            return Err(untold());
        }
        let lists = self.relied_upon().iter();
        let covering: Vec<_> = lists
            .filter(|list| list.identity().covers(certificate) && is_of(list, issuer))
            .collect();
        // Authorities that changed their key may go on with a list for the old key's
        // certificates: where there is one, the new key's list does not tell of them.
        let by_issuer = |list: &RevocationList| list.identity().is_signed_with(&issuer.key);
        let has_own = covering.iter().any(|list| by_issuer(list));
        let telling = covering
            .iter()
            .filter(|list| !has_own || by_issuer(list) || list.identity().is_indirect());
        // The part of an indirect list that is due first may be the one that would tell.
        let due = |list: &RevocationList| {
            let parts = covering.iter();
            let parts = parts.filter(|part| list.identity().is_part_with(part.identity()));
            let dues = parts.map(|part| part.next_update());
            dues.fold(list.next_update(), UnixTime::min)
        };
        let due = telling.map(|list| due(list)).max();
        let next_update = due.ok_or_else(untold)?;
        if now > next_update {
            return Err(ChainError::StaleRevocation { next_update, now });
        }
        Ok(next_update)
    }

    /// How many entries the lists have.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lists.iter().map(|list| list.len()).sum()
    }

    /// True when no certificate is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.iter().all(|list| list.is_empty())
    }

    fn revokes(&self, certificate: &CertificateKey) -> bool {
        self.lists.iter().any(|list| list.revokes(certificate))
    }
}

/// An indirect list serves all authorities. Another one is its own authority's if the same
/// key signs, or if both are vouched for by one anchor (RFC 5280 section 6.3.3 (f)):
/// authorities below different anchors may have one name.
fn is_of(list: &RevocationList, issuer: &Issuer<'_>) -> bool {
    let identity = list.identity();
    identity.is_indirect() || identity.is_signed_with(&issuer.key) || list.anchor() == issuer.anchor
}
