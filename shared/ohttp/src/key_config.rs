//! The public keys of gateways (RFC 9458 section 3), one and in a list, and the key pair
//! behind one. Not here: whether a client trusts a configuration.

use std::fmt;

use pennyblack_base::encoding;
use pennyblack_base::wire::{Reader, WireError, put_vec_u16};
use pennyblack_hpke::{Kem, PrivateKey, PublicKey};

/// Bytes of a KDF's and an AEAD's identifiers.
const SUITE_SIZE: usize = 4;

/// Bytes that are not a key configuration, or not a list of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyConfigError {
    /// Too short or too long.
    #[error("OHTTP key configuration: {0}")]
    Wire(#[from] WireError),
    /// More than are read.
    #[error("list of OHTTP key configurations of {0} bytes: at most {max} are read", max = KeyConfig::MAX_LIST_SIZE)]
    ListTooLong(usize),
    /// A KEM that is not in use here; in a list it is passed over.
    #[error("OHTTP key configuration of the HPKE KEM {0:#06x}: use X25519, P-256 or X-Wing")]
    UnsupportedKem(u16),
    /// None of its symmetric algorithms is ours; in a list it is passed over.
    #[error("OHTTP key configuration of {0}: its KDF and AEAD are not among those it offers")]
    UnsupportedSuites(Kem),
    /// No symmetric algorithms, or a part of one.
    #[error("OHTTP key configuration: {0} bytes of symmetric algorithms are not one or more of 4")]
    Suites(usize),
    /// More bytes than are remembered of one.
    #[error("OHTTP key configuration of {0} bytes: at most {max} are read", max = KeyConfig::MAX_SIZE)]
    TooLong(usize),
    /// Not a public key.
    #[error("OHTTP key configuration: not a valid {0} public key")]
    InvalidPublicKey(Kem),
}

/// One public key of a gateway, checked to be valid. Encoded (RFC 9458 section 3.1):
///
/// ```text
/// struct {
///   uint8 key_id;
///   uint16 kem_id;
///   opaque public_key[Npk];
///   uint16 symmetric_algorithms_length;   // 4 in ours
///   uint16 kdf_id, aead_id;               // the one pair of this KEM; others may stand beside it
/// } KeyConfig;
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct KeyConfig {
    key_id: u8,
    kem: Kem,
    public: PublicKey,
    encoded: Box<[u8]>,
}

impl KeyConfig {
    /// The media type of a list.
    pub const LIST_MEDIA_TYPE: &str = "application/ohttp-keys";
    /// Most bytes of one, of which an X-Wing key has 1,216.
    pub const MAX_SIZE: usize = 2_048;
    /// Most bytes of a list: the 16 of the largest that a log may announce at a time, each
    /// with its length. So whatever is trusted can be remembered as a list, too.
    pub const MAX_LIST_SIZE: usize = 16 * (2 + Self::MAX_SIZE);

    /// Reads one configuration, without a length in front.
    ///
    /// # Errors
    /// [`KeyConfigError`].
    pub fn parse(encoded: &[u8]) -> Result<Self, KeyConfigError> {
        if encoded.len() > Self::MAX_SIZE {
            return Err(KeyConfigError::TooLong(encoded.len()));
        }
        let mut reader = Reader::new(encoded);
        let (key_id, kem) = (reader.u8()?, reader.u16()?);
        let kem = Kem::from_id(kem).ok_or(KeyConfigError::UnsupportedKem(kem))?;
        let public = reader.take(kem.public_key_size())?;
        let suites = reader.vec_u16()?;
        reader.finish()?;
        if suites.is_empty() || suites.len() % SUITE_SIZE != 0 {
            return Err(KeyConfigError::Suites(suites.len()));
        }
        let public = PublicKey::parse(kem, public).ok_or(KeyConfigError::InvalidPublicKey(kem))?;
        let ours = suite(kem);
        if !suites.chunks_exact(SUITE_SIZE).any(|suite| suite == ours) {
            return Err(KeyConfigError::UnsupportedSuites(kem));
        }
        Ok(Self {
            key_id,
            kem,
            public,
            encoded: encoded.into(),
        })
    }

    /// Reads a list (RFC 9458 section 3.2), in its order. A configuration that this version
    /// cannot use is passed over; one that is wrong makes the whole list wrong, because
    /// clients that read different keys out of it could be told apart.
    ///
    /// # Errors
    /// [`KeyConfigError`].
    pub fn parse_list(encoded: &[u8]) -> Result<Vec<Self>, KeyConfigError> {
        if encoded.len() > Self::MAX_LIST_SIZE {
            return Err(KeyConfigError::ListTooLong(encoded.len()));
        }
        let mut reader = Reader::new(encoded);
        let mut configs = Vec::new();
        while !reader.is_empty() {
            match Self::parse(reader.vec_u16()?) {
                Ok(config) => configs.push(config),
                Err(KeyConfigError::UnsupportedKem(_) | KeyConfigError::UnsupportedSuites(_)) => {}
                Err(wrong) => return Err(wrong),
            }
        }
        Ok(configs)
    }

    /// The list, the one to use first in front.
    #[must_use]
    pub fn encode_list<'a>(configs: impl IntoIterator<Item = &'a Self>) -> Vec<u8> {
        let mut out = Vec::new();
        for config in configs {
            put_vec_u16(&mut out, config.as_bytes());
        }
        out
    }

    /// The encoding of this one, without a length in front.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.encoded
    }

    /// SHA-256 of the encoding, by which a log entry names it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        encoding::sha256(&self.encoded)
    }

    /// By which number an encapsulated request names the key.
    #[must_use]
    pub const fn key_id(&self) -> u8 {
        self.key_id
    }

    /// The KEM, which settles the whole suite.
    #[must_use]
    pub const fn kem(&self) -> Kem {
        self.kem
    }

    /// The public key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }
}

impl fmt::Debug for KeyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyConfig({} of {})", self.key_id, self.kem)
    }
}

fn suite(kem: Kem) -> [u8; SUITE_SIZE] {
    let ([a, b], [c, d]) = (kem.kdf_id().to_be_bytes(), kem.aead_id().to_be_bytes());
    [a, b, c, d]
}

/// A private key of a gateway, with its configuration. It is overwritten when dropped, and
/// `Debug` does not show it.
#[derive(Clone)]
pub struct GatewayKey {
    private: PrivateKey,
    config: KeyConfig,
}

impl GatewayKey {
    /// The key under this number.
    ///
    /// # Errors
    /// None in practice: the public key just made is checked like any other.
    pub fn new(key_id: u8, private: PrivateKey) -> Result<Self, KeyConfigError> {
        let kem = private.kem();
        let mut encoded = vec![key_id];
        encoded.extend(kem.id().to_be_bytes());
        encoded.extend(private.public_key_bytes());
        put_vec_u16(&mut encoded, &suite(kem));
        let config = KeyConfig::parse(&encoded)?;
        Ok(Self { private, config })
    }

    /// What to publish.
    #[must_use]
    pub const fn config(&self) -> &KeyConfig {
        &self.config
    }

    /// What opens requests.
    #[must_use]
    pub(crate) const fn private(&self) -> &PrivateKey {
        &self.private
    }
}

impl fmt::Debug for GatewayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayKey")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
