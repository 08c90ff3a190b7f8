//! Whose mailbox it is: a recipient's HPKE key, the public configuration of it
//! that OOB-ASs seal to, and the mailbox id, its hash. Not here: who may claim a
//! key for a number (`key_record`), and what is sealed to it (`sealed`, `envelope`).

use std::fmt;
use std::str::FromStr;

use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use pennyblack_base::encoding::{self, Base64Error};
use pennyblack_base::wire::{Reader, WireError};
use pennyblack_hpke::{HpkeError, PrivateKey, PublicKey};

pub use pennyblack_hpke::{Kem, PRIVATE_KEY_SIZE, TAG_SIZE};

/// Bytes in front of the public key in a [`KeyConfig`]'s encoding.
const CONFIG_HEADER_SIZE: usize = 6;

/// A key configuration or private key that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Too few bytes for the KEM named, or too many.
    #[error("HPKE key: {0}")]
    Form(#[from] WireError),
    /// A KEM that is not in use here.
    #[error(
        "HPKE KEM {0:#06x} is not supported: use 0x0020 (X25519), 0x0010 (P-256) or 0x647a (X-Wing)"
    )]
    UnsupportedKem(u16),
    /// A KDF or AEAD other than the one that goes with this KEM.
    #[error(
        "HPKE suite of {kem}: kdf {kdf:#06x} with aead {aead:#06x} is not supported, use {:#06x} with {:#06x}",
        kem.kdf_id(),
        kem.aead_id()
    )]
    UnsupportedSuite {
        /// The KEM of the configuration.
        kem: Kem,
        /// The KDF it named.
        kdf: u16,
        /// The AEAD it named.
        aead: u16,
    },
    /// Not on the curve, not canonical, of small order, or not reduced.
    #[error("not a valid {0} public key")]
    InvalidPublicKey(Kem),
    /// Zero, or not less than the order of the group.
    #[error("not a valid {0} private key")]
    InvalidPrivateKey(Kem),
    /// The text form was not base64url.
    #[error("HPKE key configuration: {0}")]
    Text(#[from] Base64Error),
}

/// What a recipient publishes for OOB-ASs to seal to: an HPKE suite and a
/// public key, checked to be valid.
///
/// The encoding, and so the hash that names the mailbox, is
///
/// ```text
/// struct {
///   uint16 kem_id;            // RFC 9180 section 7.1, or 0x647a
///   uint16 kdf_id;            // section 7.2; always 0x0001
///   uint16 aead_id;           // section 7.3; 0x0001, for X-Wing 0x0002
///   opaque public_key[Npk];   // SerializePublicKey: 32, 65 or 1216 bytes
/// } KeyConfig;
/// ```
///
/// with no length in front of the key: the KEM says it. Each suite has one
/// encoding only (keys that are not in canonical form are refused), so that one
/// key has one mailbox. In JSON and other text it is unpadded base64url.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyConfig {
    kem: Kem,
    public: PublicKey,
    encoded: Box<[u8]>,
    mailbox: MailboxId,
}

impl KeyConfig {
    /// Parses an encoding and validates the public key in it.
    ///
    /// # Errors
    /// [`KeyError`]: any suite but the three of [`Kem`], a wrong size, or bytes
    /// that are not a public key of that KEM.
    pub fn parse(encoded: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(encoded);
        let (kem, kdf, aead) = (reader.u16()?, reader.u16()?, reader.u16()?);
        let kem = Kem::from_id(kem).ok_or(KeyError::UnsupportedKem(kem))?;
        if (kdf, aead) != (kem.kdf_id(), kem.aead_id()) {
            return Err(KeyError::UnsupportedSuite { kem, kdf, aead });
        }
        let public = reader.take(kem.public_key_size())?;
        reader.finish()?;
        Ok(Self {
            kem,
            public: PublicKey::parse(kem, public).ok_or(KeyError::InvalidPublicKey(kem))?,
            encoded: encoded.into(),
            mailbox: MailboxId(encoding::sha256(encoded)),
        })
    }

    /// The configuration of this KEM (with its one KDF and AEAD) and public key.
    ///
    /// # Errors
    /// [`KeyError`] when `public` is not a public key of `kem`.
    pub fn new(kem: Kem, public: &[u8]) -> Result<Self, KeyError> {
        let mut encoded = Vec::with_capacity(CONFIG_HEADER_SIZE + public.len());
        for id in [kem.id(), kem.kdf_id(), kem.aead_id()] {
            encoded.extend(id.to_be_bytes());
        }
        encoded.extend_from_slice(public);
        Self::parse(&encoded)
    }

