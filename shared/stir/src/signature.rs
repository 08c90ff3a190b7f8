//! Signatures by certificate authorities, over certificates and over revocation
//! lists (RFC 5280 sections 4.1.1.3 and 5.1.1.3).

use aws_lc_rs::signature::{self as algorithms, ParsedPublicKey, VerificationAlgorithm};
use pennyblack_base::encoding;

/// Why a signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// An algorithm that is broken or does not go with the key.
    #[error("signature algorithm {algorithm} with a {key} key is not accepted")]
    Algorithm {
        /// The algorithm's object identifier.
        algorithm: String,
        /// What kind of key the signer has.
        key: AuthorityKeyKind,
    },
    /// The signature does not verify.
    #[error("the signature does not verify with the issuer's key")]
    Invalid,
}

/// Kinds of keys that authorities have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorityKeyKind {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// RSA, 2,048 bits and more.
    Rsa,
    /// Anything else.
    Unknown,
}

impl std::fmt::Display for AuthorityKeyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Rsa => "RSA",
            Self::Unknown => "unknown",
        })
    }
}

/// A certificate's key as it stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AuthorityKey {
    pub(super) kind: AuthorityKeyKind,
    /// An uncompressed point, or RSAPublicKey in DER.
    pub(super) bytes: Box<[u8]>,
}

impl AuthorityKey {
    /// SHA-256 over the key, in hexadecimal.
    pub(super) fn digest(&self) -> String {
        hex::encode(encoding::sha256(&self.bytes))
    }
}

/// Something signed: the bytes, the algorithm and the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) message: Box<[u8]>,
    pub(super) algorithm: String,
    pub(super) signature: Box<[u8]>,
}

impl Signed {
    pub(super) fn verify(&self, key: &AuthorityKey) -> Result<(), SignatureError> {
        let algorithm =
            algorithm(&self.algorithm, key.kind).ok_or_else(|| SignatureError::Algorithm {
                algorithm: self.algorithm.clone(),
                key: key.kind,
            })?;
        #[cfg(test)]
        checks::count();
        ParsedPublicKey::new(algorithm, &key.bytes)
            .map_err(|_| SignatureError::Invalid)?
            .verify_sig(&self.message, &self.signature)
            .map_err(|_| SignatureError::Invalid)
    }
}

fn algorithm(oid: &str, key: AuthorityKeyKind) -> Option<&'static dyn VerificationAlgorithm> {
    use AuthorityKeyKind::{P256, P384, P521, Rsa};
    Some(match (oid, key) {
        ("1.2.840.10045.4.3.2", P256) => &algorithms::ECDSA_P256_SHA256_ASN1,
        ("1.2.840.10045.4.3.2", P384) => &algorithms::ECDSA_P384_SHA256_ASN1,
        ("1.2.840.10045.4.3.2", P521) => &algorithms::ECDSA_P521_SHA256_ASN1,
        ("1.2.840.10045.4.3.3", P256) => &algorithms::ECDSA_P256_SHA384_ASN1,
        ("1.2.840.10045.4.3.3", P384) => &algorithms::ECDSA_P384_SHA384_ASN1,
        ("1.2.840.10045.4.3.3", P521) => &algorithms::ECDSA_P521_SHA384_ASN1,
        ("1.2.840.10045.4.3.4", P256) => &algorithms::ECDSA_P256_SHA512_ASN1,
        ("1.2.840.10045.4.3.4", P384) => &algorithms::ECDSA_P384_SHA512_ASN1,
        ("1.2.840.10045.4.3.4", P521) => &algorithms::ECDSA_P521_SHA512_ASN1,
        ("1.2.840.113549.1.1.11", Rsa) => &algorithms::RSA_PKCS1_2048_8192_SHA256,
        ("1.2.840.113549.1.1.12", Rsa) => &algorithms::RSA_PKCS1_2048_8192_SHA384,
        ("1.2.840.113549.1.1.13", Rsa) => &algorithms::RSA_PKCS1_2048_8192_SHA512,
        _ => return None,
    })
}

/// How many signatures were checked: what a test bounds.
#[cfg(test)]
pub(super) mod checks {
    use std::cell::Cell;

    thread_local! {
        static CHECKS: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count() {
        CHECKS.set(CHECKS.get() + 1);
    }

    /// The checks that this thread makes in `of`.
    pub(in super::super) fn during<T>(of: impl FnOnce() -> T) -> (T, usize) {
        let before = CHECKS.get();
        let result = of();
        (result, CHECKS.get() - before)
    }
}
