//! What is wrong with files of certificates and lists, and with the roots in them.

use super::certificate::CertificateError;
use pennyblack_base::pem::PemError;

/// Anchors that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A root that cannot be read.
    #[error("root {place}: {error}")]
    Anchor {
        /// Its place among the roots, from 1.
        place: usize,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// A certificate that vouches for no other.
    #[error(
        "certificate {place}, of {subject}, is not a CA's but one that signs PASSporTs: name the \
         roots above it"
    )]
    NotAuthority {
        /// Its place among those of the file, from 1.
        place: usize,
        /// Whose it is.
        subject: String,
    },
    /// No root at all: nothing could ever be verified.
    #[error("no root: configure at least one root certificate of the STI-PA's list")]
    NoAnchors,
    /// A PEM block that is damaged.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A PEM block that may hold certificates, and is not read.
    #[error(
        "line {line}: a PEM block {label} is not read: turn it into CERTIFICATE or X509 CRL \
         blocks, for example with `openssl x509` or `openssl pkcs7 -print_certs`"
    )]
    Label {
        /// Where it begins.
        line: usize,
        /// What it says that it is.
        label: String,
    },
    /// Neither form.
    #[error("it is neither PEM nor DER: no PEM block begins in it, and it is not one DER element")]
    NeitherPemNorDer,
    /// A revocation list in a place where nobody looks for one.
    #[error("it holds a revocation list, and only certificates are read from it: move the list")]
    ListAmongCertificates,
    /// Only keys and the like.
    #[error("it holds no certificate")]
    NoCertificate,
    /// More in one file than is read.
    #[error("it holds more than {max} {what}: put them into several files")]
    TooMany {
        /// Of which.
        what: &'static str,
        /// Most that are read.
        max: usize,
    },
}