    /// The encoding, `6 + Npk` bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.encoded
    }

    /// The KEM, which settles the whole suite.
    #[must_use]
    pub const fn kem(&self) -> Kem {
        self.kem
    }

    /// The public key alone, as `SerializePublicKey` writes it (`Npk` bytes).
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.encoded.get(CONFIG_HEADER_SIZE..).unwrap_or_default()
    }

    /// The mailbox that this key opens: SHA-256 of the encoding.
    #[must_use]
    pub const fn mailbox(&self) -> MailboxId {
        self.mailbox
    }

    /// Seals in place: `message` is `enc || plaintext || tag`, and the
    /// caller has written the plaintext.
    pub(crate) fn seal(
        &self,
        info: &[u8],
        aad: &[u8],
        message: &mut [u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(), HpkeError> {
        self.public.seal(info, aad, message, rng)
    }
}

impl fmt::Display for KeyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoding::base64url(&self.encoded))
    }
}

impl fmt::Debug for KeyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyConfig({}, mailbox {})", self.kem, self.mailbox)
    }
}

impl FromStr for KeyConfig {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(&encoding::from_base64url(text)?)
    }
}

/// Names a mailbox: SHA-256 of its [`KeyConfig`]'s encoding.
///
/// On the wire it is the 32 bytes; in URL paths and JSON it is unpadded
/// base64url, always 43 characters, case-sensitive, with one spelling only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MailboxId(pub [u8; 32]);

/// Text that does not name a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MailboxIdError {
    /// Not 43 characters.
    #[error("a mailbox id is 43 characters of base64url, not {0}")]
    Length(usize),
    /// Not base64url, or bits set past the 256th.
    #[error("mailbox id: {0}")]
    Text(#[from] Base64Error),
}

impl MailboxId {
    /// Characters of the text form.
    pub const TEXT_SIZE: usize = 43;
}

impl FromStr for MailboxId {
    type Err = MailboxIdError;

    fn from_str(text: &str) -> Result<Self, MailboxIdError> {
        let wrong_length = MailboxIdError::Length(text.len());
        if text.len() != Self::TEXT_SIZE {
            return Err(wrong_length);
        }
        let bytes = encoding::from_base64url(text)?;
        Ok(Self(bytes.try_into().map_err(|_| wrong_length)?))
    }
}

impl TryFrom<String> for MailboxId {
    type Error = MailboxIdError;

    fn try_from(text: String) -> Result<Self, MailboxIdError> {
        text.parse()
    }
}

impl From<MailboxId> for String {
    fn from(mailbox: MailboxId) -> Self {
        encoding::base64url(&mailbox.0)
    }
}

impl fmt::Display for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoding::base64url(&self.0))
    }
}

impl fmt::Debug for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailboxId({self})")
    }
}

/// The private key that opens one mailbox, with its public configuration.
///
/// It is overwritten when dropped, and `Debug` shows the mailbox only.
#[derive(Clone)]
pub struct RecipientKey {
    private: PrivateKey,
    config: KeyConfig,
}

impl RecipientKey {
    /// Bytes of the file form: `uint16 kem_id || private_key[32]`.
    pub const FILE_SIZE: usize = 2 + PRIVATE_KEY_SIZE;

    /// A fresh key.
    ///
    /// # Errors
    /// None in practice: the public key just made is checked like any other.
    pub fn generate(kem: Kem, rng: &mut impl CryptoRng) -> Result<Self, KeyError> {
        Self::from_private(kem, PrivateKey::generate(kem, rng))
    }

    /// Reads the file form back.
    ///
    /// # Errors
    /// [`KeyError`]: another KEM, another size, or not a private key.
    pub fn from_bytes(file: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(file);
        let kem = reader.u16()?;
        let kem = Kem::from_id(kem).ok_or(KeyError::UnsupportedKem(kem))?;
        let secret = Zeroizing::new(reader.array()?);
        reader.finish()?;
        let private = PrivateKey::parse(kem, &secret).ok_or(KeyError::InvalidPrivateKey(kem))?;
        Self::from_private(kem, private)
    }

    /// The file form, [`Self::FILE_SIZE`] bytes. It opens the mailbox:
    /// keep it in a file of mode 0600.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut secret = Zeroizing::new([0; PRIVATE_KEY_SIZE]);
        self.private.write(&mut secret);
        let mut file = Zeroizing::new(Vec::with_capacity(Self::FILE_SIZE));
        file.extend(self.config.kem.id().to_be_bytes());
        file.extend_from_slice(secret.as_slice());
        file
    }

    /// What to publish.
    #[must_use]
    pub const fn config(&self) -> &KeyConfig {
        &self.config
    }

    /// The mailbox that this key opens.
    #[must_use]
    pub const fn mailbox(&self) -> MailboxId {
        self.config.mailbox
    }

    /// Opens `enc || ct`.
    pub(crate) fn open(
        &self,
        info: &[u8],
        aad: &[u8],
        message: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
        self.private.open(info, aad, message)
    }

    fn from_private(kem: Kem, private: PrivateKey) -> Result<Self, KeyError> {
        let config = KeyConfig::new(kem, &private.public_key_bytes())?;
        Ok(Self { private, config })
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecipientKey")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
