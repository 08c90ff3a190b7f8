//! A certificate with its path and its private key, as a carrier holds it.

use std::fmt;

use rcgen::KeyPair;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::PkiError;

/// A certificate's serial number: 1 to 20 bytes, positive, big-endian.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Serial(Vec<u8>);

impl Serial {
    /// Sixteen random bytes: more than the 64 bits that RFC 5280 and the
    /// SHAKEN certificate policy ask for. The top bit is clear, so that DER
    /// adds no byte, and the next one set, so that none is lost.
    #[must_use]
    pub(super) fn random() -> Self {
        let mut bytes: [u8; 16] = rand::random();
        if let Some(first) = bytes.first_mut() {
            *first = *first & 0x7f | 0x40;
        }
        Self(bytes.to_vec())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> Self {
        serial.to_string()
    }
}

impl TryFrom<String> for Serial {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, hex::FromHexError> {
        hex::decode(text).map(Self)
    }
}

/// A leaf (or delegating) certificate, its path without the root, and its key.
pub struct Credential {
    pub(super) serial: Serial,
    pub(super) path: Vec<Vec<u8>>,
    pub(super) key: KeyPair,
    pub(super) may_delegate: bool,
}

impl Credential {
    /// The certificate's serial number.
    #[must_use]
    pub const fn serial(&self) -> &Serial {
        &self.serial
    }

    /// DER of the leaf, then of each certificate above it, without the root:
    /// what goes into `x5c` (RFC 7515 section 4.1.6).
    #[must_use]
    pub fn path(&self) -> &[Vec<u8>] {
        &self.path
    }

    /// The same as concatenated PEM: what a file or an `x5u` URL serves.
    #[must_use]
    pub fn path_pem(&self) -> String {
        self.path.iter().map(|der| certificate_pem(der)).collect()
    }

    /// The private key as PKCS#8 PEM.
    #[must_use]
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.key.serialize_pem())
    }

    /// DER of the subject's name: the issuer name of what it delegates to.
    pub(super) fn subject(&self) -> Result<Vec<u8>, PkiError> {
        let leaf = self.path.first().map_or(&[][..], Vec::as_slice);
        let (_, parsed) =
            x509_parser::parse_x509_certificate(leaf).map_err(|error| PkiError::Damaged {
                what: format!("certificate {}", self.serial),
                why: error.to_string(),
            })?;
        Ok(parsed.subject().as_raw().to_vec())
    }

    /// Reads back what [`Self::path_pem`] and [`Self::key_pem`] wrote.
    ///
    /// # Errors
    /// [`PkiError::Damaged`] when either is not what this PKI writes.
    pub(super) fn from_pem(what: &str, path_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let path = certificates_from_pem(what, path_pem)?;
        let leaf = path.first().ok_or_else(|| PkiError::Damaged {
            what: what.to_owned(),
            why: "it holds no certificate".to_owned(),
        })?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(leaf).map_err(|error| PkiError::Damaged {
                what: what.to_owned(),
                why: error.to_string(),
            })?;
        Ok(Self {
            serial: Serial(parsed.tbs_certificate.raw_serial().to_vec()),
            may_delegate: parsed.is_ca(),
            key: KeyPair::from_pem(key_pem)?,
            path: path.clone(),
        })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("serial", &self.serial)
            .field("certificates", &self.path.len())
            .finish_non_exhaustive()
    }
}

/// One certificate as PEM, lines of 64 characters (RFC 7468 section 2).
pub(super) fn certificate_pem(der: &[u8]) -> String {
    pem_text("CERTIFICATE", der)
}

/// Any DER as PEM under `label`.
pub(super) fn pem_text(label: &str, der: &[u8]) -> String {
    let text = pennyblack_base::encoding::base64_standard(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str(&format!("\n-----END {label}-----\n"));
    pem
}

fn certificates_from_pem(what: &str, text: &str) -> Result<Vec<Vec<u8>>, PkiError> {
    x509_parser::pem::Pem::iter_from_buffer(text.as_bytes())
        .map(|block| {
            block
                .map(|block| block.contents)
                .map_err(|error| PkiError::Damaged {
                    what: what.to_owned(),
                    why: error.to_string(),
                })
        })
        .collect()
}
