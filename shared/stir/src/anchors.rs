//! The roots that an operator configures, and reading them from PEM.

use serde::{Deserialize, Serialize};

use super::certificate::{Certificate, CertificateError};
use pennyblack_base::encoding;

/// Anchors that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A root that cannot be read.
    #[error("root {index}: {error}")]
    Anchor {
        /// Its place, from 0.
        index: usize,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// No root at all: nothing could ever be verified.
    #[error("no root: configure at least one root certificate of the STI-PA's list")]
    NoAnchors,
    /// Text that is not PEM.
    #[error("not PEM certificates: {0}")]
    Pem(String),
    /// More in one file than is read.
    #[error("more than {max} PEM blocks {label} in one file: put them into several")]
    TooMany {
        /// Of which.
        label: String,
        /// Most that are read.
        max: usize,
    },
}

/// Which anchor: SHA-256 over its name and key, in hexadecimal. A root whose certificate
/// is renewed remains the same anchor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnchorId(String);

impl AnchorId {
    pub(super) fn of(anchor: &Certificate) -> Self {
        let (name, key) = (anchor.subject.as_bytes(), &anchor.key.bytes);
        let length = (name.len() as u64).to_be_bytes();
        let hash = encoding::sha256(&[&length, name, key].concat());
        Self(hex::encode(hash))
    }
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

    /// True when this anchor is among them.
    #[must_use]
    pub fn contains(&self, anchor: &AnchorId) -> bool {
        self.iter().any(|own| AnchorId::of(own) == *anchor)
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
    blocks_from_pem(pem, "CERTIFICATE", usize::MAX)
}

/// The contents of the PEM blocks with this label, of which there are at most `max`.
pub(super) fn blocks_from_pem(
    pem: &[u8],
    label: &str,
    max: usize,
) -> Result<Vec<Vec<u8>>, TrustError> {
    let mut found = Vec::new();
    for block in x509_parser::pem::Pem::iter_from_buffer(pem) {
        let block = block.map_err(|error| TrustError::Pem(error.to_string()))?;
        if block.label == label {
            if found.len() == max {
                let label = label.to_owned();
                return Err(TrustError::TooMany { label, max });
            }
            found.push(block.contents);
        }
    }
    Ok(found)
}
