//! Whom to believe: the roots that an operator configures, and the revocation
//! lists that go with them.

use std::sync::Arc;
use std::time::Duration;

use super::certificate::{Certificate, CertificateError};
use super::chain_cache::ChainCache;
use super::revocation::RevocationLists;
use pennyblack_base::time::UnixTime;

/// Anchors that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A root that cannot be read.
    #[error("trust anchor {index}: {error}")]
    Anchor {
        /// Its place, from 0.
        index: usize,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// No root at all: nothing could ever be verified.
    #[error("no trust anchor: configure at least one root certificate of the STI-PA's list")]
    NoAnchors,
    /// Text that is not PEM.
    #[error("not PEM certificates: {0}")]
    Pem(String),
}

/// The roots that chains must end in.
#[derive(Debug, Clone)]
pub struct TrustAnchors {
    anchors: Vec<Certificate>,
}

impl TrustAnchors {
    /// Takes roots in DER.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn from_der<D: AsRef<[u8]>>(roots: &[D]) -> Result<Self, TrustError> {
        if roots.is_empty() {
            return Err(TrustError::NoAnchors);
        }
        let anchors = roots.iter().enumerate().map(|(index, der)| {
            Certificate::parse(der.as_ref()).map_err(|error| TrustError::Anchor { index, error })
        });
        Ok(Self {
            anchors: anchors.collect::<Result<_, _>>()?,
        })
    }

    /// Takes the certificates of a PEM file.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        Self::from_der(&certificates_from_pem(pem)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Certificate> {
        self.anchors.iter()
    }
}

/// The certificates of a PEM file in DER, in its order. Other blocks are passed over.
///
/// # Errors
/// [`TrustError::Pem`].
pub fn certificates_from_pem(pem: &[u8]) -> Result<Vec<Vec<u8>>, TrustError> {
    blocks_from_pem(pem, "CERTIFICATE")
}

/// The contents of the PEM blocks with this label.
pub(super) fn blocks_from_pem(pem: &[u8], label: &str) -> Result<Vec<Vec<u8>>, TrustError> {
    let mut found = Vec::new();
    for block in x509_parser::pem::Pem::iter_from_buffer(pem) {
        let block = block.map_err(|error| TrustError::Pem(error.to_string()))?;
        if block.label == label {
            found.push(block.contents);
        }
    }
    Ok(found)
}

/// What a chain is judged by. It remembers the chains that held, for itself and
/// its clones.
#[derive(Debug, Clone)]
pub struct TrustPolicy {
    pub(super) anchors: Arc<TrustAnchors>,
    pub(super) revocation: Option<Arc<RevocationLists>>,
    pub(super) revocation_grace: Duration,
    pub(super) verified: ChainCache,
}

impl TrustPolicy {
    /// These anchors, and no revocation lists.
    #[must_use]
    pub fn new(anchors: Arc<TrustAnchors>) -> Self {
        Self {
            anchors,
            revocation: None,
            revocation_grace: Duration::ZERO,
            verified: ChainCache::default(),
        }
    }

    /// The same with revocation lists. Once there are lists, every chain is
    /// refused when one of them is older than its `nextUpdate` plus `grace`.
    #[must_use]
    pub fn with_revocation(mut self, lists: Arc<RevocationLists>, grace: Duration) -> Self {
        self.revocation = Some(lists);
        self.revocation_grace = grace;
        self.verified = ChainCache::default();
        self
    }

    /// When the oldest revocation list was due, if it is too old to rely on.
    #[must_use]
    pub fn overdue(&self, now: UnixTime) -> Option<UnixTime> {
        let lists = self.revocation.as_ref()?;
        lists.overdue(now, self.revocation_grace)
    }

    /// The anchors.
    #[must_use]
    pub fn anchors(&self) -> &TrustAnchors {
        &self.anchors
    }
}
