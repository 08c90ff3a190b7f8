//! The roots that an operator configures. Not here: the forms of their files
//! (`certificate_file`).

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use super::certificate_file::CertificateFile;
use super::trust_error::TrustError;
use pennyblack_base::encoding;

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

/// Whether it is surely no root: it speaks for somebody, and may not sign certificates.
fn is_leaf(certificate: &Certificate) -> bool {
    let is_authority = certificate.basic_constraints.is_some_and(|basic| basic.ca);
    certificate.tn_auth_list().is_some() && !is_authority
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
            let parsed = Certificate::parse(der.as_ref());
            parsed.map_err(|error| TrustError::Anchor {
                place: index + 1,
                error,
            })
        });
        Ok(Self {
            anchors: anchors.collect::<Result<_, _>>()?,
        })
    }

    /// The roots of a file in DER, and what in the file is none: each root counts by
    /// itself, and one that cannot be read stops no other.
    #[must_use]
    pub fn of_file(file: &[u8]) -> (Vec<Vec<u8>>, Vec<TrustError>) {
        let read = CertificateFile::read(file);
        let mut refused = read.refused;
        if !read.lists.is_empty() {
            refused.push(TrustError::ListAmongCertificates);
        }
        let mut roots = Vec::new();
        for (index, der) in read.certificates.into_iter().enumerate() {
            match Certificate::parse(&der) {
                Ok(leaf) if is_leaf(&leaf) => refused.push(TrustError::NotAuthority {
                    place: index + 1,
                    subject: leaf.subject_text().to_owned(),
                }),
                Ok(_) => roots.push(der),
                Err(error) => refused.push(TrustError::Anchor {
                    place: index + 1,
                    error,
                }),
            }
        }
        if roots.is_empty() && refused.is_empty() {
            refused.push(TrustError::NoCertificate);
        }
        (roots, refused)
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
