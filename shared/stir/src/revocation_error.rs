//! Why a revocation list is refused.

use super::certificate::CertificateError;
use super::chain_error::ChainError;
use super::name::NameError;
use super::signature::SignatureError;
use super::trust_error::TrustError;
use pennyblack_base::time::UnixTime;

/// Largest list that is read, in bytes.
pub const MAX_LIST_SIZE: usize = 16 * 1024 * 1024;

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
    #[error("it holds no revocation list (X509 CRL)")]
    NoList,
    /// Something in the file that cannot be read.
    #[error("{0}")]
    File(#[from] TrustError),
    /// The name of its issuer is more than any honest one.
    #[error("the revocation list's issuer: {0}")]
    Name(#[from] NameError),
    /// The list says not until when it holds (RFC 5280 section 5.1.2.5).
    #[error("the revocation list has no nextUpdate")]
    NoNextUpdate,
    /// The list is of the future.
    #[error(
        "the revocation list begins at {this_update}, and it is {now}: set this machine's clock"
    )]
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
        "the revocation list's issuer is neither a root nor among the certificates \
         that came with it: put its certificates into the same PEM file"
    )]
    UnknownIssuer,
    /// The signer is not to be believed.
    #[error("the revocation list's issuer: {0}")]
    Issuer(ChainError),
    /// The signer may not sign lists.
    #[error("{0}: key usage does not include cRLSign")]
    KeyUsage(String),
    /// A carrier, or a certificate that a carrier issued, vouches for everybody.
    #[error(
        "{0} has a TNAuthList, so it is a carrier's: nothing below it may sign a list of other \
         authorities' certificates (indirectCRL)"
    )]
    CarrierSigner(String),
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
