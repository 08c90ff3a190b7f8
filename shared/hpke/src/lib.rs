//! HPKE (RFC 9180, base mode) with the ciphersuites in use here, and the only calls
//! into the HPKE library. Not here: what is sealed, and under which `info` and `aad`.

mod aes_gcm;
mod context;
mod dhkem;
mod keys;
mod p256;
mod x25519;

use std::fmt;

pub use hpke::HpkeError;

pub use self::context::{ReceiverContext, SenderContext};
pub use self::keys::{PrivateKey, PublicKey};

/// Bytes of the authentication tag of every AEAD in use here.
pub const TAG_SIZE: usize = 16;

/// Bytes of a nonce of every AEAD in use here (`Nn`).
pub const NONCE_SIZE: usize = 12;

/// Bytes of a private key of every KEM in use here (RFC 9180 table 2; X-Wing's
/// is its 32-byte seed).
pub const PRIVATE_KEY_SIZE: usize = 32;

/// The key encapsulation mechanism. It settles the whole suite:
/// there is one KDF and one AEAD to each KEM, so that nothing is negotiated and
/// two keys of one KEM cannot be told apart by their suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kem {
    /// DHKEM(X25519, HKDF-SHA256), 0x0020, with AES-128-GCM. The default.
    DhkemX25519,
    /// DHKEM(P-256, HKDF-SHA256), 0x0010, with AES-128-GCM.
    DhkemP256,
    /// X-Wing (ML-KEM-768 and X25519; draft-connolly-cfrg-xwing-kem, HPKE id from
    /// draft-ietf-hpke-pq), 0x647a, with AES-256-GCM: for those who fear that
    /// traffic recorded today is opened by a later quantum computer.
    XWing,
}

impl Kem {
    /// Every KEM, in the order in which they are preferred.
    pub const ALL: [Self; 3] = [Self::DhkemX25519, Self::DhkemP256, Self::XWing];

    /// The KEM with this identifier in IANA's HPKE registry, if it is in use here.
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            0x0020 => Some(Self::DhkemX25519),
            0x0010 => Some(Self::DhkemP256),
            0x647a => Some(Self::XWing),
            _ => None,
        }
    }

    /// The identifier in IANA's HPKE KEM registry.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::DhkemX25519 => 0x0020,
            Self::DhkemP256 => 0x0010,
            Self::XWing => 0x647a,
        }
    }

    /// The HPKE KDF that goes with it: HKDF-SHA256 for all.
    #[must_use]
    pub const fn kdf_id(self) -> u16 {
        0x0001
    }

    /// The HPKE AEAD that goes with it: AES-128-GCM (0x0001), and AES-256-GCM
    /// (0x0002) for X-Wing.
    #[must_use]
    pub const fn aead_id(self) -> u16 {
        match self {
            Self::DhkemX25519 | Self::DhkemP256 => 0x0001,
            Self::XWing => 0x0002,
        }
    }

    /// Bytes of a key of its AEAD (`Nk`).
    #[must_use]
    pub const fn aead_key_size(self) -> usize {
        match self {
            Self::DhkemX25519 | Self::DhkemP256 => 16,
            Self::XWing => 32,
        }
    }

    /// Bytes of a serialized public key (`Npk`).
    #[must_use]
    pub const fn public_key_size(self) -> usize {
        match self {
            Self::DhkemX25519 => 32,
            Self::DhkemP256 => 65,
            Self::XWing => 1216,
        }
    }

    /// Bytes of an encapsulated key (`Nenc`).
    #[must_use]
    pub const fn enc_size(self) -> usize {
        match self {
            Self::DhkemX25519 => 32,
            Self::DhkemP256 => 65,
            Self::XWing => 1120,
        }
    }

    /// Bytes that sealing adds to a plaintext: the encapsulated key and the tag.
    #[must_use]
    pub const fn sealing_overhead(self) -> usize {
        self.enc_size() + TAG_SIZE
    }
}

impl fmt::Display for Kem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DhkemX25519 => "DHKEM(X25519)",
            Self::DhkemP256 => "DHKEM(P-256)",
            Self::XWing => "X-Wing",
        })
    }
}

#[cfg(test)]
mod tests;
