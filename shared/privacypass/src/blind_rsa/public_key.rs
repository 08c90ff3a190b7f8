//! The issuer's public key in the one encoding that RFC 9578 section 6.5 allows.

use super::MODULUS_SIZE;
use crate::token::TokenKeyId;

/// Bytes of a [`TokenPublicKey`]'s encoding.
pub const SPKI_SIZE: usize = 342;

/// What stands in front of the modulus: SubjectPublicKeyInfo, RSASSA-PSS with
/// SHA-384, MGF1 with SHA-384 and salt length 48 (no NULL parameters), BIT
/// STRING, RSAPublicKey, and the modulus's sign octet.
const BEFORE_MODULUS: [u8; 81] = [
    0x30, 0x82, 0x01, 0x52, 0x30, 0x3d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x0a, 0x30, 0x30, 0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
    0x02, 0x02, 0xa1, 0x1a, 0x30, 0x18, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x08, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0xa2, 0x03,
    0x02, 0x01, 0x30, 0x03, 0x82, 0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01,
    0x00,
];

/// What follows it: the exponent 65537.
const AFTER_MODULUS: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];

/// Where RSAPublicKey (RFC 8017 appendix A.1.1) begins in the encoding.
const RSA_PUBLIC_KEY_AT: usize = 72;

/// A key that no client may blind for and no CPS may accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// Not the size of an RSA-2048 SubjectPublicKeyInfo of RFC 9578.
    #[error("a token key has {SPKI_SIZE} bytes, not {0}")]
    Size(usize),
    /// Another algorithm, other parameters (NULLs for example), or an exponent
    /// other than 65537.
    #[error(
        "the token key is not RSASSA-PSS with SHA-384, MGF1-SHA-384, salt length 48, \
         2048 bits and exponent 65537 in the exact form of RFC 9578 section 6.5"
    )]
    Form,
    /// The modulus is even or shorter than 2,048 bits.
    #[error("the token key's modulus is not an odd number of 2,048 bits")]
    Modulus,
}

/// An issuer's public key, checked to have the exact template: 2,048-bit odd
/// modulus, e = 65537. An issuer that hands out a key of any other form could
/// tell its clients apart or forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPublicKey {
    spki: Box<[u8]>,
}

impl TokenPublicKey {
    /// Parses the encoding of a directory.
    ///
    /// # Errors
    /// [`PublicKeyError`].
    pub fn parse(spki: &[u8]) -> Result<Self, PublicKeyError> {
        if spki.len() != SPKI_SIZE {
            return Err(PublicKeyError::Size(spki.len()));
        }
        let modulus = spki
            .strip_prefix(&BEFORE_MODULUS)
            .and_then(|rest| rest.strip_suffix(&AFTER_MODULUS))
            .ok_or(PublicKeyError::Form)?;
        match modulus {
            [first, .., last] if first & 0x80 != 0 && last & 1 == 1 => {
                Ok(Self { spki: spki.into() })
            }
            _ => Err(PublicKeyError::Modulus),
        }
    }

    /// The key with this modulus, and the exponent 65537.
    ///
    /// # Errors
    /// [`PublicKeyError::Modulus`] when it is even or shorter than 2,048 bits.
    pub fn from_modulus(modulus: &[u8; MODULUS_SIZE]) -> Result<Self, PublicKeyError> {
        Self::parse(&[&BEFORE_MODULUS[..], modulus, &AFTER_MODULUS].concat())
    }

    /// The encoding, [`SPKI_SIZE`] bytes.
    #[must_use]
    pub const fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// `token_key_id`: SHA-256 of the encoding.
    #[must_use]
    pub fn id(&self) -> TokenKeyId {
        TokenKeyId::of(&self.spki)
    }

    /// RSAPublicKey in DER, as libraries want it that know no RSASSA-PSS keys.
    pub(super) fn rsa_public_key(&self) -> &[u8] {
        self.spki.get(RSA_PUBLIC_KEY_AT..).unwrap_or_default()
    }
}
