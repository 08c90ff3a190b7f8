//! A STIR signing key: loading it and signing with it. Verification is with the
//! public key of a judged certificate, in `stir`.

use std::fmt;

use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::SIGNATURE_SIZE;
use crate::StirPublicKey;
use pennyblack_base::pem;

const SEC1_LABEL: &str = "-----BEGIN EC PRIVATE KEY-----";

/// Text that holds no usable private key. It never says what the text was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// Not an unencrypted P-256 key in PKCS#8 or SEC1 form.
    #[error(
        "no P-256 private key found: expected PEM labelled PRIVATE KEY (PKCS#8) or \
         EC PRIVATE KEY (SEC1), not encrypted"
    )]
    Form,
    /// The key could not be written as PKCS#8 or SPKI.
    #[error("the key cannot be encoded")]
    Encoding,
}

/// The ECDSA P-256 private key that belongs to a STIR certificate.
///
/// It is wiped when dropped, and `Debug` shows nothing of it.
#[derive(Clone)]
pub struct StirSigningKey(SigningKey);

impl StirSigningKey {
    /// Reads an unencrypted PEM file, PKCS#8 or SEC1. What stands around the key (such as the
    /// `EC PARAMETERS` that OpenSSL writes, or a certificate) is passed over, as are byte
    /// order marks and indentation.
    ///
    /// # Errors
    /// [`SigningKeyError::Form`].
    pub fn from_pem(text: &str) -> Result<Self, SigningKeyError> {
        let block = pem::private_key(text).ok_or(SigningKeyError::Form)?;
        let secret = match block.starts_with(SEC1_LABEL) {
            true => SecretKey::from_sec1_pem(&block).ok(),
            false => SecretKey::from_pkcs8_pem(&block).ok(),
        };
        secret
            .map(|secret| Self(secret.into()))
            .ok_or(SigningKeyError::Form)
    }

    /// A fresh key.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(SecretKey::generate_from_rng(rng).into())
    }

    /// The PKCS#8 PEM form, to be kept in a file of mode 0600.
    ///
    /// # Errors
    /// [`SigningKeyError::Encoding`]; not seen for keys that were loaded or made here.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, SigningKeyError> {
        self.0
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| SigningKeyError::Encoding)
    }

    /// The public key as SubjectPublicKeyInfo (91 bytes of DER), which is what
    /// stands in the certificate.
    ///
    /// # Errors
    /// [`SigningKeyError::Encoding`]; not seen for keys that were loaded or made here.
    pub fn public_key_der(&self) -> Result<Vec<u8>, SigningKeyError> {
        self.0
            .verifying_key()
            .to_public_key_der()
            .map(|der| der.as_bytes().to_vec())
            .map_err(|_| SigningKeyError::Encoding)
    }

    /// The public key, to compare with a certificate's and to verify with.
    ///
    /// # Errors
    /// [`SigningKeyError::Encoding`]; not seen for keys that were loaded or made here.
    pub fn public_key(&self) -> Result<StirPublicKey, SigningKeyError> {
        let point = self.0.verifying_key().to_sec1_point(false);
        StirPublicKey::from_sec1(point.as_bytes()).map_err(|_| SigningKeyError::Encoding)
    }

    /// ES256: ECDSA with SHA-256 and the nonce of RFC 6979, as `r || s`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_SIZE] {
        let signature: Signature = self.0.sign(message);
        signature.to_bytes().into()
    }
}

impl fmt::Debug for StirSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StirSigningKey(redacted)")
    }
}
