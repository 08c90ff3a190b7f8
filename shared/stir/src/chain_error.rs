//! Why a chain of certificates is refused. Who refuses it is `chain`.

use std::time::Duration;

use super::certificate::CertificateError;
use super::signature::{AuthorityKeyKind, SignatureError};
use super::tn_auth_list::MAX_ENTRIES;
use pennyblack_base::time::UnixTime;

/// Most certificates of a chain, leaf and root included.
pub const MAX_CHAIN_LENGTH: usize = 6;

/// Why a chain is refused. Certificates are named by their subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// No certificate at all.
    #[error("no certificate: send the chain, leaf first")]
    Empty,
    /// More certificates than any chain has.
    #[error("{0} certificates are too many; a chain has at most {MAX_CHAIN_LENGTH}")]
    TooLong(usize),
    /// A certificate that cannot be read.
    #[error("certificate {index} of the chain: {error}")]
    Certificate {
        /// Its place, from 0.
        index: usize,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// More SPCs and numbers than any chain lists.
    #[error("the certificates of a chain list at most {MAX_ENTRIES} SPCs, numbers and ranges")]
    TooManyEntries,
    /// Version 1 or 2: no extensions, so no authority.
    #[error("{0}: an X.509 version other than 3")]
    Version(String),
    /// Not valid yet.
    #[error(
        "{subject}: not valid before {not_before}, and it is {now}{}",
        doubt(not_before.since(*now))
    )]
    NotYetValid {
        /// Whose certificate.
        subject: String,
        /// When it begins.
        not_before: UnixTime,
        /// The present.
        now: UnixTime,
    },
    /// No longer valid.
    #[error(
        "{subject}: expired at {not_after}, and it is {now}: renew the certificate{}",
        doubt(now.since(*not_after))
    )]
    Expired {
        /// Whose certificate.
        subject: String,
        /// When it ended.
        not_after: UnixTime,
        /// The present.
        now: UnixTime,
    },
    /// A critical extension that is not understood here.
    #[error("{subject}: critical extension {oid} is not understood")]
    UnknownCritical {
        /// Whose certificate.
        subject: String,
        /// The extension.
        oid: String,
    },
    /// An extended key usage for something else.
    #[error("{0}: an extended key usage without anyExtendedKeyUsage, so it is not for calls")]
    OtherPurpose(String),
    /// The leaf is an authority's certificate.
    #[error("{0}: an authority's certificate cannot sign for calls")]
    LeafIsAuthority(String),
    /// The leaf may not make signatures.
    #[error("{0}: key usage does not include digitalSignature")]
    LeafKeyUsage(String),
    /// The leaf's key is not on P-256 (RFC 8225 section 8: ES256).
    #[error("{subject}: the key is {key}, and must be P-256")]
    LeafKey {
        /// Whose certificate.
        subject: String,
        /// What key it is.
        key: AuthorityKeyKind,
    },
    /// The leaf speaks for nobody.
    #[error("{0}: no TNAuthList, so no authority for any number")]
    NoTnAuthList(String),
    /// A certificate on the way is no authority's, or may not sign certificates.
    #[error("{0}: not a certificate authority with keyCertSign, so it cannot vouch for others")]
    NotAnAuthority(String),
    /// An authority with more below it than it allows.
    #[error("{subject}: allows {allowed} authorities below it, and {actual} are")]
    PathLength {
        /// Whose certificate.
        subject: String,
        /// What it allows.
        allowed: u32,
        /// How many there are.
        actual: usize,
    },
    /// It does not say by which key of its issuer it is signed (RFC 5280 section 4.2.1.1).
    #[error("{0}: no authorityKeyIdentifier, which says by which key of its CA it is signed")]
    NoAuthorityKeyId(String),
    /// No path to a root.
    #[error(
        "{0}: no CA with the name and key identifier of its issuer is a configured root \
         or in the chain"
    )]
    UnknownIssuer(String),
    /// A signature on the way.
    #[error("{subject}: {error}")]
    Signature {
        /// Whose certificate.
        subject: String,
        /// What is wrong.
        error: SignatureError,
    },
    /// Paths beyond those that were tried.
    #[error("no path to a root holds among the first that were tried: send fewer certificates")]
    TooManyPaths,
    /// A delegate claims more than its parent has (RFC 9060 section 4).
    #[error("{subject}: its parent certificate does not encompass {entry}")]
    NotEncompassed {
        /// Whose certificate.
        subject: String,
        /// What it claims.
        entry: String,
    },
    /// Revoked.
    #[error("{0}: revoked")]
    Revoked(String),
    /// Revocation lists are configured, and none of them covers this certificate.
    #[error(
        "{subject}: no revocation list here covers it: put the current list of {authority}, or \
         an indirect list that serves all authorities, among the lists"
    )]
    NoRevocationList {
        /// Whose certificate.
        subject: String,
        /// Who issued it.
        authority: String,
    },
    /// The revocation list that covers the certificate is too old to rely on.
    #[error(
        "a revocation list was due at {next_update}, and it is {now}: fetch the current list{}",
        doubt(now.since(*next_update))
    )]
    StaleRevocation {
        /// When a new one was due.
        next_update: UnixTime,
        /// The present.
        now: UnixTime,
    },
}

/// A certificate that is wrong by so much may be right, and the clock wrong.
const LARGE_GAP: Duration = Duration::from_secs(86_400);

fn doubt(gap: Duration) -> &'static str {
    if gap < LARGE_GAP {
        ""
    } else {
        ". Is the clock of this machine right?"
    }
}
