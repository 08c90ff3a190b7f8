//! A token key's private half, of any type: what it does to blinded
//! messages, and its form on disk. Not here: which key signs when (`token_keys`)
//! and on which thread (`signing_pool`).

mod blind_rsa;

use openssl::error::ErrorStack;
use pennyblack_privacypass::blind_rsa::{MODULUS_SIZE, PublicKeyError};
use pennyblack_privacypass::token::TokenType;
use pennyblack_privacypass::token_key::TokenKey;
use pennyblack_privacypass::voprf::{VoprfError, VoprfKind, VoprfPublicKey, VoprfSecretKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use self::blind_rsa::BlindRsaKey;

/// Which type of tokens a key signs, as the configuration and the names of key
/// files say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyType {
    /// Type 0x0002: anybody can verify.
    #[default]
    BlindRsa,
    /// Type 0x0001: only who holds this key can verify.
    #[serde(rename = "voprf-p384")]
    VoprfP384,
    /// Type 0x0005: the same, and the fastest.
    #[serde(rename = "voprf-ristretto255")]
    VoprfRistretto255,
}

impl KeyType {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::BlindRsa, Self::VoprfP384, Self::VoprfRistretto255];

    /// Its name in configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlindRsa => "blind-rsa",
            Self::VoprfP384 => "voprf-p384",
            Self::VoprfRistretto255 => "voprf-ristretto255",
        }
    }

    /// The extension of its key files.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::BlindRsa => "pem",
            voprf => voprf.name(),
        }
    }

    /// The type of tokens.
    #[must_use]
    pub const fn token_type(self) -> TokenType {
        match self.voprf() {
            Some(kind) => kind.token_type(),
            None => TokenType::BLIND_RSA_2048,
        }
    }

    const fn voprf(self) -> Option<VoprfKind> {
        match self {
            Self::BlindRsa => None,
            Self::VoprfP384 => Some(VoprfKind::P384),
            Self::VoprfRistretto255 => Some(VoprfKind::Ristretto255),
        }
    }
}

/// A key that cannot be made or read, or a message that it does not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The stored key is damaged, or of another kind.
    #[error("not an RSA-2048 private key in PKCS#8 PEM: {0}")]
    Key(ErrorStack),
    /// The stored key is not one that may sign tokens.
    #[error("not a token key: {0}")]
    Public(#[from] PublicKeyError),
    /// The private exponent and the primes do not belong to the modulus.
    #[error("the private key contradicts itself: restore it from a backup")]
    Inconsistent,
    /// A VOPRF key's file, or the machine's randomness.
    #[error("VOPRF: {0}")]
    Voprf(VoprfError),
    /// RFC 9497 section 4: the message must be a group element.
    #[error("the blinded message is no element of the key's group: {0}")]
    NoElement(VoprfError),
    /// RFC 9474 section 4.3: the message must be less than the modulus.
    #[error("the blinded message is not less than the key's modulus")]
    MessageTooLarge,
    /// OpenSSL failed.
    #[error("signing failed: {0}")]
    OpenSsl(ErrorStack),
    /// `s^e == m`, or the proof of a VOPRF evaluation, does not hold: a fault in
    /// computation or memory, which must not leave the house, since it gives the
    /// key away.
    #[error("the signature did not verify and was withheld: check this machine's hardware")]
    SelfCheck,
}

/// A token key's private half.
#[derive(Debug)]
pub enum SigningKey {
    /// RSA-2048.
    BlindRsa(BlindRsaKey),
    /// A scalar.
    Voprf(VoprfSecretKey),
}

impl SigningKey {
    /// Makes a fresh key.
    ///
    /// # Errors
    /// [`SignError`] when there is no randomness.
    pub fn generate(key_type: KeyType) -> Result<Self, SignError> {
        match key_type.voprf() {
            None => BlindRsaKey::generate().map(Self::BlindRsa),
            Some(kind) => VoprfSecretKey::generate(kind)
                .map(Self::Voprf)
                .map_err(SignError::Voprf),
        }
    }

    /// Reads what [`Self::to_file`] wrote.
    ///
    /// # Errors
    /// [`SignError`]: unreadable, or not a key that may sign.
    pub fn from_file(key_type: KeyType, contents: &[u8]) -> Result<Self, SignError> {
        let Some(kind) = key_type.voprf() else {
            return BlindRsaKey::from_pem(contents).map(Self::BlindRsa);
        };
        let digits = contents.trim_ascii();
        let mut scalar = Zeroizing::new(vec![0; digits.len() / 2]);
        hex::decode_to_slice(digits, &mut scalar).map_err(|_| {
            SignError::Voprf(VoprfError::Encoding {
                what: "the key file",
            })
        })?;
        VoprfSecretKey::from_bytes(kind, &scalar)
            .map(Self::Voprf)
            .map_err(SignError::Voprf)
    }

    /// The contents of a file of mode 0600: PKCS#8 in PEM, or the scalar of RFC
    /// 9497 in hexadecimal digits.
    ///
    /// # Errors
    /// [`SignError::OpenSsl`].
    pub fn to_file(&self) -> Result<Zeroizing<Vec<u8>>, SignError> {
        match self {
            Self::BlindRsa(key) => key.to_pem(),
            Self::Voprf(key) => {
                let digits = Zeroizing::new(hex::encode(key.to_bytes()));
                Ok(Zeroizing::new([digits.as_bytes(), b"\n"].concat()))
            }
        }
    }

    /// Its type.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        match self {
            Self::BlindRsa(_) => KeyType::BlindRsa,
            Self::Voprf(key) => match key.public().kind() {
                VoprfKind::P384 => KeyType::VoprfP384,
                VoprfKind::Ristretto255 => KeyType::VoprfRistretto255,
            },
        }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> TokenKey {
        match self {
            Self::BlindRsa(key) => TokenKey::BlindRsa(key.public().clone()),
            Self::Voprf(key) => TokenKey::Voprf(key.public().clone()),
        }
    }

    /// Checks that a blinded message is one that this key can sign.
    ///
    /// # Errors
    /// [`SignError::MessageTooLarge`] or [`SignError::NoElement`].
    pub fn check(&self, blinded: &[u8]) -> Result<(), SignError> {
        match self {
            Self::BlindRsa(key) => key.check_range(modulus_sized(blinded)?),
            Self::Voprf(key) => VoprfPublicKey::parse(key.public().kind(), blinded)
                .map(drop)
                .map_err(SignError::NoElement),
        }
    }

    /// Signs one or more blinded messages: the blind signatures one after the
    /// other; or the evaluations, and behind them one proof for all. Checked before
    /// it is handed out. Takes tens to hundreds of microseconds of the calling
    /// thread for each.
    ///
    /// # Errors
    /// As [`Self::check`], or a failure of the machine.
    pub fn sign(&self, blinded: &[Box<[u8]>]) -> Result<Vec<u8>, SignError> {
        match self {
            Self::BlindRsa(key) => {
                let mut signatures = Vec::with_capacity(blinded.len() * MODULUS_SIZE);
                for message in blinded {
                    signatures.extend_from_slice(&key.blind_sign(modulus_sized(message)?)?);
                }
                Ok(signatures)
            }
            Self::Voprf(key) => key.evaluate(blinded).map_err(|error| match error {
                VoprfError::Proof => SignError::SelfCheck,
                error => SignError::NoElement(error),
            }),
        }
    }
}

fn modulus_sized(blinded: &[u8]) -> Result<&[u8; MODULUS_SIZE], SignError> {
    blinded.try_into().map_err(|_| SignError::MessageTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_every_type_comes_back_from_its_file_and_no_other() {
        for key_type in KeyType::ALL {
            let key = SigningKey::generate(key_type).unwrap();
            assert_eq!(key.key_type(), key_type);
            assert_eq!(serde_json::to_value(key_type).unwrap(), key_type.name());
            assert_eq!(key.public().token_type(), key_type.token_type());
            let file = key.to_file().unwrap();
            let again = SigningKey::from_file(key_type, &file).unwrap();
            assert_eq!(again.public(), key.public());
            for other in KeyType::ALL.into_iter().filter(|other| *other != key_type) {
                assert!(SigningKey::from_file(other, &file).is_err());
            }
            assert!(SigningKey::from_file(key_type, b"").is_err());
        }
    }

    #[test]
    fn a_message_that_cannot_be_signed_is_refused_before_and_while_signing() {
        for key_type in KeyType::ALL {
            let key = SigningKey::generate(key_type).unwrap();
            for message in [vec![0xff; 256], vec![0xff; 49], vec![0xff; 32], vec![]] {
                assert!(key.check(&message).is_err());
                assert!(key.sign(&[message.into()]).is_err());
            }
        }
    }
}
